"""The table of all runs, and the figure: the score of each method over its forgetting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from runner import RESULTS, Row, replace_rows, save_figure
from runner import read as read_rows

BOUNDS = ("full-finetuning", "head-only", "frozen")
PEFT = ("lora", "dora", "rslora", "hira", "oft", "ia3", "shira")
STYLES = {"bounds": ("#777777", "s"), "peft": ("#2a6f97", "o"), "methods": ("#d1495b", "^")}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw one panel for each task; better is up, and less forgetting is to the left."""
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    for axes, task in zip(figure.subplots(1, 2), METRICS, strict=True):
        _panel(axes, rows, task)
    figure.legend(*_legend(), loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)


def _panel(axes: Axes, rows: Sequence[Row], task: str) -> None:
    _, metric, higher = METRICS[task]
    groups = measured(rows, task)
    untouched = groups.pop(UNTOUCHED, None)
    points = {n: [average(g, k) for k in ("forgetting", "score")] for n, g in groups.items()}
    front = sorted(points[name] for name in pareto(groups, higher))
    axes.plot([x for x, _ in front], [y for _, y in front], color="#999999", lw=1, zorder=0)
    for name, (x, y) in points.items():
        color, marker = STYLES[kind(name)]
        errors = [deviation(groups[name], key) for key in ("forgetting", "score")]
        axes.errorbar(x, y, errors[1], errors[0], color=color, marker=marker, ms=5, lw=0.8)
        label = shortest(name, list(groups))
        axes.annotate(label, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7)
    if not higher:
        axes.invert_yaxis()
    base = f", {average(untouched, 'score'):.3f} untouched" if untouched else ""
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


CSV = RESULTS / "methods.csv"
FIGURE = RESULTS.parents[1] / "docs" / "figures" / "methods_plane.png"
METRICS = {
    "mesh": ("relative RMSE", "relative RMSE", False),
    "field": ("vrmse", "VRMSE", False),
}
"""For each task: the key of its score, the score's name, and whether higher is better."""
UNTOUCHED = "frozen/untouched"


def merge(rows: Sequence[Row], path: Path = CSV) -> None:
    """Write rows into the table, in place of former rows of the same experiments."""
    columns = list(rows[0])
    order = lambda row: (*experiment(row), str(row["seed"]))  # noqa: E731
    replace_rows(path, rows, ("task", "method", "name"), columns=columns, order=order)


def experiment(row: Row) -> tuple[str, str, str]:
    """Return task, method and variant of a row."""
    return row["task"], row["method"], row["name"]


def read(path: Path = CSV) -> list[Row]:
    """Return the rows of the table, every value a string."""
    return read_rows(path)


def measured(rows: Iterable[Row], task: str) -> dict[str, list[Row]]:
    """Return the runs of a task by experiment, one for each seed."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["task"] == task and row["status"] == "success":
            groups.setdefault(f"{row['method']}/{row['name']}", []).append(row)
    return groups


def pareto(groups: Mapping[str, Sequence[Row]], higher: bool) -> set[str]:
    """Return the experiments that no other one beats in both mean score and mean forgetting."""
    sign = -1 if higher else 1
    points = {n: (sign * average(g, "score"), average(g, "forgetting")) for n, g in groups.items()}

    def beaten(point: tuple[float, float]) -> bool:
        return any(p[0] <= point[0] and p[1] <= point[1] and p != point for p in points.values())

    return {name for name, point in points.items() if not beaten(point)}


def average(group: Sequence[Row], key: str) -> float:
    return mean(float(row[key]) for row in group)


def deviation(group: Sequence[Row], key: str) -> float:
    """Return the standard deviation over seeds; 0 for one seed."""
    values = [float(row[key]) for row in group]
    return stdev(values) if len(values) > 1 else 0.0
