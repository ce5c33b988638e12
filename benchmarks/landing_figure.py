"""Draw the cards of the landing page: one field each, before and after.

    python benchmarks/landing_figure.py    # a minute on one core

Each card has two panels that can be read at a width of 220 pixels. The results are those of the
runs that ship, on data drawn here; the bars of biomed are from results/biomed.csv.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from audio.demonstration import morning
from bangla_fonts import family
from crash_figure import predicted, simulated
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pde_figure import reconstructed
from runner import option, parsed, read

from bangla_checker import check_text
from scionwood.authoring import atomic_path, figure_style
from scionwood_crash.evaluation.figures import draw_cells
from scionwood_seismic import DenoiseOptions, denoise_data
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "_static" / "cards"
BEFORE, AFTER = "#a63c00", "#00664b"


def panels(before: str, after: str) -> tuple[Figure, Any]:
    """Return a figure with two titled axes without frame."""
    figure = Figure(figsize=(4.4, 2.75), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, title, colour in zip(axes, (before, after), (BEFORE, AFTER), strict=True):
        axis.set_title(title, fontsize=18, color=colour)
        axis.set_axis_off()
    return figure, axes


def seismic() -> Figure:
    """A gather with ground roll, and the same gather denoised by the shipped run."""
    rng = np.random.default_rng(7)
    reference = draw_gather(rng, (128, 128), dt=0.002, dx=12.5)
    noisy = corrupt(rng, reference, "swell", 0.0, dt=0.002, dx=12.5)
    figure, axes = panels("noisy", "denoised")
    limit = 2.5 * float(reference.std())
    clean = denoise_data(noisy, DenoiseOptions(run="seismic/denoise", dt=0.002))
    for axis, image in zip(axes, (noisy, clean), strict=True):
        axis.imshow(image.T, cmap="gray", aspect="auto", vmin=-limit, vmax=limit)
    return figure


def crash() -> Figure:
    """A crash box before the impact, and as the shipped network predicts it after."""
    part = simulated()
    moved = predicted(part)[-1]
    figure = Figure(figsize=(4.4, 2.75), dpi=100)
    shapes = {"mesh": 0 * moved, "predicted crash": moved}
    scale = Normalize(0, float(np.linalg.norm(moved, axis=1).max()))
    points = np.concatenate([part.points + shape for shape in shapes.values()])
    bounds = points.min(0), points.max(0)
    for column, (name, shape) in enumerate(shapes.items()):
        axes: Any = figure.add_axes((0.5 * column, -0.02, 0.5, 0.9), projection="3d")
        lengths = np.linalg.norm(shape, axis=1)
        draw_cells(axes, part.points + shape, part.cells, lengths, scale, bounds)
        axes.set_axis_off()
        x, colour = 0.25 + 0.5 * column, (BEFORE, AFTER)[column]
        figure.text(x, 0.97, name, fontsize=18, color=colour, ha="center", va="top")
    return figure


def pde() -> Figure:
    """A turbulent flow, and the flow decoded from 32 times fewer numbers."""
    states, decoded = reconstructed(64)
    figure, axes = panels("3D flow", "from 32x less")
    images = [np.asarray(item)[0, -1, 1, :, :, 32] for item in (states, decoded)]
    limit = float(np.abs(images[0]).max())
    for axis, image in zip(axes, images, strict=True):
        axis.imshow(image.T, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower", aspect="auto")
    return figure


def biomed() -> Figure:
    """Accuracy when a user words the classes otherwise: LoRA, and LoRA with anchors."""

    rows = [row for row in read("biomed") if row["part"] == "few-shot"]
    figure = Figure(figsize=(4.4, 2.75), dpi=100, layout="constrained")
    axis = figure.subplots()
    for place, (method, colour) in enumerate(
        {"single_template": BEFORE, "single_template_kept": AFTER}.items()
    ):
        chosen = [row for row in rows if row["method"] == method and row["shots"] == "8"]
        height = mean(float(row["wording_worst"]) for row in chosen)
        axis.bar(place, height, 0.6, color=colour)
        axis.text(place, height + 0.02, f"{height:.2f}", ha="center", fontsize=18, color=colour)
    axis.set_xticks((0, 1), ("LoRA", "with anchors"), fontsize=18)
    axis.set_title("accuracy, other wording", fontsize=18)
    axis.set(ylim=(0, 0.78), yticks=())
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


def bangla() -> Figure:
    """A sentence with a wrong honorific level, and the sentence as the checker corrects it."""
    words = ["তোমার", "সাহায্য", "পেলে", "উপকার", "হবে।"]
    fault = check_text("আপনি ভালো আছেন? " + " ".join(words), ["apni"]).faults[0]
    lines = {"written": (fault.word, BEFORE), "checked": (fault.suggestions[0], AFTER)}
    figure = Figure(figsize=(4.4, 2.75), dpi=100)
    for row, (title, (word, colour)) in enumerate(lines.items()):
        y = 0.97 - 0.48 * row
        figure.text(0.04, y, title, fontsize=18, color=colour, va="top")
        first = figure.text(0.04, y - 0.17, word, fontsize=32, color=colour, va="top")
        right = first.get_window_extent().x1 / figure.bbox.width
        figure.text(right + 0.03, y - 0.17, " ".join(words[1:3]), fontsize=32, va="top")
    return figure


def audio() -> Figure:
    """Half a minute of a made recording: one marked song, and all songs as they were made."""
    samples, songs = morning(24.0, 5, 22.0, np.random.default_rng(4))
    figure = Figure(figsize=(4.4, 2.75), dpi=100, layout="constrained")
    rows = figure.subplots(2, 1)
    for axis, title, colour, boxes in zip(
        rows,
        ("one marked song", "its other songs"),
        (BEFORE, AFTER),
        (songs[:1], songs),
        strict=True,
    ):
        axis.specgram(samples, NFFT=512, Fs=32_000, noverlap=256, cmap="Greys", vmin=-105)
        axis.set(ylim=(500, 9000))
        axis.set_title(title, fontsize=18, color=colour, pad=2)
        axis.set_axis_off()
        for song in boxes:
            low, high = song.low or 0.0, song.high or 0.0
            corner, size = (song.start, low), (song.end - song.start, high - low)
            axis.add_patch(Rectangle(corner, *size, fill=False, color=colour, linewidth=2.5))
    return figure


CARDS: dict[str, Callable[[], Figure]] = {
    "seismic": seismic,
    "crash": crash,
    "pde": pde,
    "biomed": biomed,
    "bangla": bangla,
    "audio": audio,
}


def main() -> None:
    options = parsed(__doc__, option("names", nargs="*", default=list(CARDS)))
    TARGET.mkdir(parents=True, exist_ok=True)
    fonts = [name for name in (family(), "DejaVu Sans") if name]
    for name in options.names:
        with (
            figure_style(),
            rc_context({"font.family": fonts}),
            atomic_path(TARGET / f"{name}.png") as part,
        ):
            CARDS[name]().savefig(part, format="png", metadata={"Software": None})
        print(TARGET / f"{name}.png")


if __name__ == "__main__":
    main()
