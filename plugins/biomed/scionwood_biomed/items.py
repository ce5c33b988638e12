"""What there is to learn from: images with a class and a subject, from a table or from folders."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from scionwood import ReadError, RecipeError
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
    """

    path: Path
    label: str
    subject: str


def read_items(source: Path, *, subject: str | None = None) -> list[Item]:
    """List the images of a data set.

    Args:
        source: a table `.csv` with the columns path (from the table's folder), label and subject;
            or a folder with one folder a class.
        subject: in folders, a regular expression with one group that finds the subject in a file's
            path below its class; DICOM files need none, since PatientID is hashed.

    Returns:
        The images in the order of their paths.

    Raises:
        ReadError: a file of the table is missing, or there is no image.
        RecipeError: an image has no subject or no label, or the expression is none.
    """
    source = Path(source)
    found = list(_table(source) if source.is_file() else _folders(source, subject))
    if not found:
        raise ReadError(str(source), "no image is there", f"Use one of {', '.join(SUFFIXES)}")
    return sorted(found, key=lambda item: str(item.path))


def labels(items: Sequence[Item]) -> list[str]:
    """The classes in alphabetical order, whose places are their numbers."""
    return sorted({item.label for item in items})


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
            yield Item(path, row["label"].strip(), row["subject"].strip())


def _folders(source: Path, pattern: str | None) -> Iterator[Item]:
    try:
        found = re.compile(pattern) if pattern else None
    except re.error as error:
        raise RecipeError(
            f"subject={pattern!r}", f"it is no regular expression ({error})"
        ) from error
    if found is not None and found.groups != 1:
        raise RecipeError(f"subject={pattern!r}", "it has one group, which is the subject")
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name.lower().endswith(SUFFIXES):
                yield Item(path, folder.name, _subject(path, folder, found))


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
