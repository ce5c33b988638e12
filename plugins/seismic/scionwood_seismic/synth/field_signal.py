"""Signal at the canonical sampling: sections and gathers of every dip, gain and number of traces.

The unit of time is the canonical sample, `1 / (12 f)` for the dominant frequency f of a record, and
the unit of distance is the trace. A draw of the period and of the dip therefore stands for a draw
of the sample interval, the peak frequency and the trace distance of a survey. The ranges were
chosen by this project for generated and real records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import fft
from scipy import ndimage as nd
from scipy import signal as sg

from scionwood_seismic.synth.signal import SIGNALS, convolve, draw_gather, place_spikes, ricker

PERIODS = (4.2, 26.0)
"""Dominant periods of the training signals, samples; the estimate of a record's period may err."""

FLAT = 0.25
"""The share of flat events; as many are nearly flat, and the rest dip up to aliasing."""

STEEPEST = 0.6
"""The steepest dip, dominant periods per trace; from 0.5 on a plane event is aliased."""

Shape = tuple[int, int]
Moveout = Callable[[np.random.Generator, Shape, float], np.ndarray]


def draw_record(
    rng: np.random.Generator, shape: Shape, kinds: Sequence[str] | None = None
) -> np.ndarray:
    """Draw a record without noise, of unit standard deviation.

    Args:
        rng: the random number generator.
        shape: (trace, time), samples.
        kinds: names of `KINDS` to choose from; None: `GATHERS`.

    Returns:
        (trace, time) float32.
    """
    names = tuple(kinds or GATHERS)
    weights = np.array([KINDS[name][0] for name in names])
    while True:
        low, high = np.log(PERIODS)
        period = float(np.exp(rng.uniform(low, high)))
        record = KINDS[names[rng.choice(len(names), p=weights / weights.sum())]][1](
            rng, shape, period
        )
        record = _flipped(rng, _muted(rng, _gained(rng, record)))
        deviation = float(record.std())
        if np.isfinite(deviation) and deviation > 1e-9:  # all events may lie outside the record
            return np.ascontiguousarray(record / deviation, np.float32)


def draw_wavelet(rng: np.random.Generator, period: float) -> np.ndarray:
    """Draw a wavelet: a Ricker or a band, often with a rotated phase, sometimes with a bubble.

    Args:
        rng: the random number generator.
        period: the dominant period, samples.

    Returns:
        (time,) with a largest magnitude of 1. The time zero is the middle.
    """
    if rng.random() < 0.5:
        wavelet = ricker(1 / period, 1.0, length=min(6 * period, 100))
    else:
        wavelet = _band(rng, 1 / period)
    if rng.random() < 0.6:
        analytic_signal = sg.hilbert(wavelet) * np.exp(1j * rng.uniform(0, 2 * np.pi))
        wavelet = analytic_signal.real
    if rng.random() < 0.25:
        wavelet = _with_bubble(rng, wavelet, period)
    unit: np.ndarray = wavelet / np.abs(wavelet).max()
    return unit


def draw_dips(rng: np.random.Generator, n: int, period: float) -> np.ndarray:
    """Draw dips from flat to aliased.

    A quarter of the events is flat. Of the others a quarter is nearly flat, up to 0.3 samples a
    trace, and the rest is log-uniform up to `STEEPEST` periods a trace.

    Args:
        rng: the random number generator.
        n: number of events.
        period: the dominant period, samples.

    Returns:
        (event, 1), samples a trace.
    """
    top = np.where(rng.random((n, 1)) < 0.25, np.log(0.3), np.log(STEEPEST * period))
    size = np.exp(np.log(0.02) + rng.random((n, 1)) * (top - np.log(0.02)))
    dips = size * rng.choice([-1.0, 1.0], (n, 1))
    flat: np.ndarray = rng.random((n, 1)) < FLAT
    return np.where(flat, 0.0, dips)


def _planes(rng: np.random.Generator, shape: Shape, period: float) -> np.ndarray:
    """Draw 1 to 60 plane events."""
    return _plane_events(rng, shape, period, int(np.exp(rng.uniform(0, np.log(60)))))


def _single(rng: np.random.Generator, shape: Shape, period: float) -> np.ndarray:
    """Draw one plane event."""
    return _plane_events(rng, shape, period, 1)


def _plane_events(rng: np.random.Generator, shape: Shape, period: float, n: int) -> np.ndarray:
    traces, samples = shape
    start = rng.uniform(-0.5, 1.2, (n, 1)) * samples
    offset = np.arange(traces) - rng.uniform(0, traces, (n, 1))
    return _events(rng, start + draw_dips(rng, n, period) * offset, shape, period)


def _hyperbolas(rng: np.random.Generator, shape: Shape, period: float) -> np.ndarray:
    """Draw 1 to 60 hyperbolas about one apex, inside or outside the record."""
    traces, samples = shape
    n = int(np.exp(rng.uniform(0, np.log(60))))
    x = np.arange(traces) - rng.integers(-traces, 2 * traces)
    start = rng.uniform(-0.2, 1.2, (n, 1)) * samples
    far = np.exp(rng.uniform(np.log(0.05), np.log(0.5 * period)))  # samples a trace at the end
    depth = (start + rng.uniform(0, 4) * samples).clip(1)
    times = np.sqrt(depth**2 + (x * far * rng.uniform(0.4, 1.2, (n, 1))) ** 2)
    return _events(rng, times - times.min(axis=1, keepdims=True) + start, shape, period)


def _events(rng: np.random.Generator, times: np.ndarray, shape: Shape, period: float) -> np.ndarray:
    """Place events at times (event, trace), with amplitudes that vary along the record."""
    record: np.ndarray = event_records(rng, times, np.zeros((len(times), 1)), shape, period)[0]
    return record


def event_records(
    rng: np.random.Generator, times: np.ndarray, later: np.ndarray, shape: Shape, period: float
) -> np.ndarray:
    """Place events in a record and in those beside it, with amplitudes that vary along it.

    Args:
        rng: the random number generator.
        times: (event, trace), samples.
        later: by how much an event is later in each record, samples: (event, record), or (event,
            trace, record).
        shape: (trace, time) of a record.
        period: the dominant period, samples.

    Returns:
        (record, trace, time).
    """
    n, traces = times.shape
    along = rng.uniform(-0.6, 0.6, (n, 1)) * 2 * (np.arange(traces) / traces - 0.5)
    amplitudes = rng.standard_normal((n, 1)) * (1 + along)
    if rng.random() < 0.1:  # a polarity that changes along the record, as of a microseism
        amplitudes = amplitudes * np.sign(np.arange(traces) - rng.integers(0, traces) + 0.5)
    wavelet = draw_wavelet(rng, period)
    later = later[:, None] if later.ndim == 2 else later
    record_times = (times + later[..., k] for k in range(later.shape[-1]))
    return np.stack([convolve(place_spikes(at, amplitudes, shape), wavelet) for at in record_times])


def _section(rng: np.random.Generator, shape: Shape, period: float) -> np.ndarray:
    """Draw a dense section: layered reflectivity that is tilted, bent, faulted and stretched."""
    traces, samples = shape
    margin = 40
    n = samples + 2 * margin
    layers = rng.laplace(size=n) * (rng.random(n) < rng.choice([0.1, 0.3, 1.0]))
    trace = convolve(layers[None], draw_wavelet(rng, period))[0]
    at = np.arange(samples)[None]
    stretch = 1 + rng.uniform(-0.3, 0.3) * at / samples
    places = margin + at + draw_structure(rng, traces)[:, None] * stretch
    section: np.ndarray = nd.map_coordinates(
        trace, [places.ravel().clip(0, n - 1)], order=3, mode="nearest"
    ).reshape(shape)
    if rng.random() < 0.4:  # reflections fade along a layer
        fade = 1 + 10 * nd.gaussian_filter(rng.standard_normal(shape), (10, 6))
        section = section * fade.clip(0.1, 3)
    return section


def _layers(rng: np.random.Generator, shape: Shape, period: float) -> np.ndarray:
    """Draw a stack whose layers change along the section, as lithology and thickness do.

    Each layer keeps its reflectivity over 2 to 40 traces only, so that a part of the energy differs
    between neighbouring traces and is signal all the same.
    """
    traces, samples = shape
    margin = 40
    n = samples + 2 * margin
    reflectivity = rng.laplace(size=(3 * traces, n)) * (rng.random(n) < rng.choice([0.2, 0.5, 1.0]))
    reach = np.exp(rng.uniform(np.log(1), np.log(20)))
    layers = nd.gaussian_filter1d(reflectivity, reach, axis=0)[traces : 2 * traces]
    steady = rng.laplace(size=n) * rng.uniform(0, 2) * layers.std()
    section = convolve(layers + steady, draw_wavelet(rng, period))
    at = np.arange(samples)[None]
    places = (margin + at + draw_structure(rng, traces)[:, None]).clip(0, n - 1)
    trace = np.broadcast_to(np.arange(traces)[:, None], shape)
    bent: np.ndarray = nd.map_coordinates(section, [trace, places], order=3, mode="nearest")
    return bent


def draw_structure(rng: np.random.Generator, traces: int) -> np.ndarray:
    """Return the shift of the layers at each trace, samples: a tilt, a fold and a fault."""
    shift = rng.uniform(-1, 1) * rng.choice([0, 0.3, 2]) * np.arange(traces)
    if rng.random() < 0.5:
        fold = nd.gaussian_filter1d(rng.standard_normal(3 * traces), rng.uniform(5, 25))
        fold = fold[traces : 2 * traces]
        shift = shift + fold / (np.abs(fold).max() + 1e-9) * rng.uniform(0, 12)
    if rng.random() < 0.25 and traces > 16:
        shift[rng.integers(8, traces - 8) :] += rng.uniform(-12, 12)
    centred: np.ndarray = shift - shift.mean()
    return centred


def _physical(rng: np.random.Generator, shape: Shape, period: float) -> np.ndarray:
    """Draw a gather of `signal.draw_gather` with a drawn sample interval and trace distance."""
    dt = 1 / (30 * period)  # the middle of its peak frequencies, 15 to 45 Hz, has this period
    dx = float(np.exp(rng.uniform(np.log(2), np.log(25))))
    return draw_gather(rng, shape, dt=dt, dx=dx, kind=str(rng.choice(SIGNALS)))


KINDS: Mapping[str, tuple[float, Moveout]] = {
    "plane": (0.25, _planes),
    "hyperbola": (0.25, _hyperbolas),
    "section": (0.3, _section),
    "physical": (0.1, _physical),
    "single": (0.1, _single),
    "layers": (0.5, _layers),
}
"""Name -> the weight among the kinds of a recipe, and the function that draws a record."""

GATHERS = ("plane", "hyperbola", "section", "physical", "single")
"""The kinds that make a gather; `layers` belongs to stacks."""


def draw_factor(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw the factor that gain and mute put on a record, (trace, time)."""
    return _muted(rng, _gained(rng, np.ones(shape)))


def _gained(rng: np.random.Generator, record: np.ndarray) -> np.ndarray:
    """Let amplitudes decay or grow along time, and vary from trace to trace; or neither."""
    traces, samples = record.shape
    if rng.random() < 0.5:
        power = rng.uniform(-3, 3)
        record = record * ((np.arange(samples) + rng.uniform(2, 60)) / samples) ** power
    if rng.random() < 0.2:
        record = record * np.exp(0.3 * rng.standard_normal((traces, 1)))
    return record


def _muted(rng: np.random.Generator, record: np.ndarray) -> np.ndarray:
    """Mute a quarter of the records before a straight first arrival."""
    if rng.random() >= 0.25:
        return record
    traces, samples = record.shape
    first = rng.uniform(0, 0.6) * samples + rng.uniform(-1, 1) * np.arange(traces)
    late = np.arange(samples) - first[:, None]
    muted: np.ndarray = record / (1 + np.exp(-np.clip(late / 1.5, -60, 60)))
    return muted


def _flipped(rng: np.random.Generator, record: np.ndarray) -> np.ndarray:
    record = record[::-1] if rng.random() < 0.5 else record
    return record[:, ::-1] if rng.random() < 0.5 else record


def _band(rng: np.random.Generator, f: float) -> np.ndarray:
    """Return the zero-phase wavelet of a band with random corners and soft flanks."""
    n = 128
    frequencies = fft.rfftfreq(n)
    low, high = f * rng.uniform(0.15, 0.8), f * rng.uniform(1.2, 3.0)
    below = np.clip(low - frequencies, 0, None) / (0.4 * low)
    beyond = np.clip(frequencies - high, 0, None) / (0.3 * high)
    spectrum = np.exp(-(below**2) - beyond**2)
    spectrum[0] = 0
    # 101 samples about the peak, which the roll puts at 64.
    wavelet: np.ndarray = np.roll(fft.irfft(spectrum, n), n // 2)[14:115]
    return wavelet


def _with_bubble(rng: np.random.Generator, wavelet: np.ndarray, period: float) -> np.ndarray:
    """Add two later, weaker copies, as of an air gun's bubble or a ghost."""
    n, lag = len(wavelet), int(rng.uniform(1, 4) * period)
    longer = np.zeros(n + 2 * lag)
    for k in range(3):
        longer[k * lag : k * lag + n] += wavelet * rng.uniform(-0.7, 0.7) ** k
    return longer
