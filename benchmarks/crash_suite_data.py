"""The parts of `crash_suite.py`, which are simulated and encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from scionwood_crash.data.encode import Encoded, Encoder
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.model import SIZES
from scionwood_crash.parts.part import Part

SIZE = "small"
ELEMENTS = {"hat": 15.0, "tube": 15.0, "box": 10.0, "bumper": 15.0}
"""mm; coarser than the suite's own sizes, which take three times as long."""
PRETRAINED, UNSEEN = ("hat", "tube", "box"), "bumper"
DESIGNS = {"hat": 600, "tube": 375, "box": 400, "bumper": 60}
HELD_OUT = 10
"""One tenth of a family, the longest parts, is out of distribution; another tenth is the test."""
POOL, SHOTS = 30, (16, 8)
"""Unseen family: size of the pool, and numbers of designs drawn from it; the rest is the test."""
ENCODER = Encoder(SIZES[SIZE])
Split = dict[str, list[Encoded]]


@cache
def parts(family: str, folder: Path) -> list[Part]:
    """Return the designs of a family; those that the folder lacks are simulated."""
    options = {"element_size": ELEMENTS[family], "folder": folder, "n_train": DESIGNS[family]}
    return SuiteParts(families=[family], n_val=0, n_test=0, **options).parts("train")


def length(part: Part) -> float:
    """Return the length along the longest principal axis, mm."""
    x = part.points - part.points.mean(0)
    return float(np.ptp(x @ np.linalg.svd(x, full_matrices=False)[2][0]))


def split(family: str, seed: int, folder: Path) -> dict[str, list[Part]]:
    """Split a family into training, test and `beyond`, the longest parts for every seed."""
    ordered = sorted(parts(family, folder), key=length)
    count = len(ordered) // HELD_OUT
    inside = ordered[:-count]
    order = np.random.default_rng([seed, 1]).permutation(len(inside))
    mixed = [inside[at] for at in order]
    return {"train": mixed[count:], "test": mixed[:count], "beyond": ordered[-count:]}


def encoded(sets: dict[str, list[Part]], coarse: str) -> Split:
    """Return the splits as tensors; fixed grids come from each family's first training part."""
    if coarse == "morph":
        return {name: [morphed(part) for part in item] for name, item in sets.items()}
    references: dict[str, np.ndarray] = {}
    for part in sets["train"]:
        if part.family not in references:
            references[part.family] = ENCODER.reference(part)
    encoder = Encoder(SIZES[SIZE], coarse="fixed", references=references)
    return {name: [encoder.encode(part) for part in item] for name, item in sets.items()}


CACHE: dict[str, Encoded] = {}


def morphed(part: Part) -> Encoded:
    """Encode a part on its own grids once, for all seeds and methods."""
    if part.name not in CACHE:
        CACHE[part.name] = ENCODER.encode(part)
    return CACHE[part.name]


def join(splits: Sequence[dict[str, list[Part]]]) -> dict[str, list[Part]]:
    return {name: [part for split in splits for part in split[name]] for name in splits[0]}
