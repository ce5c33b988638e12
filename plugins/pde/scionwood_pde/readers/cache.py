"""A cache of states that is read as fast as memory: one channel-first array, mapped from disk.

A folder with `states.npy`, (sample, time, channel, x, y, z), and `cache.json`, which says what they
are and holds statistics of each channel.
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
from scionwood_pde.readers.base import StatesReader, reading, writing
from scionwood_pde.readers.card import from_card, to_card
from scionwood_pde.readers.folders import atomic_folder
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import lazy_states
from scionwood_pde.readers.statistics import Statistics, Sums

STATES, CARD = "states.npy", "cache.json"
VERSION = 1
_FORMAT = "cache of states"


@final
class Cache:
    """States on disk that are read without decoding; safe with workers of every kind.

    Args:
        folder: that `convert` wrote.
        fields: names of the channels that `frames` gives, in that order; all where null.

    Attributes:
        layout: what the states are.
        statistics: of each channel, by its name.

    Raises:
        ReadError: the folder is no cache, damaged, or lacks a field.
    """

    def __init__(self, folder: Path, *, fields: Sequence[str] | None = None) -> None:
        self.folder = Path(folder)
        with reading(self.folder, _FORMAT):
            card = json.loads((self.folder / CARD).read_text("utf-8"))
            if card["version"] != VERSION:
                rule = f"this {_FORMAT} is of version {card['version']}; {VERSION} is read"
                raise ReadError(str(self.folder), rule, "Convert the data again")
            self.layout = from_card(card)
            self.layout.check_stored(self.folder)
            self.statistics = {n: Statistics(**each) for n, each in card["statistics"].items()}
            found, wanted = self.states.shape, _shape(self.layout)
        if found != wanted or self.states.dtype != self.layout.dtype:
            rule = f"{STATES} of this {_FORMAT} has shape {found}; {CARD} says {wanted}"
            raise ReadError(str(self.folder), rule, "Convert the data again")
        names = [channel.name for channel in self.layout.channels]
        self.layout = self.layout.selected(self.folder, fields)
        self._rows = [names.index(channel.name) for channel in self.layout.channels]

    @cached_property
    def states(self) -> np.ndarray:
        """(sample, time, channel, x, y, z), read-only; slices of it read the disk when used."""
        states: np.ndarray = np.load(self.folder / STATES, mmap_mode="r")
        return states

    def to_xarray(self) -> xr.DataArray:
        """The states with their coordinates and units, read where they are used."""
        return lazy_states(self)

    def frames(
        self,
        places: Iterable[tuple[int, int]],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """The same part of many states, as `StatesReader.frames` gives it.

        Args:
            places: sample and time of each.
            window: one slice along each axis of space; all where null.
            channels: their indices; all where null.

        Yields:
            (channel, x, y, z), views of the cache where whole channels follow one another.
        """
        rows = self._rows if channels is None else [self._rows[i] for i in channels]
        whole = rows == list(range(len(self.states[0, 0])))
        for place in places:
            yield self.states[(*place, slice(None) if whole else rows, *(window or ()))]

    def __getstate__(self) -> dict[str, Any]:
        # An array that is mapped would be sent to a worker value by value.
        return {name: value for name, value in self.__dict__.items() if name != "states"}


def write_cache(
    readers: Sequence[StatesReader], folder: Path, *, stride: int = 1, overwrite: bool = False
) -> Cache:
    """Convert files to a cache, one state in memory at a time.

    Args:
        readers: of files that differ in their samples alone, which follow one another.
        folder: to write; it appears whole or not at all.
        stride: keep every so many times, from the first.
        overwrite: replace what is there.

    Returns:
        The cache.

    Raises:
        ReadError: a file is damaged, holds NaN, or differs from the first in more than samples.
        OutputExistsError: `folder` exists and `overwrite` is false.
        WriteError: the disk is full.
        ValueError: no reader, or no stride.
    """
    if not readers or stride < 1:
        raise ValueError(
            f"{len(readers)} readers, stride {stride}: a cache takes one of each or more. Add them"
        )
    layout = _joined(readers, stride)
    with writing(folder), atomic_folder(Path(folder), overwrite=overwrite) as part:
        states = np.lib.format.open_memmap(
            part / STATES, "w+", dtype=layout.dtype, shape=_shape(layout)
        )
        sums = Sums(len(layout.channels))
        first = 0
        for reader in readers:
            places = list(np.ndindex(reader.layout.samples, len(layout.times)))
            found = reader.frames((own, time * stride) for own, time in places)
            for (own, time), state in zip(places, found, strict=True):
                sample = first + own
                sums.add(state, states[sample, time - 1] if time else None)
                states[sample, time] = state
            first += reader.layout.samples
        states.flush()
        pairs = zip(layout.channels, sums.statistics(), strict=True)
        statistics = {channel.name: asdict(found) for channel, found in pairs}
        card = {"version": VERSION, **to_card(layout), "statistics": statistics}
        (part / CARD).write_text(json.dumps(card, indent=1), "utf-8")
    return Cache(folder)


def _shape(layout: Layout) -> tuple[int, ...]:
    return (layout.samples, len(layout.times), len(layout.channels), *layout.sides)


def _joined(readers: Sequence[StatesReader], stride: int) -> Layout:
    """The layout of all samples.

    Raises:
        ReadError: naming the file that differs, and in what.
    """
    first = readers[0].layout
    for reader in readers[1:]:
        for name, (wanted, found) in _compared(first, reader.layout).items():
            if wanted != found:
                rule = f"its {name} are {found}; those of {readers[0].path.name} are {wanted}"
                raise ReadError(str(reader.path), rule, "Put it in a cache of its own")
    samples = sum(reader.layout.samples for reader in readers)
    dtype = np.result_type(*(reader.layout.dtype for reader in readers))
    return replace(first, samples=samples, times=first.times[::stride], dtype=dtype)


def _compared(first: Layout, other: Layout) -> dict[str, tuple[Any, Any]]:
    both = (first, other)
    return {
        "channels": tuple([c.name for c in each.channels] for each in both),
        "units": tuple([*each.units.values(), *(c.unit for c in each.channels)] for each in both),
        "boundary conditions": tuple(dict(each.boundary) for each in both),
        "sides": tuple(each.sides for each in both),
        "times": tuple(each.times.round(9).tolist() for each in both),
    }
