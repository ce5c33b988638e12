"""Figures of states and of how far a prediction is from them; all channels in their own units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, MaxNLocator

from scionwood import atomic_path
from scionwood_pde.evaluation.metrics import WINDOWS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of lines, told apart by the colour blind too (Okabe and Ito)."""

DASHES = ("-", "--", ":", "-.")
PERCENTILE = 99.5
FAINTEST = 1e-10
"""Of the largest value of a spectrum: in single precision what is below it is rounding."""

SMALLEST = 1e-12
"""The least end of a scale of colours, which has a length."""


def slices(states: Mapping[str, xr.DataArray], *, sample: int = 0, time: int = -1) -> Figure:
    """The middle plane of each channel: a row a source, the colours those of the first one.

    Args:
        states: title -> states; all have the channels and axes of the first. Of two, a third row
            shows the second less the first, in colours of its own.
        sample: which one.
        time: which one, the last by default.

    Returns:
        The figure.
    """
    first = next(iter(states.values()))
    channels = first.sizes["channel"]
    rows = len(states) + (len(states) == 2)
    figure = Figure(figsize=(3.4 * channels + 0.6, 2.9 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, channels, squeeze=False, sharex=True, sharey=True)
    for column in range(channels):
        planes = _planes(states, sample, time, column)
        for row, (title, (plane, limits)) in enumerate(planes.items()):
            axes = grid[row, column]
            image = _draw(axes, plane, limits)
            axes.label_outer()
            axes.set_title(f"{_label(first, column)}, {title}", parse_math=False)
            bar = figure.colorbar(image, ax=axes, extend="both", fraction=0.05)
            bar.set_label(str(first.coords["unit"].values[column]), parse_math=False)
    when = f"time {first.coords['time'].values[time]:g} {first.coords['time'].attrs['units']}"
    place = ["middle of z"] if "z" in first.dims else []
    figure.suptitle(", ".join([f"sample {sample}", when, *place]))
    return figure


def spectra(
    wavenumbers: np.ndarray, power: Mapping[str, Mapping[str, np.ndarray]], *, unit: str = "L"
) -> Figure:
    """Spectra over wavenumbers, both logarithmic; the mean, which is no wave, is left out.

    Args:
        wavenumbers: (shell,), radians over the unit of length.
        power: field -> label -> (shell,); the axis ends at `FAINTEST` of a field's largest value.
        unit: of length.

    Returns:
        The figure, a panel a field.
    """
    figure = Figure(figsize=(3.6 * len(power) + 0.8, 3.6), layout="constrained")
    row = figure.subplots(1, len(power), squeeze=False, sharey=True)[0]
    for axes, (field, lines) in zip(row, power.items(), strict=True):
        for i, (label, values) in enumerate(lines.items()):
            shown = np.where(values[1:] > 0, values[1:], np.nan)  # no logarithm of nothing
            colour, dashes = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
            axes.loglog(wavenumbers[1:], shown, dashes, color=colour, label=label)
        axes.set(xlabel=f"wavenumber (rad/{unit})")
        axes.set_title(field, parse_math=False)
        axes.grid(alpha=0.3)
    top = max(values[1:].max() for lines in power.values() for values in lines.values())
    low, _ = row[0].get_ylim()
    row[0].set(ylabel="half the variance a shell", ylim=(max(low, FAINTEST * top), None))
    row[0].legend()
    return figure


def error_growth(
    errors: Mapping[str, np.ndarray],
    *,
    beside: Mapping[str, np.ndarray] | None = None,
    measure: str = "VRMSE",
) -> Figure:
    """An error over the steps of a rollout, with the horizons that are reported.

    Args:
        errors: label -> (sample, step), from the first predicted step: the mean over samples is
            drawn, and behind it the range.
        beside: label -> (step,) of what the prediction is compared with, in grey.
        measure: what is drawn; of VRMSE the line at 1 is the prediction of the mean.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    count = max(values.shape[1] for values in errors.values())
    steps = np.arange(1, count + 1)
    for i, (label, values) in enumerate(errors.items()):
        colour, dashes = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        axes.plot(steps, values.mean(0), dashes, color=colour, label=label, marker=".")
        axes.fill_between(steps, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
    for i, (label, values) in enumerate((beside or {}).items()):
        axes.plot(steps, values, DASHES[i % len(DASHES)], color="0.45", label=label)
    top = axes.get_xaxis_transform()
    for name, (first, last) in WINDOWS.items():
        if first < count:
            end = min(last, count) + 0.5
            axes.axvspan(first + 0.5, end, color="0.5", alpha=0.12, linewidth=0)
            axes.text((first + 0.5 + end) / 2, 1.01, name, transform=top, ha="center", size=8)
    if measure == "VRMSE":
        axes.axhline(1, color="0.3", linewidth=0.8)
    axes.set(xlabel="step", ylabel=measure, yscale="log")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper")
    return figure


def animate(
    states: Mapping[str, xr.DataArray],
    target: Path,
    *,
    channel: int = 0,
    sample: int = 0,
    fps: int = 8,
    notes: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Write the middle plane of a channel over time as a GIF, sources side by side.

    Args:
        states: title -> states of equal times; of two, a third panel shows the second less the
            first, in colours of its own.
        target: the file, `.gif`.
        channel: which one.
        sample: which one.
        fps: frames a second.
        notes: what is said of each time, beside it.
        overwrite: replace what is there.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
    """
    first = next(iter(states.values()))
    planes = _planes(states, sample, None, channel)
    figure = Figure(figsize=(3.4 * len(planes) + 0.4, 3.2), dpi=80, layout="constrained")
    row = figure.subplots(1, len(planes), squeeze=False, sharey=True)[0]
    images = []
    for axes, (title, (plane, limits)) in zip(row, planes.items(), strict=True):
        images.append(_draw(axes, plane.isel(time=0), limits))
        axes.label_outer()
        axes.set_title(f"{_label(first, channel)}, {title}", parse_math=False)
        figure.colorbar(images[-1], ax=axes, extend="both", fraction=0.05)
    times, unit = first.coords["time"].values, first.coords["time"].attrs["units"]

    def show(number: int) -> list[AxesImage]:
        for image, (plane, _) in zip(images, planes.values(), strict=True):
            image.set_array(_upright(plane.isel(time=number)))
        figure.suptitle(", ".join([f"time {times[number]:g} {unit}", *notes[number : number + 1]]))
        return images

    with atomic_path(Path(target), overwrite=overwrite) as part:
        film = FuncAnimation(figure, show, frames=len(times))
        film.save(part, writer=PillowWriter(fps=fps))


def _planes(
    states: Mapping[str, xr.DataArray], sample: int, time: int | None, channel: int
) -> dict[str, tuple[xr.DataArray, tuple[float, float]]]:
    """The plane of each source with its limits; and of two their difference."""
    planes = {title: _plane(source, sample, time, channel) for title, source in states.items()}
    titles = list(planes)
    limits = _limits(planes[titles[0]].values)
    found = {title: (plane, limits) for title, plane in planes.items()}
    if len(titles) == 2:
        first, second = planes.values()
        difference = first.copy(data=second.values - first.values)
        largest = max(float(np.percentile(np.abs(difference), PERCENTILE)), SMALLEST)
        found[f"{titles[1]} - {titles[0]}"] = difference, (-largest, largest)
    return found


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
