"""The harm gate: known events are added to a record, and what comes back of them is measured.

The result of a denoiser is then kept, blended with the input, or dropped, so that events keep their
amplitude. Nothing else about a record without a reference tells lost signal from removed noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood_seismic.inference.envelope import resembling
from scionwood_seismic.inference.events import Events
from scionwood_seismic.inference.options import GateOptions
from scionwood_seismic.inference.tiles import Corner, Pair, Tiling, cut
from scionwood_seismic.synth.canonical import Domain
from scionwood_seismic.synth.field_volume import offsets_of

STEP, PART = 16, 0.4
"""What a network pads crops to, and the share of its work that the gate may take of few tiles."""

STATION: tuple[Pair, Pair] = (3, 2048), (1, 512)
GATHER: tuple[Pair, Pair] = (64, 128), (24, 40)
"""Traces and samples of the tiles that the gate tests, and of their overlap, whatever the network
and its tiles: amplitudes of several networks can be compared."""

Remove = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
"""Crops and masks, (crop, trace, time) float32 each, and the slices beside each crop of a volume,
(crop, slice, trace, time), or None -> what the model removes from the crops."""

Draw = Callable[[np.ndarray, np.ndarray], Events]
"""Crops and masks -> the events that are added to them."""


@final
@dataclass(frozen=True)
class Crops:
    """The places of a record that the gate tests.

    Attributes:
        tiles: the corner of the tile of the gate in which each crop lies.
        corners: the corner of each crop in the record.
        size: traces and samples of a crop.
    """

    tiles: Sequence[Corner]
    corners: Sequence[Corner]
    size: tuple[int, int]

    @property
    def cost(self) -> int:
        """Samples that the model sees again, with its padding."""
        return len(self.corners) * padded_samples(self.size)


def tiles_of(shape: tuple[int, int], domain: Domain) -> Tiling:
    """Return the tiles of a record, (trace, time), that the gate chooses from."""
    return Tiling(shape, *(STATION if domain == "station" else GATHER))


def choose(tiling: Tiling, options: GateOptions, rng: np.random.Generator) -> Crops:
    """Choose what to test: some of the tiles, or parts of them if they are few.

    Args:
        tiling: the tiles of the gate, of the record at the canonical sampling.
        options: how much to test.
        rng: the source of random numbers.
    """
    corners, size = tiling.corners, tiling.size
    count = min(int(options.tile_share * len(corners)), options.tile_limit)
    if count >= 4:
        chosen = [corners[i] for i in sorted(rng.permutation(len(corners))[:count])]
        return Crops(chosen, chosen, size)
    part = min(size[0], max(STEP, size[0] // 2)), min(size[1], max(3 * STEP, size[1] // 2))
    # As many parts as cost `PART` of one pass over the record.
    count = int(PART * len(corners) * padded_samples(size) / padded_samples(part))
    tiles = [corners[i % len(corners)] for i in range(max(1, count))]
    free = size[0] - part[0], size[1] - part[1]
    moved = [
        (i + int(rng.integers(free[0] + 1)), j + int(rng.integers(free[1] + 1))) for i, j in tiles
    ]
    return Crops(tiles, moved, part)


def padded_samples(size: tuple[int, int]) -> int:
    """Return the samples that a network computes for a crop, with its padding."""
    return math.prod(-(-n // STEP) * STEP for n in size)


def recovered(
    remove: Remove,
    record: np.ndarray,
    mask: np.ndarray,
    before: Mapping[Corner, np.ndarray] | None,
    crops: Crops,
    draw: Draw,
    little: float,
    period: float,
    neighbours: np.ndarray | None = None,
) -> tuple[dict[str, float], Callable[[], dict[str, float]]]:
    """Return the amplitude that comes back of known events, as a share: kind -> mean.

    Args:
        remove: the denoiser.
        record: (trace, time) float32 at the canonical sampling, zero where the mask is.
        mask: the same shape, 1 where there is data.
        before: what was removed from each tile that is tested, by corner; None: the result has
            other tiles than the gate.
        crops: the places to test.
        draw: draws the events of some crops.
        little: `GateOptions.quiet_energy`.
        period: the dominant period at the canonical sampling, samples.
        neighbours: the neighbouring slices of a volume, (slice, trace, time), in which the events
            continue; None: unknown.

    Returns:
        `strong flat`, `weak slope` and so on, and `noisy slope` for weak events in places where
        more than `little` of the energy is removed; kinds that were not drawn are missing. First
        for the removal as it is; then a function that returns those without the part of the removal
        that resembles what is kept.
    """
    inputs, masks = (cut(array, crops.corners, crops.size) for array in (record, mask))
    events = draw(inputs, masks)
    added = events.summed(len(inputs))
    if before is None:
        slices = None if neighbours is None else cut(neighbours, crops.corners, crops.size)
        first = remove(inputs, masks, slices)
    else:
        first = np.stack([_part(before[tile], tile, at, crops.size) for tile, at in _pairs(crops)])
    again = remove(inputs + added, masks, _slices_with_events(neighbours, crops, events))
    # The model is not linear: its response to the events is the difference of two removals.
    change = again - first
    weighed = events.waves * _taper(crops.size)
    alone = np.einsum("eij,eij->e", weighed, events.waves)
    went = np.einsum("eij,eij->e", weighed, added[events.crop])
    # Others of the crop hardly overlap a fair event, so that what comes back is its amplitude.
    fair = (alone > 0) & (np.abs(went - alone) < 0.5 * alone)
    size = np.abs(events.waves)
    gone, energy = (
        np.einsum("eij,eij->e", size, np.square(array)[events.crop]) for array in (first, inputs)
    )
    noisy = gone > little * energy
    places = _places(events, fair, noisy)

    def means(gone: np.ndarray) -> dict[str, float]:
        came = went - np.einsum("eij,eij->e", weighed, gone[events.crop])
        return _means(came, went, places)

    def mended() -> dict[str, float]:
        lost = resembling(inputs + added, again, period) - resembling(inputs, first, period)
        return means(change - lost)

    return means(change), mended


def _taper(size: tuple[int, int]) -> np.ndarray:
    """Return the weights of a crop: the model sees its edges without their surroundings."""
    # The 0.02 keeps an event at an edge from having no weight at all.
    window: np.ndarray = np.outer(*(np.hanning(n + 2)[1:-1] + 0.02 for n in size))
    return window.astype(np.float32)


def _places(events: Events, fair: np.ndarray, noisy: np.ndarray) -> dict[str, np.ndarray]:
    """Return which events count, by level and kind, (event,) bool each."""
    levels = {
        "strong": events.strong,
        "weak": ~events.strong & ~noisy,
        "noisy": ~events.strong & noisy,
    }
    return {
        f"{level} {name}": fair & at_level & (events.kind == kind)
        for level, at_level in levels.items()
        for kind, name in enumerate(events.names)
    }


def _slices_with_events(
    neighbours: np.ndarray | None, crops: Crops, events: Events
) -> np.ndarray | None:
    """Return the slices beside each crop, with the events of the crop."""
    if neighbours is None:
        return None
    places = offsets_of(len(neighbours) // 2)[1:]
    added = np.stack([events.summed(len(crops.corners), place) for place in places], axis=1)
    with_events: np.ndarray = cut(neighbours, crops.corners, crops.size) + added
    return with_events


def _means(
    came: np.ndarray, went: np.ndarray, places: Mapping[str, np.ndarray]
) -> dict[str, float]:
    return {
        name: float((came[chosen] / went[chosen]).mean())
        for name, chosen in places.items()
        if chosen.any()
    }


def _pairs(crops: Crops) -> list[tuple[Corner, Corner]]:
    return list(zip(crops.tiles, crops.corners, strict=True))


def _part(removed: np.ndarray, tile: Corner, at: Corner, size: tuple[int, int]) -> np.ndarray:
    i, j = at[0] - tile[0], at[1] - tile[1]
    part: np.ndarray = removed[i : i + size[0], j : j + size[1]]
    return part
