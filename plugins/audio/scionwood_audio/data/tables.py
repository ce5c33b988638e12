"""CSV files that name recordings, the clips that they list, and their splits."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scionwood import ReadError, RecipeError
from scionwood.authoring import DataFiles, Split, read_utf8, reading
from scionwood_audio.inference.sounds import read_sound


class Clip(NamedTuple):
    """A sound, (time,) float32 at 16 kHz, with its text or class, its group, and its file.

    The group is the speaker, or the recording from which the clip was cut.
    """

    sound: np.ndarray
    text: str
    group: str
    name: str


def read_rows(path: str | Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names of its columns."""
    with reading(path, "CSV table"):
        reader = csv.DictReader(io.StringIO(read_utf8(Path(path)), newline=""))
        columns = reader.fieldnames or []
        for name in needed:
            if name not in columns:
                rule = f"it has no column {name!r}; its columns are {', '.join(columns) or 'none'}"
                remedy = f"Name the columns {','.join(needed)} in its first line"
                raise ReadError(str(path), rule, remedy)
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            rule = f"line {number} has not {len(columns)} cells"
            raise ReadError(str(path), rule, "Quote cells that contain a comma")
        if empty := [name for name in needed if not row[name].strip()]:
            raise ReadError(f"{path}: line {number}", f"{empty[0]} is empty", "Complete the row")
    if not rows:
        raise ReadError(str(path), "it has no rows", "Write one recording a line")
    return [{name: cell.strip() for name, cell in row.items()} for row in rows]


def read_clips(
    table: Path, text: str, group: str, *, root: Path | None = None, files: DataFiles | None = None
) -> list[Clip]:
    """Return the sounds of a CSV file with a column `path`.

    Args:
        table: the file.
        text: the column of what is said, or of the class.
        group: a column that may be missing: a clip is then a group of its own.
        root: the folder of the sounds; by default that of the table.
        files: what happens to a sound that cannot be read; by default it is an error.
    """
    rows, folder = read_rows(table, ("path", text)), root or table.parent
    paths = [folder / row["path"] for row in rows]
    sounds = (files or DataFiles("raise", [folder])).readable(dict.fromkeys(paths), read_sound)
    return [
        Clip(sounds[path], row[text], row.get(group) or row["path"], row["path"])
        for path, row in zip(paths, rows, strict=True)
        if path in sounds
    ]


def distinct(clips: Iterable[Clip], *, refuse: bool = False) -> list[Clip]:
    """Return the clips without those whose decoded samples another one has already.

    Files of other bytes may hold the same samples: of 877 Spanish clips of one package, 137 do. In
    two splits they would make every score perfect.

    Args:
        clips: the clips.
        refuse: raise a `ReadError` for one sound with two texts.
    """
    first: dict[bytes, Clip] = {}
    for clip in clips:
        seen = first.setdefault(hashlib.sha256(clip.sound.tobytes()).digest(), clip)
        if refuse and seen.text != clip.text:
            rule = f"it has the samples of {seen.name}, which is {seen.text!r}"
            raise ReadError(f"{clip.name}: {clip.text!r}", rule, "Correct one of the labels")
    return list(first.values())


def deal(
    groups: Sequence[str], seed: int, *, test: float = 0.15, val: float = 0.15, least: int = 1
) -> dict[Split, list[int]]:
    """Deal rows into splits in random order, so that no group is in two of them.

    Args:
        groups: the group of each row.
        seed: seed of the deal.
        test: share of the groups for the test.
        val: share of the groups for the validation.
        least: groups of the validation at least.
    """
    names = sorted(set(groups))
    if len(names) < 3:
        rule = "train, validation and test need at least one each"
        raise RecipeError(f"{len(names)} recordings or texts", rule, "Add others")
    generator = random.Random(seed)
    generator.shuffle(names)
    first = max(1, round(test * len(names)))
    second = first + max(least, round(val * len(names)))
    parts: dict[Split, list[int]] = {"train": [], "val": [], "test": []}
    for row, name in enumerate(groups):
        place = names.index(name)
        parts["test" if place < first else "val" if place < second else "train"].append(row)
    for part in parts.values():
        generator.shuffle(part)
    return parts
