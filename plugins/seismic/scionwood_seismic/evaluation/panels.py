"""A gather before and after denoising, and the data of its figures: clip, spectra, thinning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy.fft import rfft, rfft2
from scipy.signal.windows import tukey

PERCENTILE = 98
"""All gathers are clipped at this percentile of the magnitudes of the input."""

LIMIT = 2000
"""Gathers of more traces or samples are thinned for display."""

SPECTRUM = 4096
"""The largest number of traces, and of samples, in an f-k spectrum."""


@final
@dataclass(frozen=True)
class Geometry:
    """The axes of a gather.

    Attributes:
        dt: the sample interval, s; m if `vertical` is "depth"; None if it is not known.
        start: the time or depth of the first sample.
        vertical: whether the samples are in time or in depth.
        dx: the distance between traces, m; None if it is not known or not constant.
        unit: the unit of the amplitudes; empty if it is not known.
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
        """The label of the frequency axis."""
        if self.dt is None:
            return "frequency (cycles/sample)"
        depth = self.vertical == "depth"
        return "vertical wavenumber (cycles/m)" if depth else "frequency (Hz)"


@final
@dataclass(frozen=True)
class Result:
    """One gather before and after denoising, with its reference if there is one.

    Attributes:
        noisy: the input, (trace, time).
        clean: the denoised gather, of the same shape and unit.
        geometry: the axes.
        reference: the gather without noise, or None.
    """

    noisy: np.ndarray
    clean: np.ndarray
    geometry: Geometry
    reference: np.ndarray | None = None

    @property
    def removed(self) -> np.ndarray:
        """The input minus the denoised gather."""
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            difference: np.ndarray = self.noisy - self.clean
            return difference

    def panels(self) -> dict[str, np.ndarray]:
        """Return title -> gather, in drawing order."""
        gathers = {"input": self.noisy, "denoised": self.clean, "removed": self.removed}
        if self.reference is not None:
            gathers |= {
                "reference": self.reference,
                "error (denoised - reference)": self.clean - self.reference,
            }
        return gathers


def clip(data: np.ndarray) -> float:
    """Return the clip, estimated from at most about a million samples of the gather."""
    if data.size == 0:
        return 1.0
    step = max(1, int(np.sqrt(data.size / 1e6)))
    return float(np.percentile(np.abs(data[::step, ::step]), PERCENTILE)) or 1.0


def fk(data: np.ndarray) -> np.ndarray:
    """Return the amplitude spectrum of the middle `SPECTRUM` x `SPECTRUM` samples.

    The edges are tapered (Tukey, 10 %), because truncated events smear along both axes.

    Args:
        data: (trace, time); non-finite samples count as 0.

    Returns:
        (wavenumber, frequency). Wavenumbers ascend with zero in the middle; frequencies start at 0.
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
    """Return the mean amplitude spectrum over traces, (frequency,), of a gather (trace, time)."""
    total = np.zeros(data.shape[1] // 2 + 1)
    for start in range(0, len(data), 256):
        part = np.nan_to_num(data[start : start + 256], nan=0.0, posinf=0.0, neginf=0.0)
        total += np.abs(rfft(part, axis=1)).sum(axis=0)
    return total / max(1, len(data))


def thin(data: np.ndarray, limit: int) -> np.ndarray:
    """Reduce data to at most `limit` values per axis; each is the strongest sample of its block.

    Args:
        data: (a, b). NaN values are ignored unless the whole block is NaN.
        limit: the largest number of values along an axis.

    Returns:
        The strongest samples with their signs; `data` itself if it is small enough.
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
    extremes = np.take_along_axis(blocks, size.argmax(-1)[..., None], -1)[..., 0]
    return np.moveaxis(extremes, -1, axis)


def thinned(shape: Sequence[int]) -> str:
    """Return a note for the title of a thinned gather; empty if all samples are drawn."""
    across, down = (-(-n // LIMIT) for n in shape)
    if across == down == 1:
        return ""
    return f"display: the strongest of each {across} x {down} block (traces x samples)"
