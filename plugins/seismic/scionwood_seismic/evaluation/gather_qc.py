"""The numbers of one gather's QC, in bounded memory: what was removed, and how true the rest is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from scionwood_seismic.data.normalise import live
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.panels import Result

PIECE = 1 << 20
"""The most samples that are measured at once; larger gathers are measured in blocks of traces."""


@final
@dataclass(frozen=True)
class Row:
    """What was measured of one gather.

    Attributes:
        index: its place in the file, from 0.
        name: its key in the file.
        traces: how many it has.
        dead: those that are constant or not finite in the input; they are not measured.
        broken: those that are not finite in the output only; they are not measured either.
        values: label -> number; empty where no trace is left to measure.
        idle: what doing nothing would have scored, by the same labels.
    """

    index: int
    name: str
    traces: int
    dead: int
    broken: int
    values: Mapping[str, float]
    idle: Mapping[str, float]

    def leak(self) -> float:
        """The mean local similarity of the denoised and the removed part, by which rows rank."""
        return self.values["local similarity"]


def measure(result: Result, index: int = 0, name: str = "") -> Row:
    """Measure a gather on its live traces.

    `correlation` is `sum(x y) / sqrt(sum(x^2) sum(y^2))` of input x and denoised y, `amplitude
    ratio` the RMS of y over that of x; the others are those of
    `scionwood_seismic.evaluation.metrics`, and those that end in `reference` need one. In a gather
    of more than `PIECE` samples, local similarity and MS-SSIM are means over blocks of traces.

    Args:
        result: the gather before and after.
        index: its place in the file, from 0.
        name: its key in the file.

    Returns:
        The row. Numbers that are not defined, such as the kurtosis of nothing removed, are NaN.
    """
    alive = live(result.noisy)
    used = _used(result)
    sums: dict[str, float] = {}
    for piece in _pieces(result, used):
        for key, value in _sums(*piece).items():
            sums[key] = sums.get(key, 0.0) + value
    dead, broken = int((~alive).sum()), int((alive & ~used).sum())
    values, idle = (_leaks(sums), dict(_IDLE)) if sums else ({}, {})
    if sums and result.truth is not None:
        truth = result.truth[used]
        peak = (float(truth.max()) - float(truth.min())) / _unit(result, used)
        values |= _fidelity(sums, "error", "ssim", sums["yy"], peak)
        idle |= _fidelity(sums, "noise", "ssim idle", sums["xx"], peak)
    return Row(index, name, len(alive), dead, broken, values, idle)


def similarity_map(result: Result) -> np.ndarray:
    """The local similarity of what was kept and what was removed; NaN where nothing is measured.

    Returns:
        (trace, time) float32 in [0, 1]; blocks of traces on their own where the gather is large.
    """
    used = _used(result)
    shown = np.full(result.noisy.shape, np.nan, dtype=np.float32)
    start, places = 0, np.flatnonzero(used)
    for x, y, _ in _pieces(result, used):
        shown[places[start : start + len(x)]] = metrics.local_similarity(y, x - y).numpy()
        start += len(x)
    return shown


_IDLE = {
    "local similarity": 0.0,
    "energy removed": 0.0,
    "MS-SSIM-R": 0.0,
    "kurtosis removed": math.nan,
    "correlation": 1.0,
    "amplitude ratio": 1.0,
}


def _used(result: Result) -> np.ndarray:
    """The live traces that are finite in the other files as well. (trace,) bool."""
    used = live(result.noisy) & np.isfinite(result.clean).all(axis=1)
    return used if result.truth is None else used & np.isfinite(result.truth).all(axis=1)


def _unit(result: Result, used: np.ndarray) -> float:
    return float(np.abs(result.noisy[used]).max())


def _pieces(result: Result, used: np.ndarray) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Input, denoised and truth of some traces, float64, at a unit that squares safely."""
    places = np.flatnonzero(used)
    if len(places) == 0:
        return
    unit = _unit(result, used)
    count = math.ceil(result.noisy[used].size / PIECE)
    for some in np.array_split(places, min(count, len(places))):
        truth = None if result.truth is None else _tensor(result.truth[some], unit)
        yield _tensor(result.noisy[some], unit), _tensor(result.clean[some], unit), truth


def _tensor(data: np.ndarray, unit: float) -> Tensor:
    return torch.from_numpy(data.astype(np.float64) / unit)


def _sums(x: Tensor, y: Tensor, truth: Tensor | None) -> dict[str, float]:
    """What adds up over the blocks of a gather."""
    r = x - y
    sums = {
        "count": x.new_tensor(x.numel()),
        "xx": x.square().sum(),
        "yy": y.square().sum(),
        "xy": (x * y).sum(),
        "r1": r.sum(),
        "r2": r.square().sum(),
        "r3": r.pow(3).sum(),
        "r4": r.pow(4).sum(),
        "similarity": metrics.local_similarity(y, r).sum(),
        "ssim removed": metrics.ms_ssim_residual(x, y) * x.numel(),
    }
    if truth is not None:
        sums |= {
            "truth": truth.square().sum(),
            "error": (truth - y).square().sum(),
            "noise": (truth - x).square().sum(),
            "ssim": metrics.ms_ssim(truth, y) * x.numel(),
            "ssim idle": metrics.ms_ssim(truth, x) * x.numel(),
        }
    return {key: float(value) for key, value in sums.items()}


def _leaks(sums: Mapping[str, float]) -> dict[str, float]:
    if sums["r2"] == 0:
        return dict(_IDLE)
    n = sums["count"]
    return {
        "local similarity": sums["similarity"] / n,
        "energy removed": sums["r2"] / sums["xx"],
        "MS-SSIM-R": sums["ssim removed"] / n,
        "kurtosis removed": _kurtosis(n, *(sums[f"r{power}"] for power in (1, 2, 3, 4))),
        "correlation": _over(sums["xy"], math.sqrt(sums["xx"] * sums["yy"])),
        "amplitude ratio": math.sqrt(sums["yy"] / sums["xx"]),
    }


def _fidelity(
    sums: Mapping[str, float], error: str, ssim: str, energy: float, peak: float
) -> dict[str, float]:
    n = sums["count"]
    return {
        "SNR, reference": _decibels(sums["truth"], sums[error]),
        "PSNR, reference": _decibels(peak**2, sums[error] / n),
        "MS-SSIM, reference": sums[ssim] / n,
        "amplitude ratio, reference": math.sqrt(_over(energy, sums["truth"])),
    }


def _kurtosis(n: float, r1: float, r2: float, r3: float, r4: float) -> float:
    """Excess kurtosis from sums of powers; float64 holds them where the mean is not far from 0."""
    m, s2, s3, s4 = r1 / n, r2 / n, r3 / n, r4 / n
    variance = s2 - m * m
    fourth = s4 - 4 * m * s3 + 6 * m * m * s2 - 3 * m**4
    return _over(fourth, variance * variance) - 3


def _over(value: float, by: float) -> float:
    return value / by if by > 0 else math.nan


def _decibels(signal: float, error: float) -> float:
    if error == 0:
        return math.inf if signal > 0 else math.nan
    return 10 * math.log10(signal / error) if signal > 0 else -math.inf
