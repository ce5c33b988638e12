"""Selections in a recording: tables of Raven, labels of Audacity, and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scionwood import ReadError, WriteError
from scionwood.authoring import atomic_path, read_utf8, reading, writing

RAVEN = ("Begin Time (s)", "End Time (s)", "Annotation", "Low Freq (Hz)", "High Freq (Hz)", "Score")
CSV = ("start", "end", "label", "low", "high", "score")

LABELS = ("annotation", "label", "species", "common name", "call type", "type", "tags")
"""The columns that hold the label, in lower case; Raven leaves the name to its user."""

FREQUENCIES = "\\"
"""The first field of Audacity's second line, which holds the frequencies; -1 is not set."""

_FORMATS = (
    "Give a selection table of Raven, labels of Audacity, or CSV with the columns start and end"
)


class Selection(NamedTuple):
    """A marked sound.

    Attributes:
        start: its beginning in seconds.
        end: its end in seconds.
        label: what it is.
        low: its lowest frequency in Hz, or None.
        high: its highest frequency in Hz, or None.
        score: how sure the finder is, or None; that of `audio find` lies between 0 and 1.
        extra: the other columns of its row, (name, value), which are written again.
    """

    start: float
    end: float
    label: str = ""
    low: float | None = None
    high: float | None = None
    score: float | None = None
    extra: tuple[tuple[str, str], ...] = ()


def read_selections(path: str | Path) -> list[Selection]:
    r"""Return the selections of a file, whose format is found by its content.

    A table of Raven may hold a selection once for each view; the row of the spectrogram is taken.

    Args:
        path: a selection table of Raven (tabs), labels of Audacity (tabs, no header), or CSV with
            the columns start and end, and perhaps label, low, high and score. UTF-8. The label may
            also be in a column Annotation, Species, Common Name, Call Type, Type or Tags.

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
    lines = [line.rstrip("\r").split("\t") for line in text.split("\n")]
    if "\t" in first and _is_number(first.split("\t")[0]):
        return _labels(path, lines)
    if "\t" in first:
        return _one_view(_table(path, list(enumerate(lines, start=1)), RAVEN))
    if ";" in first and "start" not in first.lower().split(","):
        rule = "its columns are separated by semicolons, as programs with a decimal comma do"
        raise ReadError(f"{path}: {first[:60]}", rule, "Export it with commas and decimal points")
    table = csv.reader(io.StringIO(text, newline=""))
    with reading(path, "selections (.csv)"):  # the module csv has an error of its own
        return _table(path, [(table.line_num, row) for row in table], CSV)


def write_selections(
    path: str | Path, selections: Sequence[Selection], *, force: bool = False
) -> None:
    """Write selections whole: as a table of Raven, labels of Audacity, or CSV.

    Labels of Audacity hold neither scores nor other columns.

    Args:
        path: the file: `.csv` is CSV, `.labels.txt` is Audacity, and `.txt` and `.tsv` are tables
            of Raven.
        selections: what to write, in this order.
        force: replace a file that exists.

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
    name = Path(path).name.lower()
    if not name.endswith((".csv", ".txt", ".tsv")):
        rule = "its ending names no format of selections"
        raise WriteError(str(path), rule, "End it in .csv, .txt (Raven) or .labels.txt (Audacity)")
    for number, selection in enumerate(selections, start=1):
        if broken := _fault(selection):
            raise WriteError(f"{path}, selection {number}: {broken[0]}", broken[1], broken[2])
    if name.endswith(".csv"):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(_rows(selections, CSV))
        content = text.getvalue()
    else:
        labels = name.endswith(".labels.txt")
        rows = _label_rows(selections) if labels else _rows(selections, RAVEN)
        for value in (value for row in rows for value in row if set(value) & set("\t\n\r")):
            rule = "a value holds a tab or the end of a line, which separate values here"
            raise WriteError(f"{path}: {value!r}", rule, "Write CSV, which quotes them")
        content = "".join("\t".join(row) + "\n" for row in rows)
    try:
        encoded = content.encode()
    except UnicodeEncodeError as error:
        rule = f"a label holds half a character ({content[error.start]!r})"
        raise WriteError(str(path), rule, "Correct the label") from error
    with writing(path), atomic_path(path, overwrite=force) as part:
        part.write_bytes(encoded)


def _labels(path: str | Path, lines: list[list[str]]) -> list[Selection]:
    selections: list[Selection] = []
    for number, fields in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        if fields[0] == FREQUENCIES:
            if not selections or len(fields) != 3:
                rule = "a line of frequencies follows a label, and has a low and a high one"
                raise ReadError(where, rule, "Export the labels again")
            low, high = (None if (x := _number(where, v)) == -1 else x for v in fields[1:])
            selections[-1] = _possible(where, selections[-1]._replace(low=low, high=high))
        elif any(value.strip() for value in fields):
            if len(fields) < 2:
                raise ReadError(where, "it has no end", "A label has a start, an end and a name")
            start, end = (_number(where, value) for value in fields[:2])
            selections.append(_possible(where, Selection(start, end, "\t".join(fields[2:]))))
    return selections


def _table(
    path: str | Path, rows: list[tuple[int, list[str]]], names: Sequence[str]
) -> list[Selection]:
    (_, header), *filled = [row for row in rows if any(value.strip() for value in row[1])]
    titles = [name.strip().lower() for name in header]
    if missing := [name for name in names[:2] if name.lower() not in titles]:
        rule = f"it has no column {' and no column '.join(missing)}"
        raise ReadError(f"{path}: {', '.join(header)[:100]}", rule, _FORMATS)
    if twice := [name for name in titles if name and titles.count(name) > 1]:
        raise ReadError(f"{path}: {twice[0]}", "it names a column twice", "Rename one of them")
    choices = [[name.lower()] for name in names]
    choices[2], choices[5] = list(LABELS), ["score", "confidence"]
    columns = [next((titles.index(n) for n in aliases if n in titles), None) for aliases in choices]
    selections = []
    for number, row in filled:
        where = f"{path}, line {number}"
        if len(row) != len(header):
            rule = f"it has {len(row)} values, and the header names {len(header)} columns"
            raise ReadError(where, rule, "It is cut, or it has decimal commas: export it again")
        start, end, label, *others = ("" if place is None else row[place] for place in columns)
        low, high, score = (_number(where, x) if x.strip() else None for x in others)
        cells = enumerate(zip(header, row, strict=True))
        extra = [(name, x) for place, (name, x) in cells if name and place not in columns]
        times = _number(where, start), _number(where, end)
        selection = Selection(*times, label, low, high, score, tuple(extra))
        selections.append(_possible(where, selection))
    return selections


def _one_view(rows: list[Selection]) -> list[Selection]:
    """Drop the rows of waveforms where the spectrogram of the selection has one."""
    columns = [dict(row.extra) for row in rows]
    if files := sorted({cells.get("Begin File", "") for cells in columns} - {""})[1:]:
        rule = "its selections belong to several recordings"
        raise ReadError(f"Begin File {files[0]}", rule, "Export a table for each recording")
    views = [cells.get("View", "").split(" ")[0].lower() for cells in columns]
    numbers = [cells.get("Selection") for cells in columns]
    spectrograms = {
        n for n, view in zip(numbers, views, strict=True) if n and view == "spectrogram"
    }
    marked = zip(rows, numbers, views, strict=True)
    return [row for row, number, view in marked if view != "waveform" or number not in spectrograms]


def _rows(selections: Sequence[Selection], names: Sequence[str]) -> list[list[str]]:
    """Return the header and the rows; frequencies and scores only if a selection has one."""
    columns = {
        name: [_text(selection[place]) for selection in selections]
        for place, name in enumerate(names)
        if place < 3 or any(selection[place] is not None for selection in selections)
    }
    before: dict[str, list[str]] = {}
    if names is RAVEN:
        before["Selection"] = [str(number + 1) for number in range(len(selections))]
        before |= {"View": ["Spectrogram 1"] * len(selections), "Channel": ["1"] * len(selections)}
    others = dict.fromkeys(name for selection in selections for name, _ in selection.extra)
    for name in others:
        if name not in columns and name != "Selection":
            default = before.get(name, [""] * len(selections))
            cells = [dict(s.extra).get(name, x) for s, x in zip(selections, default, strict=True)]
            (before if name in before else columns)[name] = cells
    table = before | columns
    return [list(table), *map(list, zip(*table.values(), strict=True))]


def _label_rows(selections: Sequence[Selection]) -> list[list[str]]:
    rows = []
    for start, end, label, low, high, *_ in selections:
        rows.append([_text(start), _text(end), label])
        if low is not None or high is not None:
            rows.append([FREQUENCIES, *(_text(-1.0 if x is None else x) for x in (low, high))])
    return rows


def _text(value: object) -> str:
    if isinstance(value, float | int):
        # The shortest digits that give the same number again, without an exponent.
        return np.format_float_positional(float(value), trim="-")
    return "" if value is None else str(value)


def _fault(selection: Selection) -> tuple[str, str, str] | None:
    """Return the value, the rule and the remedy of the first impossible value."""
    start, end, _, low, high, *_ = selection
    for value in (x for x in selection[:6] if isinstance(x, float | int)):
        if not math.isfinite(value):
            return str(value), "times, frequencies and scores are finite", "Mark the sound again"
    if start < 0:
        return f"start {start:g}", "times count from the beginning of the recording", "Correct it"
    if end <= start:
        text = f"start {start:g}, end {end:g}"
        return text, "a selection ends after it starts", "Mark a region, not a point"
    if (low or 0) < 0 or (high is not None and high <= (low or 0)):
        text = f"low {low}, high {high}"
        return text, "frequencies are positive, and the high one is above the low", "Correct them"
    return None


def _possible(where: str, selection: Selection) -> Selection:
    if broken := _fault(selection):
        raise ReadError(f"{where}: {broken[0]}", broken[1], broken[2])
    return selection


def _number(where: str, value: str) -> float:
    text = value.strip()
    if _is_number(text) and "," not in text:
        return float(text)
    rule, remedy = "it is no number", "Give seconds and Hz as numbers, such as 1.5"
    if _is_number(text):
        rule, remedy = "it is a decimal comma", "Write a decimal point: 1.5"
    raise ReadError(f"{where}: {value[:60]!r}", rule, remedy)


def _is_number(text: str) -> bool:
    try:
        float(text.strip().replace(",", "."))
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000
