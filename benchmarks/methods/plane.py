"""The figure: the score of each method over its forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from runner import save_figure

from methods import report

BOUNDS = ("full-finetuning", "head-only", "frozen")
PEFT = ("lora", "dora", "rslora", "hira", "oft", "ia3", "shira")
STYLES = {"bounds": ("#777777", "s"), "peft": ("#2a6f97", "o"), "methods": ("#d1495b", "^")}


def draw(rows: Sequence[report.Row], path: Path) -> None:
    """Draw one panel for each task; better is up, and less forgetting is to the left."""
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    for axes, task in zip(figure.subplots(1, 2), report.METRICS, strict=True):
        _panel(axes, rows, task)
    figure.legend(*_legend(), loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)


def _panel(axes: Axes, rows: Sequence[report.Row], task: str) -> None:
    _, metric, higher = report.METRICS[task]
    groups = report.measured(rows, task)
    untouched = groups.pop(report.UNTOUCHED, None)
    points = {n: [report.average(g, k) for k in ("forgetting", "score")] for n, g in groups.items()}
    front = sorted(points[name] for name in report.pareto(groups, higher))
    axes.plot([x for x, _ in front], [y for _, y in front], color="#999999", lw=1, zorder=0)
    for name, (x, y) in points.items():
        color, marker = STYLES[kind(name)]
        errors = [report.deviation(groups[name], key) for key in ("forgetting", "score")]
        axes.errorbar(x, y, errors[1], errors[0], color=color, marker=marker, ms=5, lw=0.8)
        label = shortest(name, list(groups))
        axes.annotate(label, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
    if not higher:
        axes.invert_yaxis()
    base = f", {report.average(untouched, 'score'):.3f} untouched" if untouched else ""
    axes.set(
        title=f"{task}{base}", xlabel="forgetting (increase of the base's loss)", ylabel=metric
    )
    if min((x for x, _ in points.values()), default=0) > 0:
        axes.set_xscale("log")
    axes.grid(alpha=0.2)


def shortest(name: str, names: Sequence[str]) -> str:
    """Return the method, with the variant's first word if several variants are shown."""
    method, variant = name.split("/")
    alone = sum(other.startswith(f"{method}/") for other in names) == 1
    return method if alone else f"{method} {variant.split('-')[0]}"


def kind(name: str) -> str:
    """Return the origin of an experiment's method: bounds, peft or methods."""
    method = name.split("/")[0]
    return "bounds" if method in BOUNDS else "peft" if method in PEFT else "methods"


def _legend() -> Any:
    titles = {"bounds": "bounds", "peft": "peft's own", "methods": "scionwood-methods"}
    handles = [
        Line2D([], [], color=color, marker=marker, ls="", label=titles[name])
        for name, (color, marker) in STYLES.items()
    ]
    handles.append(Line2D([], [], color="#999999", lw=1, label="no other is better in both"))
    return handles, [str(handle.get_label()) for handle in handles]
