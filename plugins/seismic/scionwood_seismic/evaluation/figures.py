"""Figures of gathers: time runs downwards, traces across, and all panels have one gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import AxesImage

from scionwood.authoring import figure_style
from scionwood_seismic.data.normalise import live
from scionwood_seismic.evaluation.panels import (
    LIMIT,
    PERCENTILE,
    SPECTRUM,
    Geometry,
    Result,
    clip,
    fk,
    mean_spectrum,
    thin,
    thinned,
)
from scionwood_seismic.inference.gate import Returned

WIGGLES = 60
"""In gathers with fewer traces, each trace is also drawn as a line."""

LINES = {"input": ("#aaaaaa", "-"), "denoised": ("#0072B2", "-"), "removed": ("#D55E00", "--")}
"""Colours and line styles of the spectra (Okabe and Ito), distinct for colour-blind readers too."""


@figure_style()
def draw_panels(gathers: Mapping[str, np.ndarray], *, dt: float | None = None) -> Figure:
    """Draw gathers side by side with the gain of the first, whose dead traces are grey in all.

    Args:
        gathers: title -> (trace, time).
        dt: the sample interval, s; if None, the time axis counts samples.
    """
    figure = Figure(figsize=(3.2 * len(gathers) + 0.6, 4.2), layout="constrained")
    _row(figure, gathers, Geometry(dt))
    note = thinned(next(iter(gathers.values())).shape)
    if note:
        figure.suptitle(note, fontsize="small")
    return figure


@figure_style()
def draw_qc_sheet(
    result: Result,
    similarity: np.ndarray,
    numbers: Mapping[str, str],
    places: Sequence[Returned] = (),
    *,
    title: str = "",
    footer: str = "",
) -> Figure:
    """Draw the QC sheet of a gather: panels, spectra, similarity, kept amplitude, measures.

    In gathers of more than `LIMIT` traces or samples, the strongest sample of each block is drawn,
    so that no burst disappears. The title then contains a note.

    Args:
        result: the gather, with at least one live trace.
        similarity: (trace, time), local similarity of denoised and removed; NaN in dead traces.
        numbers: label -> value, written beside the figures.
        places: what came back of the events of the harm gate, and where; none were added if empty.
        title: the name of the gather, any text.
        footer: the origin of the gather, any text.
    """
    figure = Figure(figsize=(15, 12.5), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=(1.25, 1, 1))
    rows = [figure.add_subfigure(grid[i]) for i in range(3)]
    _row(rows[0], result.panels(), result.geometry)
    _fk_row(rows[1], result)
    last = rows[2].subplots(1, 4 if places else 3)
    spectra, leak, table = last[0], last[1], last[-1]
    _spectra(spectra, result)
    _similarity(leak, similarity, result.geometry)
    if places:
        _draw_returned(last[2], places, result)
    _numbers(table, numbers)
    note = thinned(result.noisy.shape)
    heading = f"{title}\n{note}" if title and note else title + note
    figure.suptitle(_wrapped(heading, 130), parse_math=False)  # a file name may contain a $
    small = _wrapped(footer, 220)
    figure.supxlabel(small, x=0.01, ha="left", fontsize=8, color="0.35", parse_math=False)
    return figure


def _row(figure: Figure | SubFigure, gathers: Mapping[str, np.ndarray], geometry: Geometry) -> None:
    first = next(iter(gathers.values()))
    alive = live(first)
    gain = clip(first[alive])
    row = figure.subplots(1, len(gathers), squeeze=False)[0]
    for i, (title, data) in enumerate(gathers.items()):
        image = _gather(row[i], np.where(alive[:, None], data, np.nan), gain, geometry)
        row[i].set(title=title, xlabel="trace", ylabel="" if i else geometry.down)
    bar = figure.colorbar(image, ax=list(row), extend="both", pad=0.01)
    unit = f" ({geometry.unit})" if geometry.unit else ""
    bar.set_label(f"amplitude{unit}, clip: {PERCENTILE}th percentile of input", parse_math=False)


def _gather(axes: Axes, data: np.ndarray, gain: float, geometry: Geometry) -> AxesImage:
    traces = data.shape[0]
    image_data = np.ma.masked_invalid(thin(data, LIMIT))
    image = axes.imshow(
        image_data.T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-gain,
        vmax=gain,
        extent=_extent(data, geometry),
        interpolation_stage="data",  # otherwise red and blue mix to a purple outside the colour map
    )
    axes.set_facecolor("0.65")  # shows through the transparent dead traces
    if traces < WIGGLES:
        _, _, bottom, top = image.get_extent()
        down = top + (bottom - top) * (np.arange(image_data.shape[1]) + 0.5) / image_data.shape[1]
        for i, trace in enumerate(image_data):
            line = i + 1 + 0.5 * np.clip(trace / gain, -1, 1)
            axes.plot(line, down, color="black", linewidth=0.4, alpha=0.6)
        axes.autoscale(False)
    return image


def _extent(data: np.ndarray, geometry: Geometry) -> tuple[float, float, float, float]:
    """Return the extent of an image whose traces, from 1, and samples are cell centres."""
    step = geometry.dt or 1.0
    top = geometry.start - step / 2
    return 0.5, data.shape[0] + 0.5, top + step * data.shape[1], top


def _fk_row(figure: SubFigure, result: Result) -> None:
    """Draw the f-k spectra of input, denoised and removed, in dB below the maximum of the input."""
    geometry = result.geometry
    alive = live(result.noisy)
    names = ("input", "denoised", "removed")
    panels = result.panels()
    spectra = [fk(np.where(alive[:, None], panels[name], 0)) for name in names]
    top = float(spectra[0].max()) or 1.0
    decibels = [20 * np.log10(np.maximum(s / top, 1e-8)) for s in spectra]
    floor = float(np.clip(np.quantile(decibels[0], 0.05), -100, -30))
    widest, highest = 0.5 / (geometry.dx or 1), 0.5 / (geometry.dt or 1)
    row = figure.subplots(1, 3)
    cut = ", middle part" if max(result.noisy.shape) > SPECTRUM else ""
    for i, (name, values) in enumerate(zip(names, decibels, strict=True)):
        image = row[i].imshow(
            thin(values, 600).T,
            aspect="auto",
            origin="lower",
            cmap="viridis",
            vmin=floor,
            vmax=0,
            extent=(-widest, widest, 0, highest),
        )
        unit = "cycles/m" if geometry.dx else "cycles/trace"
        row[i].set(title=f"f-k, {name}{cut}", xlabel=f"wavenumber ({unit})")
        row[i].set_ylabel("" if i else geometry.rate)
    figure.colorbar(image, ax=list(row), pad=0.01, extend="min").set_label(
        "dB below input's maximum"
    )


def _spectra(axes: Axes, result: Result) -> None:
    alive = live(result.noisy)
    panels = result.panels()
    means = {name: mean_spectrum(panels[name][alive]) for name in LINES}
    top = float(means["input"].max()) or 1.0
    frequency = np.fft.rfftfreq(result.noisy.shape[1], result.geometry.dt or 1.0)
    for name, (colour, dashes) in LINES.items():
        decibels = 20 * np.log10(np.maximum(means[name] / top, 1e-6))
        width = 4 if name == "input" else 1.3  # a wide line stays visible below another one
        axes.plot(frequency, decibels, dashes, color=colour, linewidth=width, label=name)
    axes.set(title="mean amplitude spectrum", xlabel=result.geometry.rate)
    axes.set(ylabel="amplitude (dB below the largest of the input)")
    axes.set_xlim(0, frequency[-1] or 1)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], -100))
    axes.grid(alpha=0.3)
    axes.legend()


def _similarity(axes: Axes, similarity: np.ndarray, geometry: Geometry) -> None:
    image = axes.imshow(
        np.ma.masked_invalid(thin(similarity, LIMIT)).T,
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=1,
        extent=_extent(similarity, geometry),
    )
    axes.set_facecolor("0.65")
    mean = float(np.nanmean(similarity))
    axes.set(title=f"local similarity of denoised and removed, mean {mean:.3f}")
    axes.set(xlabel="trace", ylabel=geometry.down)
    axes.figure.colorbar(image, ax=axes, label="local similarity (0 to 1)")


def _draw_returned(axes: Axes, places: Sequence[Returned], result: Result) -> None:
    """Draw the amplitude that came back of each event, in the middle of its energy."""
    left, right, bottom, top = _extent(result.noisy, result.geometry)
    for level, size in (("strong", 90), ("weak", 25)):
        shown_places = [place for place in places if place.kind.startswith(level)]
        points = axes.scatter(
            [place.trace + 1 for place in shown_places],
            [top + (result.geometry.dt or 1.0) * (place.sample + 0.5) for place in shown_places],
            c=[place.amplitude for place in shown_places],
            s=size,
            cmap="cividis",
            vmin=0,
            vmax=1,
            edgecolors="black",
            linewidths=0.4,
        )
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="trace", ylabel=result.geometry.down)
    axes.set(title="kept amplitude of added events\n(large: strong, small: weak)")
    axes.figure.colorbar(points, ax=axes, label="kept amplitude (0 to 1)", extend="both")


def _numbers(axes: Axes, numbers: Mapping[str, str]) -> None:
    axes.axis("off")
    for i, (label, value) in enumerate(numbers.items()):
        height = 0.97 - 0.95 * i / max(12, len(numbers))
        axes.text(0.04, height, label, va="top", fontsize=10, parse_math=False)
        axes.text(0.98, height, value, va="top", ha="right", fontsize=10, parse_math=False)


def _wrapped(text: str, width: int) -> str:
    """Wrap a text; a character that the font lacks becomes a question mark."""
    glyphs = get_font(findfont(FontProperties())).get_charmap()
    lines = [part for line in text.splitlines() for part in wrap(line, width)]
    return "\n".join("".join(c if ord(c) in glyphs else "?" for c in line) for line in lines)
