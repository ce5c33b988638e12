"""Clips of words from a CSV file, or made here; equal sounds under other names are found."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scionwood import ReadError
from scionwood.authoring import DataFiles, read_utf8
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE
from scionwood_audio.model.spelling import LETTERS, latin

SYLLABLES = ("ba", "do", "ki", "lu", "me", "na", "po", "ri", "sa", "tu", "ve", "zo")


class Clip(NamedTuple):
    """A clip in which a text is said.

    Attributes:
        sound: (time,) float32 at 16 kHz.
        text: what is said, in Latin letters.
        speaker: who says it; empty if nobody knows.
        name: the file.
    """

    sound: np.ndarray
    text: str
    speaker: str
    name: str


def read_clips(path: Path, root: Path, files: DataFiles) -> list[Clip]:
    """Read the clips of a CSV file with the columns `path`, `text` and perhaps `speaker`.

    Args:
        path: the CSV file.
        root: the folder to which the paths in it are relative.
        files: the rule for files that cannot be read.

    Raises:
        ReadError: the file has other columns, a row is cut, or a clip cannot be read.
        RecipeError: a text has letters of another script.
    """
    table = csv.DictReader(io.StringIO(read_utf8(path)))
    if not {"path", "text"} <= set(table.fieldnames or ()):
        rule = f"its columns are {', '.join(table.fieldnames or ()) or 'none'}"
        raise ReadError(str(path), rule, "The columns are path,text and perhaps speaker")
    rows = list(table)
    for number, row in enumerate(rows, 2):
        if not row["path"] or not row["text"]:
            raise ReadError(f"{path}: line {number}", "path or text is empty", "Complete the row")
    paths = [root / row["path"] for row in rows]
    sounds = files.readable(dict.fromkeys(paths), read_sound)
    return [
        Clip(sounds[file], latin(row["text"]), row.get("speaker") or "", row["path"])
        for file, row in zip(paths, rows, strict=True)
        if file in sounds
    ]


def distinct(clips: Iterable[Clip]) -> list[Clip]:
    """Return the clips without those whose decoded samples another one has already.

    Files of other bytes may hold the same samples: of 877 Spanish clips of one package, 137 do. In
    two splits they would make every score perfect.
    """
    first: dict[bytes, Clip] = {}
    for clip in clips:
        first.setdefault(hashlib.sha256(clip.sound.tobytes()).digest(), clip)
    return list(first.values())


def made_clips(count: int, seed: int) -> list[Clip]:
    """Return clips that are made here: each letter of an invented word is two tones.

    Args:
        count: clips, no two of one text.
        seed: seed of words, rates and noise.
    """
    random = np.random.default_rng(seed)
    words = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
    chosen = random.choice(len(words), count, replace=False)
    return [Clip(_spoken(words[n], random), words[n], "made", f"{words[n]}") for n in chosen]


def _spoken(word: str, random: np.random.Generator) -> np.ndarray:
    length = round(RATE * random.uniform(0.07, 0.1))
    time = np.arange(length) / RATE
    edge = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.01)
    tones = []
    for place in map(LETTERS.index, word):
        low, high = 250.0 + 60.0 * (place % 9), 1200.0 + 500.0 * (place // 9)
        tones.append(edge * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)))
    sound = 0.1 * np.concatenate(tones)
    return np.asarray(sound + 0.002 * random.standard_normal(len(sound)), np.float32)
