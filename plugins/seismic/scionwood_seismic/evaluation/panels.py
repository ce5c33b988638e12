"""A gather before and after, and what is drawn of it: clip, spectra, as many samples as fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy.fft import rfft, rfft2
from scipy.signal.windows import tukey

PERCENTILE = 98
"""The clip of all gathers: this percentile of the input's magnitudes, which no burst moves."""

LIMIT = 2000
"""Gathers of more traces or samples are thinned for display."""

SPECTRUM = 4096
"""The most traces, and samples, of the part of a gather that an f-k spectrum is made of."""


@final
@dataclass(frozen=True)
class Geometry:
    """What the axes of a gather mean.

    Attributes:
        dt: the sample interval, s; m where `vertical` is depth; None where it is not known.
        start: the first sample's time or depth.
        vertical: whether the samples follow time or depth.
        dx: the distance between traces, m; None where it is not known or not constant.
        unit: of the amplitudes, empty where it is not known.
    """

    dt: float | None = None
    start: float = 0.0
    vertical: Literal["time", "depth"] = "time"
    dx: float | None = None
    unit: str = ""

    @property
    def down(self) -> str:
        """The label of the vertical axis."""
        if self.dt is None:
            return "sample"
        return "depth (m)" if self.vertical == "depth" else "time (s)"

    @property
    def rate(self) -> str:
        """The label of the spectra's axis along the samples."""
        if self.dt is None:
            return "frequency (cycles/sample)"
        depth = self.vertical == "depth"
        return "vertical wavenumber (cycles/m)" if depth else "frequency (Hz)"


@final
@dataclass(frozen=True)
class Result:
    """One gather before and after, and the truth where there is one.

    Attributes:
        noisy: (trace, time).
        clean: the denoised gather, the same shape and unit.
        geometry: what the axes mean.
        truth: the reference without noise.
    """

    noisy: np.ndarray
    clean: np.ndarray
    geometry: Geometry
    truth: np.ndarray | None = None

    @property
    def removed(self) -> np.ndarray:
        """The input less the denoised gather."""
        with np.errstate(invalid="ignore"):  # an infinite sample less itself
            return self.noisy - self.clean

    def panels(self) -> dict[str, np.ndarray]:
        """Title -> gather, in the order in which they are drawn."""
        shown = {"input": self.noisy, "denoised": self.clean, "removed": self.removed}
        if self.truth is not None:
            shown |= {
                "reference": self.truth,
                "error (denoised - reference)": self.clean - self.truth,
            }
        return shown


def clip(data: np.ndarray) -> float:
    """The clip, from at most about a million samples spread over the gather."""
    if data.size == 0:
        return 1.0
    step = max(1, int(np.sqrt(data.size / 1e6)))
    return float(np.percentile(np.abs(data[::step, ::step]), PERCENTILE)) or 1.0


def fk(data: np.ndarray) -> np.ndarray:
    """The amplitude spectrum over wavenumber and frequency, of at most `SPECTRUM`^2 samples.

    The edges are tapered (Tukey, 10 %), since a cut event smears along both axes.

    Args:
        data: (trace, time); samples that are not finite count as 0.

    Returns:
        (wavenumber, frequency): wavenumbers ascend and zero is in the middle, frequencies from 0.
    """
    middle = tuple(
        slice(max(0, (n - SPECTRUM) // 2), max(0, (n - SPECTRUM) // 2) + SPECTRUM)
        for n in data.shape
    )
    part = np.nan_to_num(data[middle], nan=0.0, posinf=0.0, neginf=0.0)
    down = tukey(part.shape[1], 0.1) if part.shape[1] > 2 else np.ones(part.shape[1])
    across = tukey(part.shape[0], 0.1) if part.shape[0] > 2 else np.ones(part.shape[0])
    spectrum = np.abs(rfft2(part * across[:, None] * down, axes=(0, 1)))
    return np.fft.fftshift(spectrum, axes=0)


def mean_spectrum(data: np.ndarray) -> np.ndarray:
    """Over the traces, some at a time. (trace, time) -> (frequency,)."""
    total = np.zeros(data.shape[1] // 2 + 1)
    for start in range(0, len(data), 256):
        part = np.nan_to_num(data[start : start + 256], nan=0.0, posinf=0.0, neginf=0.0)
        total += np.abs(rfft(part, axis=1)).sum(axis=0)
    return total / max(1, len(data))


def thin(data: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` values along each axis, each the largest of its block, sign kept.

    Args:
        data: (a, b); NaN is drawn only where all of a block is.
        limit: the most values along an axis.

    Returns:
        `data` itself where it is small enough.
    """
    for axis in (0, 1):
        data = _strongest(data, axis, -(-data.shape[axis] // limit))
    return data


def _strongest(data: np.ndarray, axis: int, block: int) -> np.ndarray:
    if block <= 1:
        return data
    moved = np.moveaxis(data, axis, -1)
    missing = -moved.shape[-1] % block
    padded = np.pad(moved, ((0, 0), (0, missing)), constant_values=np.nan)
    blocks = padded.reshape(len(moved), -1, block)
    size = np.where(np.isnan(blocks), -1, np.abs(blocks))
    kept = np.take_along_axis(blocks, size.argmax(-1)[..., None], -1)[..., 0]
    return np.moveaxis(kept, -1, axis)


def thinned(shape: Sequence[int]) -> str:
    """What a title says of a gather of this shape, (trace, time); empty where all is drawn."""
    across, down = (-(-n // LIMIT) for n in shape)
    if across == down == 1:
        return ""
    return f"display: the strongest of each {across} x {down} block (traces x samples)"
