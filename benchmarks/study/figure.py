"""The figure: score against examples, a panel for each task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from runner import save_figure

from study.settings import kind_of

PATH = Path(__file__).parents[2] / "docs" / "figures" / "study.png"
STYLES = {
    "raw": ("raw input, linear", "#999999", ":"),
    "untouched": ("untouched", "#999999", ":"),
    "regression": ("frozen, regression", "#7fb069", "--"),
    "ngram": ("frozen with n-grams", "#2d6a4f", "--"),
    "block_lda": ("frozen, block-wise LDA", "#2d6a4f", "--"),
    "lora": ("LoRA", "#2a6f97", "-"),
    "full": ("last blocks, all weights", "#d1495b", "-"),
    "lora_long": ("LoRA, five times the seconds", "#2a6f97", ":"),
    "full_long": ("last blocks, five times the seconds", "#d1495b", ":"),
    "lora_minute": ("LoRA, a minute", "#12355b", "-."),
    "full_minute": ("last blocks, a minute", "#8c1c2b", "-."),
    "pixels": ("random forest on filters", "#999999", "--"),
    "linear": ("frozen, linear head", "#2d6a4f", ":"),
    "unet": ("U-Net from scratch", "#e09f3e", "--"),
    "cnn": ("CNN from scratch", "#e09f3e", "-"),
}
UNITS = {"images": "balanced accuracy", "dense": "Dice", "text": "nats a token"}
TITLES = {
    "photos": "photographs, 12 classes",
    "mni": "brain slices, 9 classes",
    "pneumonia": "chest X-rays, 2 classes",
    "noise": "seismic noise, 10 classes",
    "lesions": "lesions in brain slices",
    "manual": "Python's manual",
    "licences": "licences",
}


def draw(summary: Sequence[dict[str, Any]], path: Path = PATH) -> None:
    """Draw the tasks that were measured; bars are 95 % intervals over draws and test items."""
    tasks = [task for task in TITLES if any(row["task"] == task for row in summary)]
    figure = Figure(figsize=(11, 3.2 * ((len(tasks) + 2) // 3)), layout="constrained")
    panels = figure.subplots((len(tasks) + 2) // 3, 3, squeeze=False).flat
    handles: dict[str, Any] = {}
    for task, axes in zip(tasks, panels, strict=False):
        _panel(axes, [r for r in summary if (r["task"], r["base"]) == (task, "real")], handles)
        axes.set(title=TITLES[task], xlabel="examples", xscale="log")
        axes.xaxis.set_major_locator(LogLocator(4))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylabel(UNITS[kind_of(task)])
        axes.grid(alpha=0.25)
    for axes in list(figure.axes)[len(tasks) :]:
        axes.set_visible(False)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)


def _panel(axes: Axes, rows: Sequence[dict[str, Any]], handles: dict[str, Any]) -> None:
    for method, (label, colour, line) in STYLES.items():
        line_rows = sorted((r for r in rows if r["method"] == method), key=lambda r: int(r["n"]))
        if not line_rows:
            continue
        x, y = [int(r["n"]) for r in line_rows], [float(r["score"]) for r in line_rows]
        sides = [
            [value - float(r["low"]) for value, r in zip(y, line_rows, strict=True)],
            [float(r["high"]) - value for value, r in zip(y, line_rows, strict=True)],
        ]
        bars = axes.errorbar(x, y, sides, color=colour, ls=line, marker="o", ms=3, lw=1.2)
        handles.setdefault(label, bars)
