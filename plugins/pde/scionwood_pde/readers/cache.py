"""A cache of states that is read at the speed of memory: one array, mapped from disk.

The folder holds `states.npy`, (sample, time, channel, x, y, z), and `cache.json`, which has the
layout and the statistics of each channel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood.authoring import atomic_folder, reading, writing
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import lazy_states
from scionwood_pde.readers.statistics import Statistics, Sums

STATES, CARD = "states.npy", "cache.json"
VERSION = 1
_FORMAT = "cache of states"


@final
class Cache:
    """States on disk that are read without decoding, in any process.

    Args:
        folder: the folder that `write_cache` wrote.
        fields: names of the channels that `frames` yields, in the order wanted. `None` means all
            channels.

    Attributes:
        layout: samples, times, grid and channels.
        statistics: statistics of each channel, by its name.

    Raises:
        ReadError: the folder is not a cache, is damaged, or lacks a field.
    """

    def __init__(self, folder: str | Path, *, fields: Sequence[str] | None = None) -> None:
        self.folder = Path(folder)
        with reading(self.folder / CARD, _FORMAT):
            card = json.loads((self.folder / CARD).read_text("utf-8"))
            if card["version"] != VERSION:
                rule = f"this {_FORMAT} has version {card['version']}; this release reads {VERSION}"
                raise ReadError(str(self.folder), rule, "Convert the data again")
            self.layout = Layout.of_card(card)
            self.layout.check_stored(self.folder)
            self.statistics = {n: Statistics(**entry) for n, entry in card["statistics"].items()}
        with reading(self.folder / STATES, _FORMAT):
            shape, declared = self.states.shape, _shape(self.layout)
        if shape != declared or self.states.dtype != self.layout.dtype:
            rule = f"{STATES} of this {_FORMAT} has shape {shape}; {CARD} says {declared}"
            raise ReadError(str(self.folder), rule, "Convert the data again")
        names = [channel.name for channel in self.layout.channels]
        self.layout = self.layout.selected(self.folder, fields)
        self._rows = [names.index(channel.name) for channel in self.layout.channels]

    @cached_property
    def states(self) -> np.ndarray:
        """The array (sample, time, channel, x, y, z), read-only and read when it is used."""
        states: np.ndarray = np.load(self.folder / STATES, mmap_mode="r")
        return states

    def to_xarray(self) -> xr.DataArray:
        """Return the states with their coordinates and units, read when they are used."""
        return lazy_states(self)

    def frames(
        self,
        places: Iterable[tuple[int, int]],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the same part of many states, as `StatesReader.frames` does.

        Args:
            places: pairs of a sample index and a time index.
            window: a slice for each space axis. `None` means the whole grid.
            channels: indices of channels. `None` means all channels.

        Yields:
            (channel, x, y, z): a view of the cache if all channels are read in their order.
        """
        rows = self._rows if channels is None else [self._rows[i] for i in channels]
        all_channels = rows == list(range(len(self.states[0, 0])))
        for place in places:
            yield self.states[(*place, slice(None) if all_channels else rows, *(window or ()))]

    def __getstate__(self) -> dict[str, Any]:
        # Pickling a mapped array would copy all its values to the worker.
        return {name: value for name, value in self.__dict__.items() if name != "states"}


def write_cache(
    readers: Sequence[StatesReader],
    folder: str | Path,
    *,
    stride: int = 1,
    overwrite: bool = False,
) -> Cache:
    """Convert files to a cache with one state in memory at a time.

    Args:
        readers: readers of files that differ only in their samples; these are concatenated.
        folder: the folder to write; it appears complete or not at all.
        stride: keep every `stride`-th time, starting with the first.
        overwrite: replace an existing folder.

    Returns:
        The cache.

    Raises:
        ReadError: a file is damaged, holds NaN, or differs from the first in more than samples.
        OutputExistsError: `folder` exists and `overwrite` is false.
        WriteError: the disk is full.
        ValueError: there is no reader, or the stride is not positive.
    """
    if not readers or stride < 1:
        raise ValueError(
            f"{len(readers)} readers, stride {stride}: a cache takes one of each or more. Add them"
        )
    layout = _joined(readers, stride)
    with writing(folder), atomic_folder(folder, overwrite=overwrite) as part:
        states = np.lib.format.open_memmap(
            part / STATES, "w+", dtype=layout.dtype, shape=_shape(layout)
        )
        sums = Sums(len(layout.channels))
        first = 0
        for reader in readers:
            places = list(np.ndindex(reader.layout.samples, len(layout.times)))
            frames = reader.frames((row, time * stride) for row, time in places)
            for (reader_sample, time), state in zip(places, frames, strict=True):
                sample = first + reader_sample
                sums.add(state, states[sample, time - 1] if time else None)
                states[sample, time] = state
            first += reader.layout.samples
        states.flush()
        pairs = zip(layout.channels, sums.statistics(), strict=True)
        statistics = {
            channel.name: asdict(channel_statistics) for channel, channel_statistics in pairs
        }
        card = {"version": VERSION, **layout.card(), "statistics": statistics}
        (part / CARD).write_text(json.dumps(card, indent=1), "utf-8")
    return Cache(folder)


def _shape(layout: Layout) -> tuple[int, ...]:
    return (layout.samples, len(layout.times), len(layout.channels), *layout.sides)


def _joined(readers: Sequence[StatesReader], stride: int) -> Layout:
    """Return the layout of the concatenated samples.

    Raises:
        ReadError: a file differs from the first; the message names it and the difference.
    """
    first = readers[0].layout
    for reader in readers[1:]:
        for name, (expected, actual) in _compared(first, reader.layout).items():
            if expected != actual:
                rule = f"its {name} are {actual}; those of {readers[0].path.name} are {expected}"
                raise ReadError(str(reader.path), rule, "Put it in a cache of its own")
    samples = sum(reader.layout.samples for reader in readers)
    dtype = np.result_type(*(reader.layout.dtype for reader in readers))
    return replace(first, samples=samples, times=first.times[::stride], dtype=dtype)


def _compared(first: Layout, other: Layout) -> dict[str, tuple[Any, Any]]:
    """Return each property that must agree, of both layouts."""
    both = (first, other)
    return {
        "channels": tuple([c.name for c in layout.channels] for layout in both),
        "units": tuple(
            [*layout.units.values(), *(c.unit for c in layout.channels)] for layout in both
        ),
        "boundary conditions": tuple(dict(layout.boundary) for layout in both),
        "sides": tuple(layout.sides for layout in both),
        "times": tuple(layout.times.round(9).tolist() for layout in both),
    }
