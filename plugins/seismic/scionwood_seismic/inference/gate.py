"""The harm gate: known events are added to a record, and what comes back of them is measured.

Nothing else about a record without a reference tells lost signal from removed noise. The gate tests
any function from a record to the denoised record, with whatever it contains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from scionwood_seismic.inference.events import STRONG, WEAK, Event, Source
from scionwood_seismic.synth.field_volume import offsets_of

Levels = Mapping[str, tuple[tuple[float, float], int]]

LEVELS: Levels = {"strong": (STRONG, 6), "weak": (WEAK, 8)}
"""Amplitudes, and events of each kind: what comes back of weak ones varies more."""

PER_WINDOW, MOST_PER_WINDOW = 4, 5
"""Events of a window in one run of the denoiser; of a record with few windows, up to the second."""

RUNS = 9
"""The most runs of the denoiser on all of a record."""

FEW_WINDOWS, BLOCKS, MARGIN = 20, 5, (32, 64)
"""Windows up to which all of a record is tested; blocks that are tested of a larger one, each with
two runs; and the traces and canonical samples about the windows of a block, which are 2 x 2."""

Denoise = Callable[[np.ndarray], np.ndarray]
"""A record, (trace, time), or it and its neighbours in a volume, (1 + slice, trace, time), without
dead traces or with zeros there -> the denoised record, (trace, time)."""

Mend = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A record, (trace, time), and the denoised record -> a mended one."""

Place = tuple[slice, slice]
Combo = tuple[str, str, tuple[float, float]]
"""A level, a kind, and the amplitudes of the level."""


@final
@dataclass(frozen=True)
class Returned:
    """What came back of an event.

    Attributes:
        kind: such as `weak steep`.
        trace: where its energy has its middle.
        sample: the same along time.
        amplitude: the share that came back.
    """

    kind: str
    trace: int
    sample: int
    amplitude: float

    def towards(self, other: Returned, share: float) -> Returned:
        """Return a share of the way to what comes back of the event otherwise."""
        return replace(self, amplitude=self.amplitude + share * (other.amplitude - self.amplitude))

    def blended(self, share: float) -> Returned:
        """Return what comes back after blending with the input."""
        return replace(self, amplitude=1 - share * (1 - self.amplitude))


@final
@dataclass(frozen=True)
class Trial:
    """A part of a record, with and without known events.

    Attributes:
        place: the part, traces and samples of the record.
        events: those that were added.
        record: the part, (trace, time).
        added: the sum of the events, (trace, time).
        denoised: what the denoiser makes of the part.
        with_events: what it makes of the sum of the part and the events.
    """

    place: Place
    events: Sequence[Event]
    record: np.ndarray
    added: np.ndarray
    denoised: np.ndarray
    with_events: np.ndarray

    def returned(self, mend: Mend | None = None) -> list[Returned]:
        """Return what came back of each event.

        Args:
            mend: is applied to both results of the denoiser.
        """
        results = self.denoised, self.with_events
        if mend:
            inputs = self.record, self.record + self.added
            results = mend(inputs[0], results[0]), mend(inputs[1], results[1])
        return _returned(self.events, self.added, results[1] - results[0], self.place)


def amplitudes(events: Sequence[Returned]) -> dict[str, float]:
    """Return the mean amplitude that came back of each kind."""
    kinds = sorted({event.kind for event in events})
    return {kind: float(np.mean([e.amplitude for e in events if e.kind == kind])) for kind in kinds}


def tried(
    denoise: Denoise,
    record: np.ndarray,
    before: np.ndarray,
    source: Source,
    rng: np.random.Generator,
    *,
    period: float = 12.0,
    levels: Levels = LEVELS,
) -> tuple[list[Trial], int]:
    """Denoise a record with known events in it.

    Args:
        denoise: the denoiser.
        record: what it takes, any unit.
        before: the denoised record, (trace, time).
        source: draws the events.
        rng: the source of random numbers.
        period: the dominant period, samples, which sets the margin of blocks.
        levels: the amplitudes, and the events of each kind.

    Returns:
        The trials, and how many samples the denoiser saw for them.

    Example:
        >>> from scionwood_seismic.inference.beams import beams
        >>> from scionwood_seismic.inference.events import GatherEvents
        >>> from scionwood_seismic.synth.field_signal import draw_record
        >>> record = draw_record(np.random.default_rng(0), (64, 256), ["layers"])
        >>> source = GatherEvents(record, beams(record, 12.0))
        >>> rng = np.random.default_rng(0)
        >>> trials, _ = tried(lambda x: x / 2, record, record / 2, source, rng)
        >>> {round(event.amplitude, 6) for trial in trials for event in trial.returned()}
        {0.5}
    """
    trials, samples = [], 0
    margin = MARGIN[0], round(MARGIN[1] * period / 12)
    combos = _combos(source.kinds, levels, rng)
    blocks = _blocks(record.shape[-2:], source.window, margin, rng)
    for number, (place, corners) in enumerate(blocks):
        part = record[..., *place]
        first = before
        if len(blocks) > 1:
            first = denoise(part)
            samples += part.size
        runs = RUNS if len(blocks) == 1 else 1
        for batch, per_window in _shares(combos[number :: len(blocks)], len(corners), runs, rng):
            events = _draw_events(source, batch, corners, per_window, record.shape[-2:], rng)
            added = _added(events, record, place)
            again = denoise((part + added).astype(np.float32))
            samples += part.size
            waves, alone = (one if one.ndim == 2 else one[0] for one in (added, part))
            trials.append(Trial(place, events, alone, waves, first, again))
    return trials, samples


def _combos(kinds: Sequence[str], levels: Levels, rng: np.random.Generator) -> list[Combo]:
    """Return the level and kind of each event, those of a level together."""
    combos = []
    for level, (to, count) in levels.items():
        combos += [(level, str(kind), to) for kind in rng.permutation(np.repeat(kinds, count))]
    return combos


def _blocks(
    shape: tuple[int, ...],
    window: tuple[int, int],
    margin: tuple[int, int],
    rng: np.random.Generator,
) -> list[tuple[Place, list[tuple[int, int]]]]:
    """Return the parts of a record that are tested, and the corners of their windows."""
    rows, columns = (max(1, n // w) for n, w in zip(shape, window, strict=True))
    everything = (slice(0, shape[0]), slice(0, shape[1]))
    if rows * columns <= FEW_WINDOWS:
        return [(everything, grid(shape, window, (0, 0)))]
    across = min(2, rows)
    inner = across * window[0], min(4 // across, columns) * window[1]
    blocks = []
    for _ in range(BLOCKS):
        start = [int(rng.integers(n - size + 1)) for n, size in zip(shape, inner, strict=True)]
        place = [
            slice(max(0, at - m), min(n, at + size + m))
            for at, m, n, size in zip(start, margin, shape, inner, strict=True)
        ]
        blocks.append(((place[0], place[1]), grid(inner, window, (start[0], start[1]))))
    return blocks


def grid(
    shape: tuple[int, ...], window: tuple[int, int], start: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the corners of windows that share a shape evenly."""
    rows, columns = (
        np.linspace(0, n - w, max(1, n // w)).astype(int) + at
        for n, w, at in zip(shape, window, start, strict=True)
    )
    return [(int(i), int(j)) for i in rows for j in columns]


def _shares(
    combos: Sequence[Combo], windows: int, runs: int, rng: np.random.Generator
) -> list[tuple[list[Combo], int]]:
    """Share events among the runs of a denoiser: those of each, and how many a window has."""
    room = runs * MOST_PER_WINDOW * windows
    chosen = [combos[i] for i in sorted(rng.permutation(len(combos))[:room])]
    per_window = max(PER_WINDOW, math.ceil(len(chosen) / (runs * windows)))
    size = per_window * windows
    return [(chosen[at : at + size], per_window) for at in range(0, len(chosen), size)]


def _draw_events(
    source: Source,
    combos: Sequence[Combo],
    corners: Sequence[tuple[int, int]],
    per_window: int,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> list[Event]:
    """Draw events at places of a record: those of a window have times of their own."""
    # Windows are filled one by one, so that strong and weak events seldom share one.
    slots = [(i, slot) for i in rng.permutation(len(corners)) for slot in range(per_window)]
    events = []
    for (level, kind, (low, high)), (i, slot) in zip(combos, slots, strict=False):
        corner = corners[i]
        centre = (slot + 0.5 + rng.uniform(-0.15, 0.15)) / per_window
        wave, across = source.draw(kind, corner, centre, rng)
        rows, columns = (
            slice(at, min(n, at + w)) for at, n, w in zip(corner, shape, source.window, strict=True)
        )
        wave = (rng.uniform(low, high) * wave).astype(np.float32)
        events.append(Event(f"{level} {kind}", rows, columns, wave, across))
    return events


def _added(events: Sequence[Event], record: np.ndarray, place: Place) -> np.ndarray:
    """Return the sum of events in a part of a record, and of its neighbours."""
    total = np.zeros(record.shape, np.float32)
    if record.ndim == 2:
        for event in events:
            total[event.rows, event.columns] += event.wave
    else:
        for index, distance in enumerate(offsets_of(len(record) // 2)):
            for event in events:
                later = np.roll(event.wave, distance * event.across, axis=1)
                total[index, event.rows, event.columns] += later
    part: np.ndarray = total[..., *place]
    return part


def _returned(
    events: Sequence[Event], added: np.ndarray, change: np.ndarray, place: Place
) -> list[Returned]:
    """Project what the denoised record gained on each event."""
    returned = []
    for event in events:
        rows, columns = (
            slice(window.start - block.start, window.stop - block.start)
            for window, block in zip((event.rows, event.columns), place, strict=True)
        )
        alone = float(np.square(event.wave, dtype=np.float64).sum())
        went = float((added[rows, columns] * event.wave).sum(dtype=np.float64))
        # Others of the window hardly overlap a fair event, so that what comes back is its own.
        if alone > 0 and abs(went - alone) < 0.5 * alone:
            came = float((change[rows, columns] * event.wave).sum(dtype=np.float64))
            trace, sample = _middle(event)
            returned.append(Returned(event.kind, trace, sample, came / went))
    return returned


def _middle(event: Event) -> tuple[int, int]:
    """Return the trace and the sample of the middle of the energy of an event."""
    energy = np.square(event.wave, dtype=np.float64)
    trace, sample = (
        part.start + round(float(np.average(np.arange(n), weights=energy.sum(axis=other))))
        for part, n, other in zip((event.rows, event.columns), energy.shape, (1, 0), strict=True)
    )
    return trace, sample
