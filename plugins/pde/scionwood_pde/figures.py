"""Figures of states and of how far a prediction is from them; all channels in their own units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from scionwood import atomic_path
from scionwood_pde.metrics import WINDOWS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of lines, told apart by the colour blind too (Okabe and Ito)."""

DASHES = ("-", "--", ":", "-.")
PERCENTILE = 99.5


def slices(states: Mapping[str, xr.DataArray], *, sample: int = 0, time: int = -1) -> Figure:
    """The middle plane of each channel: a row a source, the colours those of the first one.

    Args:
        states: title -> states; all have the channels and axes of the first.
        sample: which one.
        time: which one, the last by default.

    Returns:
        The figure.
    """
    first = next(iter(states.values()))
    channels = first.sizes["channel"]
    figure = Figure(figsize=(3.2 * channels + 0.4, 2.8 * len(states)), layout="constrained")
    grid = figure.subplots(len(states), channels, squeeze=False)
    for column in range(channels):
        limits = _limits(_plane(first, sample, time, column).values)
        for row, (title, source) in enumerate(states.items()):
            axes, plane = grid[row, column], _plane(source, sample, time, column)
            image = _draw(axes, plane, limits)
            axes.set_title(f"{title}: {_label(source, column)}", parse_math=False)
        bar = figure.colorbar(image, ax=list(grid[:, column]), extend="both", shrink=0.8)
        bar.set_label(str(first.coords["unit"].values[column]), parse_math=False)
    when = float(first.coords["time"].values[time])
    figure.suptitle(f"sample {sample}, time {when:g} {first.coords['time'].attrs['units']}")
    return figure


def spectra(
    wavenumbers: np.ndarray, power: Mapping[str, np.ndarray], *, unit: str = "L", field: str = ""
) -> Figure:
    """Spectra over wavenumbers, both logarithmic; the mean, which is no wave, is left out.

    Args:
        wavenumbers: (shell,), radians over the unit of length.
        power: label -> (shell,).
        unit: of length.
        field: what the spectra are of.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.2, 4), layout="constrained")
    axes = figure.subplots()
    for i, (label, values) in enumerate(power.items()):
        shown = np.where(values[1:] > 0, values[1:], np.nan)  # no logarithm of nothing
        colour, dashes = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        axes.loglog(wavenumbers[1:], shown, dashes, color=colour, label=label)
    axes.set(xlabel=f"wavenumber (rad/{unit})", ylabel="half the variance a shell", title=field)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def error_growth(errors: Mapping[str, np.ndarray], *, measure: str = "VRMSE") -> Figure:
    """An error over the steps of a rollout, with the horizons that are reported.

    Args:
        errors: label -> (step,), from the first predicted step.
        measure: what is drawn; of VRMSE the line at 1 is the prediction of the mean.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.2, 4), layout="constrained")
    axes = figure.subplots()
    steps = max(map(len, errors.values()))
    for i, (label, values) in enumerate(errors.items()):
        steps_of = np.arange(1, len(values) + 1)
        colour, dashes = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        axes.plot(steps_of, values, dashes, color=colour, label=label, marker=".")
    for first, last in WINDOWS.values():
        if first < steps:
            axes.axvspan(first + 0.5, min(last, steps) + 0.5, color="0.5", alpha=0.12, linewidth=0)
    if measure == "VRMSE":
        axes.axhline(1, color="0.3", linewidth=0.8)
    axes.set(xlabel="step", ylabel=measure, yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def animate(
    states: Mapping[str, xr.DataArray],
    target: Path,
    *,
    channel: int = 0,
    sample: int = 0,
    fps: int = 8,
    overwrite: bool = False,
) -> None:
    """Write the middle plane of a channel over time as a GIF, sources side by side.

    Args:
        states: title -> states of equal times.
        target: the file, `.gif`.
        channel: which one.
        sample: which one.
        fps: frames a second.
        overwrite: replace what is there.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    first = next(iter(states.values()))
    planes = {title: _plane(source, sample, None, channel) for title, source in states.items()}
    limits = _limits(planes[next(iter(planes))].values)
    figure = Figure(figsize=(3.2 * len(states) + 0.6, 3.2), dpi=80, layout="constrained")
    row = figure.subplots(1, len(states), squeeze=False)[0]
    images = []
    for axes, (title, plane) in zip(row, planes.items(), strict=True):
        images.append(_draw(axes, plane.isel(time=0), limits))
        axes.set_title(f"{title}: {_label(first, channel)}", parse_math=False)
    times, unit = first.coords["time"].values, first.coords["time"].attrs["units"]

    def show(number: int) -> list[AxesImage]:
        for image, plane in zip(images, planes.values(), strict=True):
            image.set_array(_upright(plane.isel(time=number)))
        figure.suptitle(f"time {times[number]:g} {unit}")
        return images

    with atomic_path(Path(target), overwrite=overwrite) as part:
        film = FuncAnimation(figure, show, frames=len(times))
        film.save(part, writer=PillowWriter(fps=fps))


def _plane(states: xr.DataArray, sample: int, time: int | None, channel: int) -> xr.DataArray:
    """The first two axes, in the middle of the third; a line becomes a plane one cell high."""
    chosen = states.isel(sample=sample, channel=channel)
    if time is not None:
        chosen = chosen.isel(time=time)
    if "z" in chosen.dims:
        chosen = chosen.isel(z=chosen.sizes["z"] // 2)
    return chosen if "y" in chosen.dims else chosen.expand_dims(y=[0.0], axis=-1)


def _upright(plane: xr.DataArray) -> np.ndarray:
    return plane.transpose("y", "x").values


def _draw(axes: Axes, plane: xr.DataArray, limits: tuple[float, float]) -> AxesImage:
    x, y = plane.coords["x"], plane.coords["y"]
    half = [float(c.attrs.get("spacing", 1.0)) / 2 for c in (x, y)]
    edges = [(float(c[0]) - h, float(c[-1]) + h) for c, h in zip((x, y), half, strict=True)]
    image: AxesImage = axes.imshow(
        _upright(plane),
        origin="lower",
        extent=(*edges[0], *edges[1]),
        vmin=limits[0],
        vmax=limits[1],
        cmap="RdBu_r" if limits[0] == -limits[1] else "viridis",
        aspect="equal" if len(y) > 1 else "auto",
    )
    unit = x.attrs.get("units", "")
    axes.set(xlabel=f"x ({unit})", ylabel=f"y ({unit})")
    return image


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Symmetric about zero where values of both signs are; the strongest are clipped."""
    low, high = np.percentile(values, [100 - PERCENTILE, PERCENTILE])
    if low < 0 < high:
        high = max(-low, high)
        low = -high
    return float(low), float(high) if high > low else float(low) + 1.0


def _label(states: xr.DataArray, channel: int) -> str:
    return str(states.coords["channel"].values[channel])
