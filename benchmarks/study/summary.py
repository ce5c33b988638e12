"""Means over draws, intervals over draws and test items, and differences from two references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from runner import Row, save_figure
from scipy.stats import spearmanr

from study import rows
from study.settings import kind_of, registered

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


SAMPLES = 2000
CONTROLS = (("untrained", "untrained"), ("lora", "lora"))
COLUMNS = (
    *("task", "base", "method", "n", "draws", "score", "low", "high", "reference"),
    *("less_frozen", "less_frozen_low", "less_frozen_high"),
    *("less_untrained", "less_untrained_low", "less_untrained_high"),
    *("less_lora", "less_lora_low", "less_lora_high"),
    *("value", "readout", "steps", "seconds", "trained", "stored"),
    *("forgetting", "forgetting_low", "forgetting_high", "margin", "drift"),
)
FROZEN = (
    "raw",
    "class_mean",
    "regression",
    "last_lda",
    "block_lda",
    "untouched",
    "ngram",
    "pixels",
    "linear",
)
"""Methods that may be the best frozen one; `untrained` is a control."""
Group = tuple[str, str, str, int]


def write(results: Path) -> list[Row]:
    """Write study_summary.csv from study.csv and study_rates.csv, and return its rows."""
    table = rows.read(results / "study.csv")
    groups: dict[Group, dict[int, dict[str, str]]] = {}
    for row in table:
        run = rows.key(row)
        if row["settings"] == run.settings:
            groups.setdefault(run[:4], {})[run.draw] = row
    best = references(rows.read(results / "study_rates.csv"))
    summaries = [_summary(place, groups, best) for place in groups]
    summaries += list(correlations(table))
    rows.write(results / "study_summary.csv", summaries, COLUMNS)
    return summaries


def references(rates: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return the best frozen method of each task by its validation score; ties take the first."""
    texts = registered()["text"]["tasks"]
    best: dict[str, tuple[float, str]] = {}
    for row in sorted(
        rates, key=lambda r: FROZEN.index(r["method"]) if r["method"] in FROZEN else 99
    ):
        if row["method"] not in FROZEN:
            continue
        score = float(row["valid"]) * (-1 if row["task"] in texts else 1)
        if row["task"] not in best or score > best[row["task"]][0]:
            best[row["task"]] = score, row["method"]
    return {task: method for task, (_, method) in best.items()}


def _summary(
    place: Group, groups: dict[Group, dict[int, dict[str, str]]], best: dict[str, str]
) -> Row:
    task, base, method, n = place
    runs = groups[place]
    values = {draw: rows.items(row["items"]) for draw, row in runs.items()}
    row: Row = {"task": task, "base": base, "method": method, "n": n, "draws": len(runs)}
    row |= dict(zip(("score", "low", "high"), interval(list(values.values())), strict=True))
    row["reference"] = best.get(task, "")
    for name, other in (("frozen", best.get(task, "")), *CONTROLS):
        if other == "untrained" and kind_of(task) == "dense":
            other = "linear"  # the features of the encoder as they are
        against = groups.get((task, "real", other, n), {})
        shared = sorted(runs.keys() & against.keys())
        if shared and (method, base) != (other, "real"):
            gaps = [values[d] - rows.items(against[d]["items"]) for d in shared]
            keys = (f"less_{name}", f"less_{name}_low", f"less_{name}_high")
            row |= dict(zip(keys, interval(gaps), strict=True))
    first = next(iter(runs.values()))
    row |= {name: first[name] for name in ("value", "readout", "trained", "stored")}
    for name in ("steps", "seconds", "margin", "drift"):
        row[name] = _mean(runs.values(), name)
    lost = [float(r["forgetting"]) for r in runs.values() if r["forgetting"]]
    if lost:
        row |= {"forgetting": _round(mean(lost)), "forgetting_low": min(lost)}
        row["forgetting_high"] = max(lost)
    return row


def interval(values: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval over draws and items, both drawn with replacement.

    Args:
        values: for each draw the score of each test item, or the difference of two runs.
    """
    table, rng = np.stack(values), np.random.default_rng(0)
    draws = rng.integers(0, len(table), (SAMPLES, len(table)))
    items = rng.integers(0, table.shape[1], (SAMPLES, table.shape[1]))
    means = [table[d].mean(0)[i].mean() for d, i in zip(draws, items, strict=True)]
    low, high = np.quantile(means, (0.025, 0.975))
    return _round(float(table.mean())), _round(float(low)), _round(float(high))


def correlations(table: Sequence[dict[str, str]]) -> list[Row]:
    """Return how well margin and drift rank the forgetting of the diagnosed runs."""
    texts = registered()["text"]["tasks"]
    ranks = []
    for kind in ("images", "text"):
        runs = [
            r
            for r in table
            if (r["task"] in texts) == (kind == "text") and r["margin"] and r["forgetting"]
        ]
        if len(runs) < 8:
            continue
        lost = [float(r["forgetting"]) for r in runs]
        for name in ("margin", "drift"):
            value = float(spearmanr([float(r[name]) for r in runs], lost).statistic)
            ranks.append(
                {"task": kind, "base": "real", "method": f"correlation of {name}", "n": len(runs)}
                | {"draws": len(runs), "score": _round(value)}
            )
    return ranks


def _mean(runs: Any, name: str) -> Any:
    values = [float(r[name]) for r in runs if r[name]]
    return _round(mean(values)) if values else ""


def _round(value: float) -> float:
    return float(f"{value:.5g}")
