"""Quality-control measures of one gather, in bounded memory: leakage, and fidelity if possible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood_seismic.data.normalise import live
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.light import Verdict
from scionwood_seismic.evaluation.panels import Geometry, Result

PIECE = 1 << 20
"""The largest number of samples measured at once; larger gathers are split by traces."""

LONGEST = 2048
"""The largest number of samples of a trace that are measured at once; longer ones are split."""


Place = tuple[np.ndarray, slice]
"""The traces and the samples of a piece of a gather."""


def quality(
    noisy: np.ndarray, denoised: np.ndarray, reference: np.ndarray | None = None
) -> dict[str, float]:
    """Measure how much was removed from a gather, and how much of that resembles signal.

    Args:
        noisy: (trace, time), the input.
        denoised: the same shape and unit.
        reference: the noise-free gather, if there is one.

    Returns:
        Measure -> value; see `measure`. With `reference` also `SNR, reference` in dB and its like.
        Empty if no trace is live.

    Example:
        >>> round(quality(noisy, 0.5 * noisy)["energy removed"], 3)
        0.25
    """
    return dict(measure(Result(noisy, denoised, Geometry(), reference)).values)


@final
@dataclass(frozen=True)
class Row:
    """The measures of one gather.

    Attributes:
        index: its index in the file, from 0.
        name: its key in the file.
        traces: number of traces.
        dead: number of traces that are constant or not finite in the input; they are not measured.
        broken: number of traces that are not finite in the output only; they are not measured.
        values: measure -> value; empty if there is no trace to measure.
        unprocessed: measure -> value of the unprocessed input.
        verdict: what the harm gate found; None if it did not judge the gather.
    """

    index: int
    name: str
    traces: int
    dead: int
    broken: int
    values: Mapping[str, float]
    unprocessed: Mapping[str, float]
    verdict: Verdict | None = None

    def leak(self) -> float:
        """Return the mean local similarity of the denoised and the removed part; it ranks rows."""
        return self.values["local similarity"]


def measure(result: Result, index: int = 0, name: str = "") -> Row:
    """Measure a gather on its live traces.

    With input x and denoised y, `correlation` is `sum(x y) / sqrt(sum(x^2) sum(y^2))`, and
    `amplitude ratio` is the RMS of y over the RMS of x. `scionwood_seismic.evaluation.metrics`
    defines the other measures; those that end in `reference` need one. In a gather of more than
    `PIECE` samples, or with traces of more than `LONGEST`, local similarity and MS-SSIM are means
    over blocks.

    Args:
        result: the gather before and after denoising.
        index: its index in the file, from 0.
        name: its key in the file.

    Returns:
        The measures. Undefined values, such as a kurtosis if nothing was removed, are NaN.
    """
    alive = live(result.noisy)
    used = _used(result)
    sums: dict[str, float] = {}
    for _, *piece in _pieces(result, used):
        for key, value in _sums(*piece).items():
            sums[key] = sums.get(key, 0.0) + value
    dead, broken = int((~alive).sum()), int((alive & ~used).sum())
    values, unprocessed = (_leaks(sums), dict(_UNPROCESSED)) if sums else ({}, {})
    if sums and result.reference is not None:
        reference = result.reference[used]
        peak = (float(reference.max()) - float(reference.min())) / _unit(result, used)
        values |= _fidelity(sums, "error", "ssim", sums["yy"], peak)
        unprocessed |= _fidelity(sums, "noise", "ssim noise", sums["xx"], peak)
    return Row(index, name, len(alive), dead, broken, values, unprocessed)


def similarity_map(result: Result) -> np.ndarray:
    """Return the local similarity of the denoised and the removed part of a gather.

    Returns:
        (trace, time) float32 in [0, 1]; NaN in traces that are not measured. In a large gather,
        each block of traces is measured separately.
    """
    used = _used(result)
    similarity = np.full(result.noisy.shape, np.nan, dtype=np.float32)
    for (rows, span), x, y, _ in _pieces(result, used):
        similarity[rows, span] = metrics.local_similarity(y, x - y).numpy()
    return similarity


_UNPROCESSED = {
    "local similarity": 0.0,
    "energy removed": 0.0,
    "MS-SSIM-R": 0.0,
    "kurtosis removed": math.nan,
    "correlation": 1.0,
    "amplitude ratio": 1.0,
}


def _used(result: Result) -> np.ndarray:
    """Return which traces are live in the input and finite in the other gathers, (trace,) bool."""
    used: np.ndarray = live(result.noisy) & np.isfinite(result.clean).all(axis=1)
    return used if result.reference is None else used & np.isfinite(result.reference).all(axis=1)


def _unit(result: Result, used: np.ndarray) -> float:
    return float(np.abs(result.noisy[used]).max())


def _pieces(result: Result, used: np.ndarray) -> Iterator[tuple[Place, Tensor, Tensor, Any]]:
    """Yield a place, and its input, denoised and reference, float64, scaled to a safe range."""
    places = np.flatnonzero(used)
    if len(places) == 0:
        return
    unit = _unit(result, used)
    samples = result.noisy.shape[1]
    count = math.ceil(result.noisy[used].size / PIECE)
    edges = np.linspace(0, samples, 1 + math.ceil(samples / LONGEST)).astype(int).tolist()
    for rows in np.array_split(places, min(count, len(places))):
        for span in (slice(*pair) for pair in pairwise(edges)):
            noisy, clean = (_tensor(x[rows, span], unit) for x in (result.noisy, result.clean))
            reference = result.reference
            reference_part = None if reference is None else _tensor(reference[rows, span], unit)
            yield (rows, span), noisy, clean, reference_part


def _tensor(data: np.ndarray, unit: float) -> Tensor:
    return torch.from_numpy(data.astype(np.float64) / unit)


def _sums(x: Tensor, y: Tensor, reference: Tensor | None) -> dict[str, float]:
    """Return the sums that add up over the blocks of a gather."""
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
    if reference is not None:
        sums |= {
            "reference": reference.square().sum(),
            "error": (reference - y).square().sum(),
            "noise": (reference - x).square().sum(),
            "ssim": metrics.ms_ssim(reference, y) * x.numel(),
            "ssim noise": metrics.ms_ssim(reference, x) * x.numel(),
        }
    return {key: float(value) for key, value in sums.items()}


def _leaks(sums: Mapping[str, float]) -> dict[str, float]:
    if sums["r2"] == 0:
        return dict(_UNPROCESSED)
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
        "SNR, reference": _decibels(sums["reference"], sums[error]),
        "PSNR, reference": _decibels(peak**2, sums[error] / n),
        "MS-SSIM, reference": sums[ssim] / n,
        "amplitude ratio, reference": math.sqrt(_over(energy, sums["reference"])),
    }


def _kurtosis(n: float, r1: float, r2: float, r3: float, r4: float) -> float:
    """Return the excess kurtosis from sums of powers; float64 suffices if the mean is near 0."""
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
