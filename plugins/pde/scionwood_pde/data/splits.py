"""Open the files of a training, compare them, and divide their trajectories into splits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from scionwood import ReadError, RecipeError
from scionwood.authoring import DataFiles
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.cache import CARD, Cache
from scionwood_pde.readers.layout import AXES, Layout
from scionwood_pde.readers.opening import open_reader

Source = StatesReader | Cache
Placing = Mapping[str, Mapping[str, str] | None]
CLOSE = 1e-3
"""Largest relative difference of the steps in time and space of two files."""


class Trajectory(NamedTuple):
    """A sample of a file: the indices of the file and of the sample in it."""

    source: int
    sample: int


def open_source(
    path: Path,
    fields: Sequence[str] | None = None,
    *,
    solids: bool = False,
    placing: Placing | None = None,
) -> Source:
    """Open a file with the reader of its format, or a cache.

    Args:
        path: the file or folder.
        fields: names of the channels, in the order wanted. `None` means all channels.
        solids: NaN marks solid points; a cache has none.
        placing: the options `dims`, `rename` and `axes` of `open_reader`; a cache needs none.

    Raises:
        ReadError: the file is damaged, has an unknown format, or lacks a field.
    """
    if (path / CARD).is_file():
        return Cache(path, fields=fields)
    return open_reader(path, fields=fields, solids=solids, **(placing or {}))


def open_sources(
    patterns_by_split: Mapping[str, Sequence[str]],
    fields: Sequence[str] | None,
    data_files: DataFiles,
    *,
    solids: bool = False,
    placing: Placing | None = None,
) -> tuple[list[Source], dict[str, list[Trajectory]]]:
    """Open the files of all splits.

    Args:
        patterns_by_split: paths and patterns for each split, with `train` first.
        fields: names of the channels, in the order wanted. `None` means all channels.
        data_files: says what is done with files that cannot be read.
        solids: NaN marks solid points.
        placing: see `open_source`.

    Returns:
        The files, and the trajectories of each split.

    Raises:
        RecipeError: there is no file for training, no file matches a pattern, or a file is named
            twice.
        ReadError: a file is damaged, or differs from the first.
    """
    split_of: dict[Path, str] = {}
    resolved_paths: dict[Path, Path] = {}
    for split, patterns in patterns_by_split.items():
        for path in _paths(split, patterns):
            before = resolved_paths.setdefault(path.resolve(), path)
            if before in split_of:
                value = f"{path}, in {split_of[before]} and in {split}"
                raise RecipeError(value, "a file belongs to one split, once", "Name it once")
            split_of[path] = split
    first: list[Layout] = []

    def open_matching(path: Path) -> Source:
        source = open_source(path, fields, solids=solids, placing=placing)
        first.append(source.layout)
        _check_alike(path, first[0], source.layout)
        return source

    sources = data_files.readable(
        split_of, open_matching, lambda path: _read_all(open_matching(path))
    )
    splits: dict[str, list[Trajectory]] = {split: [] for split in patterns_by_split}
    for number, (path, source) in enumerate(sources.items()):
        splits[split_of[path]] += [Trajectory(number, i) for i in range(source.layout.samples)]
    if not sources or not splits["train"]:
        raise RecipeError("files: none", "training needs at least one file", "Name the files")
    return list(sources.values()), splits


def place_of(source: Source) -> Path:
    """Return the file or folder of a source."""
    return source.folder if isinstance(source, Cache) else source.path


def _read_all(source: Source) -> None:
    times = range(len(source.layout.times))
    # Runs through the iterator and holds nothing: only errors are of interest.
    deque(source.frames((i, t) for i in range(source.layout.samples) for t in times), maxlen=0)


def shared_out(
    trajectories_by_split: Mapping[str, Sequence[Trajectory]],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, list[Trajectory]]:
    """Move a share of the training's trajectories to each split that has no files of its own.

    Args:
        trajectories_by_split: trajectories of every split, from its files.
        shares: share of each split except `train`; at least one trajectory is moved.
        seed: seed of the choice.

    Raises:
        RecipeError: there are too few trajectories.
    """
    training = list(trajectories_by_split["train"])
    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(seed)).tolist()
    splits = {split: list(trajectories) for split, trajectories in trajectories_by_split.items()}
    lacking = [split for split in shares if not splits[split]]
    for split in lacking:
        count = max(1, round(shares[split] * len(training)))
        splits[split], order = sorted(training[i] for i in order[:count]), order[count:]
    if not order or not all(splits.values()):
        value = f"{len(training)} trajectories in files"
        rule = f"train, {' and '.join(lacking)} share them, and each needs at least one"
        raise RecipeError(value, rule, "Name more files, or val_files and test_files")
    return splits | {"train": sorted(training[i] for i in order)}


def check_fits(sources: Iterable[Source], crop: int | None, stride: int, history: int = 1) -> None:
    """Check that samples can be cut from all files.

    Args:
        sources: the files.
        crop: side of a cube in voxels. `None` means whole domains, which must have one shape.
        stride: number of times from a state to the next one.
        history: states before the next one.

    Raises:
        RecipeError: a shape does not fit; the message names it.
    """
    layouts = [source.layout for source in sources]
    for layout in layouts:
        if layout.axes != AXES:
            value = f"states with axes {', '.join(layout.axes)}"
            raise RecipeError(value, "the model is three-dimensional", "Use other files")
        if len(layout.times) <= stride * history:
            value = f"time_stride: {stride}, history: {history}"
            raise RecipeError(value, f"a file has only {len(layout.times)} times", "Lower it")
        steps = np.diff(layout.times)
        if stride and not steps.min() > 0:
            rule = f"its times change by {steps.min():g}, and each is later than the one before"
            raise RecipeError(f"time_stride: {stride}", rule, "Sort the times of the file")
        if stride and (np.abs(steps - steps.mean()) > 0.01 * steps.mean()).any():
            rule = (
                f"its times lie {steps.min():g} to {steps.max():g} apart, so that the model would"
            )
            rule += " learn steps of several lengths as one"
            remedy = "Resample it to equal steps, or train single states with time_stride 0"
            raise RecipeError(f"time_stride: {stride}", rule, remedy)
        if crop is not None and not 1 < crop <= min(layout.sides):
            rule = f"it is 2 or more, and at most the sides {layout.sides} of every file"
            raise RecipeError(f"crop: {crop}", rule, "Try 32")
    shapes = {layout.sides for layout in layouts}
    if crop is None and len(shapes) > 1:
        value = f"files of sides {', '.join(map(str, sorted(shapes)))}"
        raise RecipeError(value, "whole domains of one batch have one shape", "Set a crop")


def _paths(split: str, patterns: Sequence[str]) -> list[Path]:
    """Return the files of a split."""
    files: list[Path] = []
    for pattern in patterns:
        paths = [pattern] if Path(pattern).exists() else sorted(glob(pattern))
        if not paths:
            rule = "no file has this name or matches this pattern"
            raise RecipeError(f"{split}: {pattern}", rule, "Check the path, or run `pde simulate`")
        files += map(Path, paths)
    return files


def _check_alike(path: Path, first: Layout, other: Layout) -> None:
    """Check that a file has the same fields, units and steps as the first one.

    Raises:
        ReadError: the message names the difference.
    """
    for name, expected in _described(first).items():
        actual = _described(other)[name]
        same = np.allclose(expected, actual, rtol=CLOSE) if name == "steps" else expected == actual
        if not same:
            rule = f"its {name} are {actual}; those of the first file are {expected}"
            raise ReadError(str(path), rule, "Train on it alone, or convert it")


def _described(layout: Layout) -> dict[str, list[Any]]:
    """Return the properties that all files of a training share."""
    return {
        "fields": [channel.name for channel in layout.channels],
        "units": [*layout.units.values(), *(channel.unit for channel in layout.channels)],
        "steps": [*np.diff(layout.times[:2]).tolist(), *layout.spacing().values()],
    }
