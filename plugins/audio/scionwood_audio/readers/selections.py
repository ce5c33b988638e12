"""Selections in a recording: tables of Raven, labels of Audacity, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from scionwood import ReadError, WriteError
from scionwood.authoring import atomic_path, read_utf8, reading, writing
from scionwood_audio.readers.marked_sound import Selection as Selection
from scionwood_audio.readers.marked_sound import fault
from scionwood_audio.readers.selection_rows import (
    CSV,
    FREQUENCIES,
    RAVEN,
    label_rows,
    table_rows,
)

Style: TypeAlias = Literal["raven", "audacity", "csv"]
"""A format of selections."""

LABELS = ("annotation", "label", "species", "common name", "call type", "type", "tags")
"""The columns that hold the label, in lower case; Raven leaves the name to its user."""

SCORES = ("score", "confidence")
_FORMATS = (
    "Give a selection table of Raven, labels of Audacity, or CSV with the columns start and end"
)


def read_selections(path: str | Path, *, label: str | None = None) -> list[Selection]:
    r"""Return the selections of a file, whose format is found by its content.

    A table of Raven may hold a selection once for each view; the row of the spectrogram is taken.

    Args:
        path: a selection table of Raven (tabs), labels of Audacity (tabs, no header), or CSV with
            the columns start, end and label, and perhaps low, high and score. UTF-8.
        label: the column that holds the label; `None` takes the first of Annotation, Label,
            Species, Common Name, Call Type, Type and Tags.

    Units: times in seconds, frequencies in Hz.

    Raises:
        ReadError: it is none of these, a column is missing, or a value is not possible. The error
            names the line and the value.

    Source: Raven Pro 1.6 User's Manual, chapter 6 (selection tables); Audacity Manual, "Importing
        and Exporting Labels".

    Example:
        >>> from pathlib import Path
        >>> from scionwood_audio.readers.selections import read_selections
        >>> size = Path("calls.txt").write_text("1.5\t2.25\tgreat tit\n")
        >>> read_selections("calls.txt")[0][:3]
        (1.5, 2.25, 'great tit')
    """
    text = read_utf8(path)
    first = next((line for line in text.split("\n") if line.strip()), "").rstrip("\r")
    if not first:
        raise ReadError(str(path), "it is empty", _FORMATS)
    fields = first.split("\t")
    if len(fields) > 1 and _is_number(fields[0]):
        return _audacity(path, text)
    if len(fields) > 1:
        rows = (
            (number, line.rstrip("\r").split("\t"))
            for number, line in enumerate(text.split("\n"), start=1)
        )
        return _one_view(_table(path, rows, RAVEN, label))
    if ";" in first and "start" not in first.lower().split(","):
        rule = "its columns are separated by semicolons, as programs with a decimal comma do"
        raise ReadError(f"{path}: {first[:60]}", rule, "Export it with commas and decimal points")
    table = csv.reader(io.StringIO(text, newline=""))
    with reading(path, "selections (.csv)"):  # the module csv has an error of its own
        return _table(path, ((table.line_num, row) for row in table), CSV, label)


def write_selections(
    path: str | Path,
    selections: Sequence[Selection],
    *,
    force: bool = False,
    style: Style | None = None,
    label: str = "Annotation",
) -> None:
    """Write selections whole: as a table of Raven, labels of Audacity, or CSV.

    Labels of Audacity hold neither scores nor other columns.

    Args:
        path: the file. Without a style, `.csv` is CSV, `.labels.txt` is Audacity, and `.txt` and
            `.tsv` are tables of Raven.
        selections: what to write, in this order.
        force: replace a file that exists.
        style: the format, whatever the name of the file.
        label: the column of Raven's table that holds the label.

    Units: times in seconds, frequencies in Hz.

    Raises:
        OutputExistsError: the file exists, and `force` is false.
        WriteError: a value is not possible, a label does not fit into a line, or the ending of
            the file names no format.

    Example:
        >>> from scionwood_audio.readers.selections import Selection, write_selections
        >>> write_selections("found.csv", [Selection(1.5, 2.25, "great tit", score=0.9)])
        >>> print(open("found.csv").read())
        start,end,label,score
        1.5,2.25,great tit,0.9
        <BLANKLINE>
    """
    chosen = style or _style(Path(path))
    for number, selection in enumerate(selections, start=1):
        if broken := fault(selection):
            raise WriteError(f"{path}, selection {number}: {broken[0]}", broken[1], broken[2])
    if chosen == "audacity":
        lines = [row for selection in selections for row in label_rows(selection)]
    else:
        names = (*CSV, "label", "score") if chosen == "csv" else (*RAVEN, label, "Score")
        lines = table_rows(selections, names, numbered=chosen == "raven")
    if chosen == "csv":
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(lines)
        content = text.getvalue()
    else:
        content = "".join("\t".join(_one_line(path, row)) + "\n" for row in lines)
    try:
        encoded = content.encode()
    except UnicodeEncodeError as error:
        rule = f"a label holds half a character ({content[error.start]!r})"
        raise WriteError(str(path), rule, "Correct the label") from error
    with writing(path), atomic_path(path, overwrite=force) as part:
        part.write_bytes(encoded)


def _style(path: Path) -> Style:
    name = path.name.lower()
    if name.endswith(".csv"):
        return "csv"
    if name.endswith(".labels.txt"):
        return "audacity"
    if name.endswith((".txt", ".tsv")):
        return "raven"
    rule = "its ending names no format of selections"
    raise WriteError(str(path), rule, "End it in .csv, .txt (Raven) or .labels.txt (Audacity)")


def _one_line(path: str | Path, row: list[str]) -> list[str]:
    for value in row:
        if set(value) & set("\t\n\r"):
            rule = "a value holds a tab or the end of a line, which separate values here"
            raise WriteError(f"{path}: {value!r}", rule, "Write CSV, which quotes them")
    return row


def _audacity(path: str | Path, text: str) -> list[Selection]:
    selections: list[Selection] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where, fields = f"{path}, line {number}", line.rstrip("\r").split("\t")
        if fields[0] != FREQUENCIES:
            if len(fields) < 2:
                raise ReadError(where, "it has no end", "A label has a start, an end and a name")
            start, end = (_number(where, value) for value in fields[:2])
            selections.append(_possible(where, Selection(start, end, "\t".join(fields[2:]))))
        elif not selections or len(fields) != 3:
            rule = "a line of frequencies follows a label, and has a low and a high one"
            raise ReadError(f"{where}: {line[:60]}", rule, "Export the labels again")
        else:
            low, high = (None if (x := _number(where, v)) == -1 else x for v in fields[1:])
            selections[-1] = _possible(where, selections[-1]._replace(low=low, high=high))
    return selections


def _table(
    path: str | Path,
    rows: Iterator[tuple[int, list[str]]],
    names: Sequence[str],
    label: str | None,
) -> list[Selection]:
    filled = ((number, row) for number, row in rows if any(value.strip() for value in row))
    _, header = next(filled)
    places = {name.strip().lower(): place for place, name in enumerate(header)}
    required = [names[0], names[1], *([label] if label else [])]
    if missing := [name for name in required if name.lower() not in places]:
        rule = f"it has no column {' and no column '.join(missing)}"
        raise ReadError(f"{path}: {', '.join(header)[:100]}", rule, _FORMATS)
    titles = [name.strip().lower() for name in header if name.strip()]
    if twice := sorted({name for name in titles if titles.count(name) > 1}):
        rule = "it names a column twice"
        raise ReadError(f"{path}: {twice[0]}", rule, "Rename one of them")
    choices = (label.lower(),) if label else LABELS
    columns = [places.get(name.lower()) for name in names]
    columns += [
        next((places[n] for n in group if n in places), None) for group in (choices, SCORES)
    ]
    others = [(name, place) for place, name in enumerate(header) if name.strip()]
    others = [(name, place) for name, place in others if place not in columns]
    selections = []
    for number, row in filled:
        where = f"{path}, line {number}"
        if len(row) != len(header):
            rule = f"it has {len(row)} values, and the header names {len(header)} columns"
            raise ReadError(where, rule, "It is cut, or it has decimal commas: export it again")
        start, end, low, high, name, score = (None if c is None else row[c] for c in columns)
        bounds = [_number(where, x) if x and x.strip() else None for x in (low, high, score)]
        selection = Selection(
            _number(where, start or ""),
            _number(where, end or ""),
            name or "",
            low=bounds[0],
            high=bounds[1],
            score=bounds[2],
            extra=tuple((title, row[place]) for title, place in others),
        )
        selections.append(_possible(where, selection))
    return selections


def _one_view(rows: list[Selection]) -> list[Selection]:
    """Drop the rows of waveforms where the spectrogram of the selection has one."""
    in_view = {dict(row.extra).get("Selection") for row in rows if _view(row) == "spectrogram"}
    in_view -= {None}
    if files := sorted({name for row in rows if (name := dict(row.extra).get("Begin File"))})[1:]:
        rule = "its selections belong to several recordings"
        raise ReadError(f"Begin File {files[0]}", rule, "Export a table for each recording")
    return [
        row
        for row in rows
        if _view(row) != "waveform" or dict(row.extra).get("Selection") not in in_view
    ]


def _view(row: Selection) -> str:
    return dict(row.extra).get("View", "").split(" ")[0].lower()


def _possible(where: str, selection: Selection) -> Selection:
    if broken := fault(selection):
        raise ReadError(f"{where}: {broken[0]}", broken[1], broken[2])
    return selection


def _number(where: str, value: str) -> float:
    text = value.strip()
    if _is_number(text) and "," not in text:
        return float(text)
    if _is_number(text):
        rule, remedy = "it is a decimal comma", "Write a decimal point: 1.5"
    else:
        rule, remedy = "it is no number", "Give seconds and Hz as numbers, such as 1.5"
    raise ReadError(f"{where}: {value[:60]!r}", rule, remedy)


def _is_number(text: str) -> bool:
    try:
        float(text.strip().replace(",", "."))
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000
