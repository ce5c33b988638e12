"""The files that a training reads: opened, compared with each other, and shared out to splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from scionwood import ReadError, RecipeError
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.cache import CARD, Cache
from scionwood_pde.readers.layout import AXES, Layout
from scionwood_pde.readers.opening import open_reader

Source = StatesReader | Cache
CLOSE = 1e-3
"""Steps in time and space of two files may differ by this share."""


class Trajectory(NamedTuple):
    """A sample of a file."""

    source: int
    sample: int


def open_source(path: Path, fields: Sequence[str] | None = None) -> Source:
    """Open a file with the reader of its format, or a cache.

    Args:
        path: the file or folder.
        fields: names of the channels, in that order; all where null.

    Raises:
        ReadError: it is damaged, of no known format, or lacks a field.
    """
    if (path / CARD).is_file():
        return Cache(path, fields=fields)
    return open_reader(path, fields=fields)


def open_sources(
    given: Mapping[str, Sequence[str]], fields: Sequence[str] | None
) -> tuple[list[Source], dict[str, list[Trajectory]]]:
    """Open the files of all splits.

    Args:
        given: paths and patterns of each split, those of `train` first.
        fields: names of the channels, in that order; all where null.

    Returns:
        The files, and the trajectories of each split in them.

    Raises:
        RecipeError: no file for training, a pattern that no file matches, or a file named twice.
        ReadError: a file is damaged, or differs from the first.
    """
    sources: list[Source] = []
    found: dict[str, list[Trajectory]] = {}
    seen: dict[Path, str] = {}
    for split, patterns in given.items():
        found[split] = []
        for path in _paths(split, patterns):
            before = seen.setdefault(path.resolve(), split)
            source = open_source(path, fields)
            if len(seen) == len(sources):
                value = f"{path}, in {before} and in {split}"
                raise RecipeError(value, "a file is in one split, once", "Name it once")
            found[split] += [Trajectory(len(sources), i) for i in range(source.layout.samples)]
            sources.append(source)
            _check_alike(path, sources[0].layout, source.layout)
    if not sources or not found["train"]:
        raise RecipeError("files: none", "training needs one file or more", "Name them")
    return sources, found


def shared_out(
    whole: Mapping[str, Sequence[Trajectory]], shares: Mapping[str, float], seed: int
) -> dict[str, list[Trajectory]]:
    """Give a share of the training's trajectories to each split that has none of its own.

    Args:
        whole: trajectories of every split, as its files hold them.
        shares: of each split but `train`; one trajectory at the least.
        seed: of the choice.

    Raises:
        RecipeError: too few trajectories.
    """
    rest = list(whole["train"])
    order = torch.randperm(len(rest), generator=torch.Generator().manual_seed(seed)).tolist()
    found = {split: list(own) for split, own in whole.items()}
    lacking = [split for split in shares if not found[split]]
    for split in lacking:
        count = max(1, round(shares[split] * len(rest)))
        found[split], order = sorted(rest[i] for i in order[:count]), order[count:]
    if not order or not all(found.values()):
        value = f"{len(rest)} trajectories in files"
        rule = f"train, {' and '.join(lacking)} share them, and each trajectory is in one split"
        raise RecipeError(value, rule, "Name more files, or val_files and test_files")
    return found | {"train": sorted(rest[i] for i in order)}


def check_fits(sources: Iterable[Source], crop: int | None, stride: int) -> None:
    """Refuse files that a sample cannot be cut from.

    Args:
        sources: the files.
        crop: side of a cube, voxels; None for whole domains, which are of one shape then.
        stride: times from a state to the next one.

    Raises:
        RecipeError: naming the shape that does not fit.
    """
    layouts = [source.layout for source in sources]
    for layout in layouts:
        if layout.axes != AXES:
            value = f"states with axes {', '.join(layout.axes)}"
            raise RecipeError(value, "the model is one of three dimensions", "Take other files")
        if len(layout.times) <= stride:
            value = f"time_stride: {stride}"
            raise RecipeError(value, f"a file has {len(layout.times)} times alone", "Lower it")
        if crop is not None and not 1 < crop <= min(layout.sides):
            rule = f"2 or more, and no more than the sides {layout.sides} of every file"
            raise RecipeError(f"crop: {crop}", rule, "Such as 32")
    shapes = {layout.sides for layout in layouts}
    if crop is None and len(shapes) > 1:
        value = f"files of sides {', '.join(map(str, sorted(shapes)))}"
        raise RecipeError(value, "whole domains of one batch are of one shape", "Give a crop")


def _paths(split: str, patterns: Sequence[str]) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        paths = [pattern] if Path(pattern).exists() else sorted(glob(pattern))
        if not paths:
            rule = "no file is there that it names or matches"
            raise RecipeError(f"{split}: {pattern}", rule, "Check the path, or run `pde simulate`")
        found += map(Path, paths)
    return found


def _check_alike(path: Path, first: Layout, other: Layout) -> None:
    """Refuse a file of other fields, units or steps than the first one's.

    Raises:
        ReadError: naming what differs.
    """
    for name, wanted in _described(first).items():
        found = _described(other)[name]
        same = np.allclose(wanted, found, rtol=CLOSE) if name == "steps" else wanted == found
        if not same:
            rule = f"its {name} are {found}; those of the first file are {wanted}"
            raise ReadError(str(path), rule, "Train on it alone, or convert it")


def _described(layout: Layout) -> dict[str, list[Any]]:
    return {
        "fields": [channel.name for channel in layout.channels],
        "units": [*layout.units.values(), *(channel.unit for channel in layout.channels)],
        "steps": [*np.diff(layout.times[:2]).tolist(), *layout.spacing().values()],
    }
