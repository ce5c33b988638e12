"""Figures of states and of the errors of predictions, with all channels in their own units."""

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

from scionwood.authoring import atomic_path, figure_style
from scionwood_pde.evaluation.metrics import WINDOWS

DASHES = ("-", "--", ":", "-.")
PERCENTILE = 99.5
FAINTEST = 1e-10
"""Smallest shown value of a spectrum, relative to its largest; below it single precision rounds."""

SMALLEST = 1e-12
"""Smallest half-width of a colour scale, so that it is never empty."""


@figure_style()
def slices(states: Mapping[str, xr.DataArray], *, sample: int = 0, time: int = -1) -> Figure:
    """Draw the middle plane of each channel, with a row for each source.

    Args:
        states: states by title, with the channels and axes of the first, whose colour scale is
            used. With two sources, a third row shows the second minus the first, in its own scale.
        sample: index of the sample.
        time: index of the time, by default the last.

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


@figure_style()
def spectra(
    wavenumbers: np.ndarray, power: Mapping[str, Mapping[str, np.ndarray]], *, unit: str = "L"
) -> Figure:
    """Draw spectra over wavenumbers, both on logarithmic axes, without the mean.

    Args:
        wavenumbers: (shell,), in radians over the unit of length.
        power: spectra (shell,) by field and label. The axis ends at `FAINTEST` of the largest
            value.
        unit: unit of length.

    Returns:
        The figure, with a panel for each field.
    """
    figure = Figure(figsize=(3.6 * len(power) + 0.8, 3.6), layout="constrained")
    row = figure.subplots(1, len(power), squeeze=False, sharey=True)[0]
    for axes, (field, lines) in zip(row, power.items(), strict=True):
        for i, (label, values) in enumerate(lines.items()):
            positive = np.where(values[1:] > 0, values[1:], np.nan)  # zero has no logarithm
            axes.loglog(wavenumbers[1:], positive, DASHES[i % len(DASHES)], label=label)
        axes.set(xlabel=f"wavenumber (rad/{unit})")
        axes.set_title(field, parse_math=False)
        axes.grid(alpha=0.3)
    top = max(values[1:].max() for lines in power.values() for values in lines.values())
    low, _ = row[0].get_ylim()
    row[0].set(ylabel="half the variance in a shell", ylim=(max(low, FAINTEST * top), None))
    row[0].legend()
    return figure


@figure_style()
def error_growth(
    errors: Mapping[str, np.ndarray],
    *,
    baselines: Mapping[str, np.ndarray] | None = None,
    measure: str = "VRMSE",
) -> Figure:
    """Draw an error over the steps of a rollout, with the reported horizons.

    Args:
        errors: errors (sample, step) by label, from the first predicted step. The mean over samples
            is drawn in front of the range.
        baselines: errors (step,) of baselines by label, drawn in grey.
        measure: name of the error. For VRMSE, a line at 1 marks the mean as prediction.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    count = max(values.shape[1] for values in errors.values())
    steps = np.arange(1, count + 1)
    for i, (label, values) in enumerate(errors.items()):
        dashes = DASHES[i % len(DASHES)]
        (line,) = axes.plot(steps, values.mean(0), dashes, label=label, marker=".")
        colour = line.get_color()
        axes.fill_between(steps, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
    for i, (label, values) in enumerate((baselines or {}).items()):
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


@figure_style()
def animate(
    states: Mapping[str, xr.DataArray],
    target: str | Path,
    *,
    channel: int = 0,
    sample: int = 0,
    fps: int = 8,
    notes: Sequence[str] = (),
    overwrite: bool = False,
) -> None:
    """Write the middle plane of a channel over time as a GIF, with the sources side by side.

    Args:
        states: states of equal times by title. With two sources, a third panel shows the second
            minus the first, in its own scale.
        target: the file, `.gif`.
        channel: index of the channel.
        sample: index of the sample.
        fps: frames per second.
        notes: a note for each time, shown next to it.
        overwrite: replace an existing file.

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
        bar = figure.colorbar(images[-1], ax=axes, extend="both", fraction=0.05)
        bar.set_label(str(first.coords["unit"].values[channel]), parse_math=False)
    times, unit = first.coords["time"].values, first.coords["time"].attrs["units"]

    def show(number: int) -> list[AxesImage]:
        for image, (plane, _) in zip(images, planes.values(), strict=True):
            image.set_array(_upright(plane.isel(time=number)))
        figure.suptitle(", ".join([f"time {times[number]:g} {unit}", *notes[number : number + 1]]))
        return images

    show(0)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # one layout for all frames: it takes half of the time
    with atomic_path(target, overwrite=overwrite) as part:
        film = FuncAnimation(figure, show, frames=len(times))
        film.save(part, writer=PillowWriter(fps=fps))


def _planes(
    states: Mapping[str, xr.DataArray], sample: int, time: int | None, channel: int
) -> dict[str, tuple[xr.DataArray, tuple[float, float]]]:
    """Return the plane and colour limits of each source and, for two, of their difference."""
    planes = {title: _plane(source, sample, time, channel) for title, source in states.items()}
    titles = list(planes)
    limits = _limits(planes[titles[0]].values)
    panels = {title: (plane, limits) for title, plane in planes.items()}
    if len(titles) == 2:
        first, second = planes.values()
        difference = first.copy(data=second.values - first.values)
        largest = max(float(np.percentile(np.abs(difference), PERCENTILE)), SMALLEST)
        panels[f"{titles[1]} - {titles[0]}"] = difference, (-largest, largest)
    return panels


def _plane(states: xr.DataArray, sample: int, time: int | None, channel: int) -> xr.DataArray:
    """Return the middle plane of the third axis; a line becomes a plane of one cell."""
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
    """Return limits that clip the largest values, symmetric if both signs occur."""
    low, high = np.percentile(values, [100 - PERCENTILE, PERCENTILE])
    if low < 0 < high:
        high = max(-low, high)
        low = -high
    return float(low), float(high) if high > low else float(low) + 1.0


def _label(states: xr.DataArray, channel: int) -> str:
    return str(states.coords["channel"].values[channel])
