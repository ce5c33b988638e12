"""Figures as geophysicists read them: time down, traces across, one symmetric gain for all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scionwood_seismic import metrics


def panels(gathers: Mapping[str, np.ndarray], *, dt: float | None = None) -> Figure:
    """Gathers side by side at equal gain, that of the first.

    Args:
        gathers: title -> (trace, time).
        dt: the sample interval, s; without it the time axis counts samples.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(3.2 * len(gathers), 4.2), layout="constrained")
    gain = _gain(next(iter(gathers.values())))
    for i, (title, data) in enumerate(gathers.items()):
        axes = figure.add_subplot(1, len(gathers), i + 1)
        _gather(axes, title, data, gain, dt)
        if i:
            axes.set_ylabel("")
    return figure


def quality(noisy: np.ndarray, clean: np.ndarray, dt: float) -> Figure:
    """The QC sheet: gathers, f-k spectra, mean spectra, where the removed part holds signal.

    Args:
        noisy: (trace, time), the input.
        clean: the denoised gather, the same shape and unit.
        dt: the sample interval, s.

    Returns:
        The figure; its local similarity (Chen and Fomel, 2015) should show no events.
    """
    removed = noisy - clean
    figure = Figure(figsize=(14, 8), layout="constrained")
    grid = figure.subplots(2, 3)
    gain = _gain(noisy)
    for axes, title, data in zip(
        grid[0], ("input", "denoised", "removed"), (noisy, clean, removed), strict=True
    ):
        _gather(axes, title, data, gain, dt)
    _fk(grid[1, 0], noisy, clean, dt)
    _spectra(grid[1, 1], {"input": noisy, "denoised": clean, "removed": removed}, dt)
    both = torch.from_numpy(clean), torch.from_numpy(removed)
    similarity = metrics.local_similarity(*both).numpy()
    extent = (0.0, float(noisy.shape[0]), noisy.shape[1] * dt, 0.0)
    image = grid[1, 2].imshow(similarity.T, aspect="auto", vmin=0, vmax=1, extent=extent)
    grid[1, 2].set(title=f"local similarity, mean {similarity.mean():.3f}", xlabel="trace")
    figure.colorbar(image, ax=grid[1, 2])
    return figure


def _gather(axes: Axes, title: str, data: np.ndarray, gain: float, dt: float | None) -> None:
    bottom = data.shape[1] * (dt or 1)
    axes.imshow(
        data.T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-gain,
        vmax=gain,
        extent=(0, data.shape[0], bottom, 0),
        interpolation="nearest",
    )
    axes.set(title=title, xlabel="trace", ylabel="time (s)" if dt else "sample")


def _fk(axes: Axes, noisy: np.ndarray, clean: np.ndarray, dt: float) -> None:
    """Input left, denoised right, in dB below the input's maximum; wavenumbers from -0.5 to 0.5."""
    spectra = [np.abs(np.fft.fftshift(np.fft.rfft2(x), axes=0)) for x in (noisy, clean)]
    top = spectra[0].max() or 1.0
    both = np.concatenate([20 * np.log10(s / top + 1e-9) for s in spectra])
    axes.imshow(both.T, aspect="auto", vmin=-60, vmax=0, extent=(-0.5, 1.5, 0.5 / dt, 0))
    axes.axvline(0.5, color="white")
    axes.set(title="f-k, input | denoised (dB)", xlabel="cycles / trace", ylabel="frequency (Hz)")
    axes.set_xticks([0, 1], ["0", "0"])


def _spectra(axes: Axes, gathers: Mapping[str, np.ndarray], dt: float) -> None:
    for title, data in gathers.items():
        amplitude = np.abs(np.fft.rfft(data, axis=1)).mean(axis=0)
        axes.semilogy(np.fft.rfftfreq(data.shape[1], dt), amplitude + 1e-30, label=title)
    axes.set(title="mean amplitude spectrum", xlabel="frequency (Hz)")
    axes.legend()


def _gain(data: np.ndarray) -> float:
    """The 98th percentile of the magnitudes, which one burst does not move."""
    return float(np.quantile(np.abs(data), 0.98)) or 1.0
