"""What there is to learn from: images with a class and a subject, from a table or from folders."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from rich.console import Console
from rich.progress import track

from scionwood import ReadError, RecipeError
from scionwood_biomed.readers.archives import LABELLED, UNKNOWN, Archives
from scionwood_biomed.readers.opening import SUFFIXES, subject_of

COLUMNS = ("path", "label", "subject")


@final
@dataclass(frozen=True)
class Item:
    """One labelled image.

    Attributes:
        path: the file.
        label: its class, by name.
        subject: whose image it is; all images of a subject go into one split.
        split: train, val or test, where the source says so; None where it does not.
        part: which picture of a file that holds many; None where it holds one.
    """

    path: Path
    label: str
    subject: str
    split: str | None = None
    part: int | None = None


def read_items(
    source: Path, *, subject: str | None = None, archives: Archives | None = None
) -> list[Item]:
    """List the images of a data set.

    Args:
        source: a table `.csv` with the columns path (from the table's folder), label, subject and,
            where the splits are given, split; a folder with one folder a class; a MedMNIST archive
            `.npz`; a WebDataset shard `.tar`, or a folder of shards.
        subject: in folders, a regular expression with one group that finds the subject in a file's
            path below its class, in shards in a sample's name; DICOM files and shards that state it
            need none. Of MedMNIST, which knows no subjects, `unknown`.
        archives: opens files with many pictures; its defaults where None.

    Returns:
        The images in the order of their paths.

    Raises:
        ReadError: a file of the table is missing, or there is no image.
        RecipeError: an image has no subject or no label, or the expression is none.
    """
    source = Path(source)
    archives = archives or Archives()
    found = list(_tiles(list(_found(source, subject, archives)), archives))
    if not found:
        raise ReadError(str(source), "no image is there", f"Use one of {', '.join(SUFFIXES)}")
    return sorted(found, key=lambda item: str(item.path))


def labels(items: Sequence[Item]) -> list[str]:
    """The classes in alphabetical order, whose places are their numbers."""
    return sorted({item.label for item in items})


def _found(source: Path, subject: str | None, archives: Archives) -> Iterator[Item]:
    if not source.exists():
        raise ReadError(str(source), "no such file or folder is there", "Check the path")
    shards = sorted(source.glob("*.tar")) if source.is_dir() else []
    if shards or source.name.lower().endswith(LABELLED):
        for path in shards or [source]:
            yield from _labelled(path, subject, archives)
    elif source.is_file():
        yield from _table(source)
    else:
        yield from _folders(source, _pattern(subject))


def _table(source: Path) -> Iterator[Item]:
    with source.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = set(COLUMNS) - set(rows.fieldnames or ())
        if missing:
            rule = f"it has no column {', '.join(sorted(missing))}"
            raise RecipeError(str(source), rule, "Add it; splits need to know whose image it is")
        for number, row in enumerate(rows, start=2):
            path = source.parent / row["path"]
            for name in ("label", "subject"):
                if not (row[name] or "").strip():
                    rule = f"line {number} has no {name}"
                    raise RecipeError(str(source), rule, "Fill it, or leave the line out")
            if not path.is_file():
                raise ReadError(str(path), f"line {number} of {source.name} names it", "Copy it")
            given = (row.get("split") or "").strip() or None
            if path.name.lower().endswith(LABELLED):
                rule = f"line {number} names {path.name}, which has labels of its own"
                raise RecipeError(str(source), rule, "Give that file as the source")
            yield Item(path, row["label"].strip(), row["subject"].strip(), given)


def _folders(source: Path, pattern: re.Pattern[str] | None) -> Iterator[Item]:
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name.lower().endswith(SUFFIXES):
                yield Item(path, folder.name, _subject(path, folder, pattern))


def _tiles(items: Sequence[Item], archives: Archives) -> Iterator[Item]:
    """The items, and in place of a slide one item a tile, whose tissue takes seconds to find."""
    slides = {item.path for item in items if item.part is None and archives.holds(item.path)}
    console = Console(stderr=True)
    for item in track(items, "looking for tissue", console=console, disable=len(slides) < 2):
        if item.path not in slides:
            yield item
            continue
        for part in archives.parts(item.path):
            yield replace(item, part=part.number)


def _labelled(path: Path, subject: str | None, archives: Archives) -> Iterator[Item]:
    """What is in a file that states labels."""
    pattern = None if path.name.lower().endswith(".npz") else _pattern(subject)
    for part in archives.parts(path, subject=subject):
        match = pattern.search(part.name) if pattern else None
        owner = match.group(1) if match else None if pattern else part.subject
        for name, value in (("label", part.label), ("subject", owner)):
            if not value:
                rule = f"sample {part.name or part.number} has no {name}"
                remedy = "State both in its .json, or give `subject`, which finds it in the name"
                raise RecipeError(str(path), rule, remedy)
        yield Item(path, str(part.label), str(owner), part.split, part.number)


def _pattern(subject: str | None) -> re.Pattern[str] | None:
    """The expression that finds a subject."""
    if subject is None:
        return None
    if subject == UNKNOWN:
        rule = "only files with splits of their own (MedMNIST) can do without subjects"
        raise RecipeError(f"subject={subject!r}", rule, "Give an expression, or a table")
    try:
        found = re.compile(subject)
    except re.error as error:
        raise RecipeError(
            f"subject={subject!r}", f"it is no regular expression ({error})"
        ) from error
    if found.groups != 1:
        raise RecipeError(f"subject={subject!r}", "it has one group, which is the subject")
    return found


def _subject(path: Path, folder: Path, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        identity = subject_of(path)
        remedy = "Give `subject`, an expression that finds it in the path, or a table with a column"
    else:
        match = pattern.search(path.relative_to(folder).as_posix())
        identity = match.group(1) if match else None
        remedy = f"Mend the expression {pattern.pattern!r}"
    if not identity:
        rule = "nothing says whose image it is, and splits are by subject"
        raise RecipeError(str(path), rule, remedy)
    return identity
