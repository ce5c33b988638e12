"""Neighbouring slices at the canonical sampling: a record, and those beside it in a volume.

The slices of a draw share their geology. Events and layers dip across the slices as they do along
them, and a part of the reflectivity changes from slice to slice. A crossline dip of one slice is
the time by which an event is later in the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import ndimage as nd

from scionwood_seismic.synth.field_signal import (
    PERIODS,
    Shape,
    draw_dips,
    draw_factor,
    draw_structure,
    draw_wavelet,
    event_records,
)
from scionwood_seismic.synth.signal import convolve

MARGIN = 40  # samples beyond the record, from which structure brings layers in


def offsets_of(neighbours: int) -> tuple[int, ...]:
    """Return the places of the slices: the own one, then those beside it, the nearest first.

    Args:
        neighbours: slices on each side.

    Example:
        >>> offsets_of(2)
        (0, -1, 1, -2, 2)
    """
    return (0, *(side * k for k in range(1, neighbours + 1) for side in (-1, 1)))


def draw_slices(
    rng: np.random.Generator, shape: Shape, kinds: Sequence[str], neighbours: int
) -> np.ndarray:
    """Draw a record without noise and the slices beside it; the record has unit deviation.

    Args:
        rng: the random number generator.
        shape: (trace, time), samples.
        kinds: names of `VOLUMES` to choose from.
        neighbours: slices on each side.

    Returns:
        (slice, trace, time) float32, in the order of `offsets_of`.
    """
    weights = np.array([VOLUMES[name][0] for name in kinds])
    at = np.array(offsets_of(neighbours))
    while True:
        period = float(np.exp(rng.uniform(*np.log(PERIODS))))
        kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
        slices = VOLUMES[kind][1](rng, shape, period, at) * draw_factor(rng, shape)
        for axis in (1, 2):
            slices = np.flip(slices, axis) if rng.random() < 0.5 else slices
        deviation = float(slices[0].std())
        if np.isfinite(deviation) and deviation > 1e-9:
            return np.ascontiguousarray(slices / deviation, np.float32)


def _planes(rng: np.random.Generator, shape: Shape, period: float, at: np.ndarray) -> np.ndarray:
    """Draw 1 to 60 plane events."""
    traces, samples = shape
    n = int(np.exp(rng.uniform(0, np.log(60))))
    start = rng.uniform(-0.5, 1.2, (n, 1)) * samples
    offset = np.arange(traces) - rng.uniform(0, traces, (n, 1))
    times = start + draw_dips(rng, n, period) * offset
    return event_records(rng, times, draw_dips(rng, n, period) * at, shape, period)


def _hyperboloids(
    rng: np.random.Generator, shape: Shape, period: float, at: np.ndarray
) -> np.ndarray:
    """Draw 1 to 60 hyperboloids about one apex, inside or outside the record and its slice."""
    traces, samples = shape
    n = int(np.exp(rng.uniform(0, np.log(60))))
    x = (np.arange(traces) - rng.integers(-traces, 2 * traces))[:, None]
    y = at - rng.uniform(-traces, traces) * rng.choice([0.1, 1.0])
    start = rng.uniform(-0.2, 1.2, (n, 1, 1)) * samples
    far = np.exp(rng.uniform(np.log(0.05), np.log(0.5 * period)))  # samples a trace at the end
    depth = (start + rng.uniform(0, 4) * samples).clip(1)
    speed = far * rng.uniform(0.4, 1.2, (n, 1, 1))
    times = np.sqrt(depth**2 + (x**2 + y**2) * speed**2)
    times = times - times[..., 0].min(axis=1)[:, None, None] + start
    record_times = times[..., 0]
    return event_records(rng, record_times, times - record_times[..., None], shape, period)


def _layers(rng: np.random.Generator, shape: Shape, period: float, at: np.ndarray) -> np.ndarray:
    """Draw layers whose reflectivity changes over 2 to 40 traces, and as much across slices.

    A share of it is the same everywhere. In half of the draws all of it is.
    """
    traces, samples = shape
    n = samples + 2 * MARGIN
    heard = rng.random(n) < rng.choice([0.1, 0.3, 1.0])
    steady = rng.laplace(size=n) * heard
    reflectivity = np.broadcast_to(steady, (len(at), traces, n))
    if rng.random() < 0.5:
        reach = float(np.exp(rng.uniform(0, np.log(20))))
        across = reach * float(np.exp(rng.uniform(np.log(0.5), np.log(4))))
        coefficients = rng.laplace(size=(len(at), 3 * traces, n)) * heard
        layers = nd.gaussian_filter1d(coefficients, reach, axis=1)[:, traces : 2 * traces]
        layers = np.tensordot(_slice_mixing(at, across), layers, 1)
        reflectivity = layers + rng.uniform(0, 2) * layers.std() / steady.std() * steady
    wavelet = draw_wavelet(rng, period)
    sections = np.stack([convolve(one, wavelet) for one in reflectivity])
    return _bent(rng, sections, shape, at)


def _slice_mixing(at: np.ndarray, reach: float) -> np.ndarray:
    """Return a matrix that makes independent slices as alike as those of a smooth volume."""
    # The autocovariance of noise that is smoothed by a Gaussian of deviation `reach`.
    covariance = np.exp(-(((at[:, None] - at) / (2 * reach)) ** 2))
    # Nearly equal slices make the covariance singular but for rounding.
    root: np.ndarray = np.linalg.cholesky(covariance + 1e-6 * np.eye(len(at)))
    return root


def _bent(
    rng: np.random.Generator, sections: np.ndarray, shape: Shape, at: np.ndarray
) -> np.ndarray:
    """Return sections that are tilted, folded and faulted, and that dip across the slices."""
    traces, samples = shape
    shift = draw_structure(rng, traces)
    tilt = rng.uniform(-1, 1) * rng.choice([0, 0.3, 2])
    turn = tilt * nd.gaussian_filter1d(rng.standard_normal(3 * traces), 15)[traces : 2 * traces]
    stretch = 1 + rng.uniform(-0.3, 0.3) * np.arange(samples) / samples
    record_shift = (shift[:, None] * stretch)[None]
    slice_shift = ((tilt + 4 * turn)[:, None] * stretch) * at[:, None, None]
    last = samples + 2 * MARGIN - 1
    places = (MARGIN + np.arange(samples) + record_shift + slice_shift).clip(0, last)
    trace = np.broadcast_to(np.arange(traces)[:, None], shape)
    return np.stack(
        [
            nd.map_coordinates(one, [trace, where], order=3, mode="nearest")
            for one, where in zip(sections, places, strict=True)
        ]
    )


Volume = Callable[[np.random.Generator, Shape, float, np.ndarray], np.ndarray]

VOLUMES: Mapping[str, tuple[float, Volume]] = {
    "plane": (0.25, _planes),
    "hyperbola": (0.25, _hyperboloids),
    "layers": (0.5, _layers),
}
"""Name -> the weight among the kinds of a recipe, and the function that draws the slices."""
