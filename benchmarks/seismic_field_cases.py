"""The records of the field scorecard: generated gathers, field records, and real noise.

Each group has a half on which filters are tuned and a half on which everything is tested. The
halves were fixed before any method was tested: the first shots, inlines or traces tune.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from runner import option
from scipy.signal import butter, decimate, sosfiltfilt

from scionwood_seismic import open_file
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.evaluation.baselines import bandpass
from scionwood_seismic.synth.signal import draw_gather

FOLDER = os.environ.get("SCIONWOOD_FIELD_DATA")
FIELD_DATA = option(
    "--data",
    type=Path,
    default=FOLDER and Path(FOLDER),
    required=not FOLDER,
    help="the files; by default the folder of SCIONWOOD_FIELD_DATA",
)
Domain = Literal["shot", "stack", "das", "station"]
SHAPE, DT, DX = (128, 512), 0.002, 12.5
DIPS = ((0, 0), (0.05, 0), (0.25, 0), (0.5, 0), (1, 0), (2, 0), (4, 0), (0, 0.5), (0.2, 1.0))
PERIODS = (4, 6, 8, 12, 16, 24, 33, 50, 60, 80)
TRACES = (1, 2, 3, 6)
FORGE_TEST = {"tune": (0, 290), "test": (300, 840)}
"""Channels of the FORGE window: the first are for tuning and training, the others for the test."""


@dataclass(frozen=True)
class Case:
    """One record to denoise.

    Attributes:
        group: the family of records, such as `viking`.
        name: what distinguishes it inside of the group, such as `dip 0.25`.
        noise: the added noise; `none` if nothing was added.
        tune: whether the record belongs to the tuning half.
        record: (trace, time), the input.
        clean: the reference; None for a field record that is tested as it is.
        dt: sample interval, s.
        dx: distance between traces, m, where it is known.
        domain: the shipped model that suits the file.
        volume: whether successive records of this name are neighbouring inlines.
        scored: the first and last sample of the part that is scored; None for all.
    """

    group: str
    name: str
    noise: str
    tune: bool
    record: np.ndarray
    clean: np.ndarray | None
    dt: float = DT
    dx: float | None = DX
    domain: Domain = "shot"
    volume: bool = False
    scored: tuple[int, int] | None = None


def with_noise(case: Case, kind: str, noise: np.ndarray, within: slice | None = None) -> Case:
    """Return the case with noise of the energy of its clean record, 0 dB."""
    clean = case.record
    level = np.sqrt(np.mean(np.square(clean[:, within or slice(None)], dtype=np.float64)))
    noise = noise - noise.mean(1, keepdims=True)
    noisy = clean + level * noise / np.sqrt(np.mean(noise**2))
    return replace(case, noise=kind, record=noisy.astype(np.float32), clean=clean, volume=False)


def white(shape: tuple[int, ...], *key: int) -> np.ndarray:
    """Return Gaussian noise of unit variance."""
    return np.random.default_rng(key).standard_normal(shape)


def events(times: np.ndarray, amplitudes: np.ndarray, period: float, samples: int) -> np.ndarray:
    """Return Ricker events: times and amplitudes (event, trace), all in samples."""
    at = (np.arange(samples) - times[..., None]) * np.pi / period
    gather = (amplitudes[..., None] * (1 - 2 * at**2) * np.exp(-(at**2))).sum(0)
    return (gather / gather.std()).astype(np.float32)


def dips(folder: Path) -> Iterator[Case]:
    """Yield gathers of five events with one dip and curvature, samples a trace."""
    x = np.arange(SHAPE[0]) - SHAPE[0] / 2
    for tune in (True, False):
        for i, (slope, curve) in enumerate(DIPS):
            rng = np.random.default_rng([1, tune, i])
            start = np.array([60, 140, 230, 330, 420]) + rng.uniform(-15, 15, 5)
            times = start[:, None] + slope * x + curve * x**2 / 64
            sizes = rng.choice([-1, 1], (5, 1)) * rng.uniform(0.5, 1, (5, 1)) * np.ones_like(times)
            clean = events(times, sizes, 16.67, SHAPE[1])
            name = f"curve {curve:g}" if curve else f"dip {slope:g}"
            case = Case("dips", name, "none", tune, clean, clean)
            yield from (case, with_noise(case, "white", white(SHAPE, 2, tune, i)))


def few(folder: Path) -> Iterator[Case]:
    """Yield gathers of 1 to 6 traces of the generator."""
    kinds = ("reflection", "vsp", "microseismic")
    for count in TRACES:
        for i in range(9):
            gather = draw_gather(generator(77, "test", i), SHAPE, kind=kinds[i % 3])[:count]
            gather = gather[np.abs(gather).max(1) > 0]
            if len(gather):
                name = f"{count} trace" + "s" * (count > 1)
                case = Case("traces", name, "none", i >= 6, gather, gather)
                yield from (case, with_noise(case, "white", white(gather.shape, 3, i)))


def periods(folder: Path) -> Iterator[Case]:
    """Yield hyperbolic reflections of a given dominant period, samples."""
    for period in PERIODS:
        for i in range(5):
            rng = np.random.default_rng([4, period, i])
            n = rng.integers(4, 10)
            x = (np.arange(SHAPE[0]) - rng.integers(0, SHAPE[0])) * DX / (DT * 1000)
            start = rng.uniform(0.05, 0.95, (n, 1)) * SHAPE[1]
            times = np.sqrt(start**2 + (x / rng.uniform(1.5, 4.5, (n, 1))) ** 2)
            sizes = rng.choice([-1, 1], (n, 1)) * rng.uniform(0.2, 1, (n, 1)) * np.ones_like(times)
            clean = events(times, sizes, period, SHAPE[1])
            case = Case("periods", f"period {period}", "none", i >= 3, clean, clean)
            yield from (case, with_noise(case, "white", white(SHAPE, 5, period, i)))


def viking(folder: Path) -> Iterator[Case]:
    """Yield marine shots as they are, and with a gain of t^2, which are called clean."""
    with open_file(folder / "viking_small.segy", gather="fldr") as reader:
        shots, dt = [record.data for record in reader], reader.dt
    for i, shot in enumerate(shots):
        tune = i < len(shots) // 2
        raw = Case("viking", "as recorded", "none", tune, shot, None, dt, 25.0)
        gained = shot * ((dt * np.arange(shot.shape[1])) ** 2 + 0.02)
        top = np.quantile(np.abs(gained), 0.998)
        gained = (top * np.arcsinh(gained / top)).astype(np.float32)  # soft: nothing is clipped
        case = replace(raw, name="t^2 gain", record=gained, clean=gained)
        yield from (raw, case)
        for kind, noise in _viking_noise(folder, shot.shape, dt, tune, i):
            yield with_noise(case, kind, noise)


def _viking_noise(
    folder: Path, shape: tuple[int, ...], dt: float, tune: bool, i: int
) -> Iterator[tuple[str, np.ndarray]]:
    yield "white", white(shape, 6, i)
    yield "band", bandpass(white(shape, 7, i), dt, low=5, high=60)
    first, last = FORGE_TEST["tune" if tune else "test"]
    start = (last - first) // 2 * (i % 2) + first
    window = forge(folder)[start : start + shape[0]]
    noise = np.pad(window, ((0, 0), (0, shape[1] - window.shape[1])), mode="symmetric")
    yield "FORGE", np.clip(noise, *np.quantile(noise, [0.01, 0.99]))


def forge(folder: Path) -> np.ndarray:
    """Return the FORGE window, (960, 500)."""
    return np.fromfile(folder / "forge0723.bin", "<f4").reshape(960, 500)


def stacks(folder: Path) -> Iterator[Case]:
    """Yield inlines of F3 and of a post-stack cube, and a section over a salt body."""
    with open_file(folder / "f3.sgy") as reader:
        f3 = reader.read(0).data.reshape(23, 18, 75)
    cube = np.fromfile(folder / "real3d.bin", "<f4").reshape(10, 100, 300)
    salt = np.fromfile(folder / "masha_field_800_1000.bin", "<f4").reshape(2, 500, 800)
    for name, volume, inlines in (("F3", f3, True), ("cube", cube, True), ("salt", salt, False)):
        for i, section in enumerate(volume):
            tune = i < len(volume) // 2
            section = np.ascontiguousarray(section)
            case = Case(name, "as it is", "none", tune, section, None, 0.004, None, "stack")
            yield replace(case, volume=inlines)
            yield with_noise(case, "white", white(section.shape, 8, i))


def das(folder: Path) -> Iterator[Case]:
    """Yield a local event on a fibre, alone and with noise; a generated VSP tunes the filters."""
    with open_file(folder / "deformation_rate_event_1.hdf5") as reader:
        data, dt = reader.read(0).data, reader.dt
    band = bandpass(data - data.mean(1, keepdims=True), dt, low=20, high=300)[:, 330:830]
    event = (band / band.std()).astype(np.float32)
    gather = draw_gather(generator(79, "test", 0), event.shape, dt=0.002, kind="microseismic")
    for tune, clean in ((True, gather), (False, event)):
        name = "event of the test data" if not tune else "generated event"
        case = Case("das", name, "none", tune, clean, clean, dt, None, "das")
        yield case
        yield with_noise(case, "white", white(clean.shape, 9, tune))
        first, last = FORGE_TEST["tune" if tune else "test"]
        yield with_noise(case, "FORGE", forge(folder)[first : min(last, first + len(clean))])
        if not tune and (folder / "prodml_2.0.h5").is_file():
            with open_file(folder / "prodml_2.0.h5") as reader:
                noise = reader.read(0).data[100:325, :500]
            yield with_noise(case, "ProdML", noise)


def station(folder: Path) -> Iterator[Case]:
    """Yield ObsPy's example earthquake in 57 s of white and of instrument noise.

    Half of the energy of the record lies below 0.5 Hz, so it is also tested above 1 Hz.
    """
    import obspy

    example = obspy.read().detrend("demean").taper(0.02)
    quake = np.stack([trace.data for trace in example]).astype(np.float64)
    high = sosfiltfilt(butter(4, 1.0, "high", fs=100, output="sos"), quake)
    source = Path(obspy.__file__).parent / "signal/tests/data/ref_STS2"
    hum = obspy.read(str(source)).detrend("demean")[0].data
    hum = decimate(hum, 2)  # 200 Hz to 100 Hz
    for tune in (True, False):
        for name, signal in (("as recorded", quake), ("above 1 Hz", high)):
            clean = np.pad(signal, ((0, 0), (1500, 1200))).astype(np.float32)
            scored = (1500, 4500)
            case = Case(
                "station", name, "none", tune, clean, clean, 0.01, None, "station", scored=scored
            )
            if not tune:
                yield case
            for i in range(3):
                rng = np.random.default_rng([10, tune, i])
                half = len(hum) // 2 * (not tune)
                starts = half + rng.integers(0, len(hum) // 2 - clean.shape[1], 3)
                hums = np.stack([hum[at : at + clean.shape[1]] for at in starts])
                yield with_noise(case, "white", rng.standard_normal(clean.shape), slice(*scored))
                yield with_noise(case, "instrument", hums, slice(*scored))


GROUPS: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "dips": dips,
    "traces": few,
    "periods": periods,
    "viking": viking,
    "stacks": stacks,
    "das": das,
    "station": station,
}
