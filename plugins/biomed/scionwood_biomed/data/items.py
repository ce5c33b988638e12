"""List labelled images, with a class and a subject each, from a table, folders or archives."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import re2  # linear in time: the recipe of a pulled run holds a stranger's pattern
from rich.console import Console
from rich.progress import track

from scionwood import ReadError, RecipeError
from scionwood.authoring import call_in_child, check_inside, check_links, one_child, reading
from scionwood_biomed.readers.archives import LABELLED, UNKNOWN, Archives
from scionwood_biomed.readers.opening import SUFFIXES, subject_of

COLUMNS = ("path", "label", "subject")
_WIDER = "Copy the file there, or give `root`, a folder that holds all the images"


@final
@dataclass(frozen=True)
class Item:
    """One labelled image.

    Attributes:
        path: the file.
        label: class name.
        subject: the subject; all images of a subject go into one split.
        split: `train`, `val` or `test`; `None` if the source does not state it.
        part: index of the picture in a file that holds many; `None` if the file holds one.
        findings: for images with several findings: 1, 0, or `None` if it is not known.
    """

    path: Path
    label: str
    subject: str
    split: str | None = None
    part: int | None = None
    findings: tuple[float | None, ...] = ()


def read_items(
    source: str | Path,
    *,
    subject: str | None = None,
    archives: Archives | None = None,
    root: str | Path | None = None,
    findings: Sequence[str] = (),
) -> list[Item]:
    """List the images of a data set.

    Args:
        source: one of four kinds. A table `.csv` has the columns path (relative to the table),
            label, subject and optionally split. A folder has one folder per class. The others are a
            MedMNIST archive `.npz`, and a WebDataset shard `.tar` or a folder of shards.
        subject: a regular expression with one group that extracts the subject: from the path of a
            file below its class folder, or from the name of a sample in a shard. DICOM files and
            shards that state the subject need none. Use `unknown` for MedMNIST, which does not
            record subjects.
        archives: the readers of files that hold many pictures; `None` means the defaults.
        root: a folder in which images may lie, beside the folder of the table or the source
            itself. Without it, paths and links that lead elsewhere are refused.
        findings: columns of a table that say 1, 0, or nothing if it is not known. The table then
            needs no column label.

    Returns:
        The images, sorted by path.

    Raises:
        ReadError: the table cannot be read, a file of the table is missing or outside of its
            folder, or there is no image.
        RecipeError: an image has no subject or no label, or `subject` is not a regular expression
            with one group.
    """
    source = Path(source)
    archives = archives or Archives()
    with one_child(source if source.is_dir() else source.parent):
        inside = "" if root is None else str(root)
        listed = list(_items(source, subject, archives, inside, tuple(findings)))
        items = list(_tiles(listed, archives))
    if not items:
        rule = "it has no image"
        raise ReadError(str(source), rule, f"Give files that end in {', '.join(SUFFIXES)}")
    return sorted(items, key=lambda item: str(item.path))


def labels(items: Sequence[Item]) -> list[str]:
    """Return the class names in alphabetical order; the index of a name is its label."""
    return sorted({item.label for item in items})


def _items(
    source: Path, subject: str | None, archives: Archives, root: str, findings: tuple[str, ...]
) -> Iterator[Item]:
    with reading(source, "folder of images"):
        if not source.exists():
            raise ReadError(str(source), "there is no such file or folder", "Check the path")
        if source.is_dir():
            check_links(source, "folder of images", remedy=_WIDER, allow=root)
        shards = sorted(source.glob("*.tar")) if source.is_dir() else []
    if findings and not source.name.lower().endswith(".csv"):
        rule = "findings are columns of a table"
        raise RecipeError(str(source), rule, "Give a table .csv, or leave `findings` out")
    if shards or source.name.lower().endswith(LABELLED):
        for path in shards or [source]:
            yield from _labelled(path, subject, archives)
    elif source.is_file():
        yield from call_in_child(_table, source, root, findings)
    else:
        yield from _folders(source, _pattern(subject))


def _table(source: Path, root: str, findings: tuple[str, ...] = ()) -> Iterator[Item]:
    needed = ("path", "subject", *findings) if findings else COLUMNS
    with reading(source, "table (.csv)"), source.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = set(needed) - set(rows.fieldnames or ())
        if missing:
            rule = f"it has no column {', '.join(sorted(missing))}"
            raise RecipeError(str(source), rule, "Add it; splits are by subject")
        for number, row in enumerate(rows, start=2):
            for name in needed[: len(needed) - len(findings)]:
                if not (row[name] or "").strip():
                    rule = f"line {number} has no {name}"
                    raise RecipeError(str(source), rule, "Fill it in, or remove the line")
            path = source.parent / row["path"]
            kind = f"line {number} of {source.name}"
            check_inside(path, source.parent, kind, remedy=_WIDER, allow=root)
            if not path.is_file():
                rule = f"line {number} of {source.name} names it, and it does not exist"
                raise ReadError(str(path), rule, "Copy the file, or correct the line")
            split = (row.get("split") or "").strip() or None
            if path.name.lower().endswith(LABELLED):
                rule = f"line {number} names {path.name}, which has labels of its own"
                raise RecipeError(str(source), rule, "Give that file as the source")
            finding_values = tuple(_finding(source, number, name, row[name]) for name in findings)
            label = "image" if findings else row["label"].strip()
            yield Item(path, label, row["subject"].strip(), split, None, finding_values)


def _finding(source: Path, number: int, name: str, text: str | None) -> float | None:
    """Return 1, 0, or `None` for an empty cell."""
    value = (text or "").strip()
    if value not in ("", "0", "1", "0.0", "1.0"):
        rule = f"line {number} has {value[:20]!r} as {name}; it must be 1, 0 or empty"
        raise RecipeError(str(source), rule, "Empty the cell if it is not known")
    return float(value) if value else None


def _folders(source: Path, pattern: Any | None) -> Iterator[Item]:
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name.lower().endswith(SUFFIXES):
                yield Item(path, folder.name, _subject(path, folder, pattern))


def _tiles(items: Sequence[Item], archives: Archives) -> Iterator[Item]:
    """Replace each slide by one item per tile; finding its tissue takes seconds."""
    slides = {item.path for item in items if item.part is None and archives.holds(item.path)}
    console = Console(stderr=True)
    for item in track(items, "finding tissue", console=console, disable=len(slides) < 2):
        if item.path not in slides:
            yield item
            continue
        for part in archives.parts(item.path):
            yield replace(item, part=part.number)


def _labelled(path: Path, subject: str | None, archives: Archives) -> Iterator[Item]:
    """List the pictures of a file that states labels."""
    pattern = None if path.name.lower().endswith(".npz") else _pattern(subject)
    for part in archives.parts(path, subject=subject):
        match = pattern.search(part.name) if pattern else None
        owner = match.group(1) if match else None if pattern else part.subject
        for name, value in (("label", part.label), ("subject", owner)):
            if not value:
                rule = f"sample {part.name or part.number} has no {name}"
                remedy = "State both in its .json, or give `subject` to extract it from the name"
                raise RecipeError(str(path), rule, remedy)
        yield Item(path, str(part.label), str(owner), part.split, part.number)


def _pattern(subject: str | None) -> Any | None:
    """Compile the regular expression that extracts a subject."""
    if subject is None:
        return None
    remedy = r"Give an expression such as (patient\d+)_"
    if subject == UNKNOWN:
        rule = "only files with splits of their own (MedMNIST) can do without subjects"
        remedy = "Give a regular expression, or a table"
        raise RecipeError(f"subject={subject!r}", rule, remedy)
    try:
        # RE2 runs in linear time: an expression of a recipe cannot hang the reader.
        settings = re2.Options()
        settings.log_errors = False
        pattern = re2.compile(subject, settings)
    except re2.error as error:
        rule = f"it is not a regular expression of RE2, which has no lookaround ({error})"
        raise RecipeError(f"subject={subject!r}", rule, remedy) from error
    if pattern.groups != 1:
        rule = f"it has {pattern.groups} groups; it must have one group, the subject"
        raise RecipeError(f"subject={subject!r}", rule, remedy)
    return pattern


def _subject(path: Path, folder: Path, pattern: Any | None) -> str:
    if pattern is None:
        identity = subject_of(path)
        remedy = "Give `subject`, a regular expression for the path, or a table with that column"
    else:
        match = pattern.search(path.relative_to(folder).as_posix())
        identity = match.group(1) if match else None
        remedy = f"Correct the regular expression {pattern.pattern!r}"
    if not identity:
        rule = "its subject is not known, and splits are by subject"
        raise RecipeError(str(path), rule, remedy)
    return identity
