"""Noise records of a user: arrays, and windows of seismic files."""

from __future__ import annotations

import glob
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_seismic.data.normalise import live
from scionwood_seismic.data.samples_on_demand import OnDemandData
from scionwood_seismic.data.survey_source import find_files
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.synth.canonical import Domain, plan, resample
from scionwood_seismic.synth.field_noise import NoiseWindows

Window = tuple[float, float]

SHORTEST = 32
"""The shortest noise record, samples."""

RECORDS_READ = 64
"""Records that are read of one file; more are left out evenly."""


class NoisyOnDemand(OnDemandData):
    """Samples that are made when they are asked for, with noise of the user.

    Attributes:
        noise_files: noise records, a file, a folder or a glob; `none`: generated noise only.
    """

    noise_files: str = "none"

    @cached_property
    def real(self) -> NoiseWindows | None:
        """The noise of `noise_files`, or None."""
        return None if self.noise_files == "none" else NoiseWindows(read_noise(self.noise_files))

    def setup(self, stage: str) -> None:
        """Read the noise files, so that errors appear before training."""
        _ = self.real


def read_noise(path: str, window: Window | Literal["quietest"] | None = None) -> list[np.ndarray]:
    """Read noise records from arrays (`.npy`) or seismic files.

    Dead traces are left out. Traces of seismic files are levelled: each is scaled so that its RMS
    lies within a factor of 2 of that of the median trace. Arrays stay as they are.

    Args:
        path: a file, a folder or a glob.
        window: start and end of what is noise, s from the start of each record; `quietest`: the
            quarter of each record with the least energy; None: the whole record.

    Returns:
        Records (trace, time) float32 with a median trace RMS of 1.

    Raises:
        ReadError: there is no file, or it holds no live trace of 32 samples in the window.
    """
    arrays = [Path(name) for name in sorted(glob.glob(_pattern(path)))]
    if arrays:
        records = [(str(file), _array(file), 1.0) for file in arrays]
    else:
        records = [record for file in find_files(path) for record in _records(file)]
    windows = [_cut(name, data, dt, window) for name, data, dt in records]
    return [data / np.float32(_median_rms(data)) for data in windows]


def canonical_noise(path: str, window: Window | None, domain: Domain) -> list[np.ndarray]:
    """Read noise from seismic files at the canonical sampling of the whole records.

    Args:
        path: a file, a folder or a glob.
        window: start and end of what is noise, s; None: the quietest quarter of each record.
        domain: the kind of record.

    Returns:
        Records (trace, canonical time) with a median trace RMS of 1.

    Raises:
        ReadError: there is no file, or it holds no live trace of 32 samples in the window.
    """
    windows = []
    for name, data, dt in (record for file in find_files(path) for record in _records(file)):
        noise_window = _cut(name, data, dt, window or "quietest")
        factor = plan(data, domain=domain).factor
        windows.append(resample(noise_window, max(SHORTEST, round(noise_window.shape[1] * factor))))
    return [data / np.float32(_median_rms(data)) for data in windows]


def quietest(data: np.ndarray) -> slice:
    """Return the quarter of a record in time that has the least energy.

    Args:
        data: (trace, time), any unit.
    """
    length = max(min(SHORTEST, data.shape[1]), data.shape[1] // 4)
    power = np.square(data, dtype=np.float64)
    # Each trace counts alike, so that a strong trace does not decide for all.
    total = np.cumsum((power / (power.mean(axis=1, keepdims=True) + 1e-30)).mean(axis=0))
    sums = total[length - 1 :] - np.concatenate([[0.0], total[: len(total) - length]])
    start = int(sums.argmin())
    return slice(start, start + length)


def _pattern(path: str) -> str:
    where = Path(path)
    return str(where / "*.npy") if where.is_dir() else path if path.endswith(".npy") else ""


def _array(file: Path) -> np.ndarray:
    with reading(file, "noise"):
        data = np.load(file, allow_pickle=False)
    if data.ndim != 2 or data.dtype.kind != "f":
        rule = f"a noise array is (trace, time) of floats, this is {data.shape} {data.dtype}"
        raise ReadError(str(file), rule, "Save one record a file")
    live_traces: np.ndarray = data[live(data)]
    return live_traces


def _records(file: Path) -> list[tuple[str, np.ndarray, float]]:
    with open_file(file) as reader:
        indices = np.unique(
            np.linspace(0, len(reader) - 1, min(RECORDS_READ, len(reader))).astype(int)
        )
        return [(str(file), _levelled(reader.read(int(i)).data), reader.dt) for i in indices]


def _levelled(data: np.ndarray) -> np.ndarray:
    data = data[live(data)].astype(np.float32)
    data = data - data.mean(axis=1, keepdims=True)
    rms = np.sqrt(np.square(data).mean(axis=1, keepdims=True))
    middle = float(np.median(rms)) if len(rms) else 1.0
    levelled: np.ndarray = data / rms * np.clip(rms, middle / 2, middle * 2)
    return levelled


def _cut(
    name: str, data: np.ndarray, dt: float, window: Window | Literal["quietest"] | None
) -> np.ndarray:
    if data.size and window == "quietest":
        data = data[:, quietest(data)]
    elif data.size and window is not None and not isinstance(window, str):
        start, end = window
        data = data[:, max(0, round(start / dt)) : max(0, round(end / dt))]
    if data.size == 0 or data.shape[1] < SHORTEST:
        rule = f"its noise window holds {data.shape[0]} live traces of {data.shape[1]} samples"
        raise ReadError(name, rule, f"Give a window with {SHORTEST} samples of live traces")
    return data.astype(np.float32)


def _median_rms(data: np.ndarray) -> float:
    return float(np.median(np.sqrt(np.square(data, dtype=np.float64).mean(axis=1)))) or 1.0
