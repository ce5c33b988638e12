"""The CSV of all runs, and the page and the figure made of it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scionwood import atomic_path

HERE = Path(__file__).parent
CSV = HERE.parent / "results" / "methods.csv"
PAGE = HERE.parents[1] / "docs" / "study.md"
FIGURE = PAGE.parent / "figures" / "methods_plane.png"
MARK = re.compile(r"(<!-- study: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
METRICS = {
    "vision": ("test accuracy", "accuracy", True),
    "mesh": ("test relative RMSE", "relative RMSE", False),
    "field": ("test vrmse", "VRMSE", False),
    "language": ("test loss", "nats a character", False),
}
"""Of each task: the score's key, its name, and whether higher is better."""
UNTOUCHED = "frozen/untouched"
SHOWN = ("score", "forgetting", "trained", "peak", "step_over_lora", "lr", "error")
Row = dict[str, Any]


def row(record: dict[str, Any]) -> Row:
    """One run as a line of the CSV; what was not measured is empty."""
    run, train, meta = record["run_info"], record["train_info"], record["meta_info"]
    task, method, name = run["experiment_name"].split("/")
    found = (train["metrics"] or [{}])[-1]
    before = meta["model_info"]["base"]
    key, metric, _ = METRICS[task]
    line = {
        "task": task,
        "method": method,
        "name": name,
        "seed": run["train_config"]["seed"] if found else "",
        "status": train["status"],
        "metric": metric,
        "score": found.get(key),
        "score_before": before["new"][key.removeprefix("test ")],
        "forgetting": found.get("forgetting"),
        "base_loss_before": before["base"]["loss"],
        "base_loss": found.get("base loss"),
        "base_accuracy_before": before["base"].get("accuracy"),
        "base_accuracy": found.get("base accuracy"),
        "trained": train["num_trainable_params"],
        "total": train["num_total_params"],
        "file_size": train["file_size"],
        "peak": train["memory_max"],
        "between_steps": train["memory_between_steps"],
        **{k: train[k] for k in ("step_ms", "step_over_lora", "step_ci_low", "step_ci_high")},
        "train_time": train["train_time"],
        "steps": found.get("step"),
        "lr": run["train_config"]["lr"],
        "grid": " ".join(f"{lr:g}" for lr in run["train_config"]["lr_grid"]),
        "error": run["error_msg"],
        **meta["package_info"],
        "python": meta["system_info"]["python"],
        "machine": meta["system_info"]["processor"],
        "date": run["created_at"][:10],
    }
    return {k: _plain(value) for k, value in line.items()}


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def collect(results: Path) -> list[Row]:
    """All runs, in the order of the experiments."""
    return [row(json.loads(path.read_text("utf-8"))) for path in sorted(results.glob("*.json"))]


def write(rows: Sequence[Row]) -> None:
    """The CSV, and the tables of the page."""
    with atomic_path(CSV) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    PAGE.write_text(fill(PAGE.read_text("utf-8"), read()), encoding="utf-8")


def read() -> list[Row]:
    """The CSV, every value a string."""
    with CSV.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fill(text: str, rows: Sequence[Row]) -> str:
    """A page with every table made anew."""
    made = {task: partial(scores, rows, task) for task in METRICS}
    made |= {"refused": partial(refused, rows), "costs": partial(costs, rows)}
    return MARK.sub(lambda found: found[1] + made[found[2]]() + found[3], text)


def scores(rows: Sequence[Row], task: str) -> str:
    """What each experiment of a task reaches and forgets, the best score first."""
    _, metric, higher = METRICS[task]
    groups = measured(rows, task)
    front = pareto({n: g for n, g in groups.items() if n != UNTOUCHED}, higher)
    with_accuracy = any(row["base_accuracy"] for group in groups.values() for row in group)
    digits = 3 if any(average(g, "forgetting") > 0.1 for g in groups.values()) else 4
    lines = []
    for name, group in sorted(groups.items(), key=lambda g: average(g[1], "score"), reverse=higher):
        line = [
            f"**{name}**" if name in front else name,
            spread(group, "score"),
            spread(group, "forgetting", digits),
        ]
        line += [spread(group, "base_accuracy")] if with_accuracy else []
        count = average(group, "trained")
        line += [f"{count:,.0f}", f"{count / average(group, 'total'):.1%}", rate(group)]
        lines.append(line)
    head = ["experiment", metric, "forgetting"]
    head += ["base accuracy"] if with_accuracy else []
    return table([*head, "trained", "share", "learning rate"], lines)


def costs(rows: Sequence[Row]) -> str:
    """Bytes, memory, and time of a step of each method, by task."""
    lines = []
    for task in METRICS:
        for name, group in measured(rows, task).items():
            first = group[0]
            if not first["peak"]:
                continue
            low, high = float(first["step_ci_low"]), float(first["step_ci_high"])
            lines.append(
                [
                    task,
                    name,
                    f"{average(group, 'file_size') / 1024:,.1f}",
                    f"{float(first['peak']) / 2**20:.1f}",
                    f"{float(first['step_ms']):.1f}",
                    f"{float(first['step_over_lora']):.2f} ({low:.2f} to {high:.2f})",
                    f"{average(group, 'train_time'):.1f}",
                ]
            )
    head = ["task", "experiment", "file, KiB", "peak, MiB", "step, ms", "step over LoRA's"]
    return table([*head, "training, s"], lines)


def refused(rows: Sequence[Row]) -> str:
    """What does not run, and why."""
    lines = [
        [row["task"], f"{row['method']}/{row['name']}", row["error"].split(". ")[0]]
        for row in rows
        if row["status"] == "refused"
    ]
    return table(["task", "experiment", "reason"], lines)


def measured(rows: Iterable[Row], task: str) -> dict[str, list[Row]]:
    """The runs of a task by experiment, one for each seed."""
    groups: dict[str, list[Row]] = {}
    for each in rows:
        if each["task"] == task and each["status"] == "success":
            groups.setdefault(f"{each['method']}/{each['name']}", []).append(each)
    return groups


def pareto(groups: Mapping[str, Sequence[Row]], higher: bool) -> set[str]:
    """The experiments that no other one beats in both score and forgetting, by their means."""
    sign = -1 if higher else 1
    points = {n: (sign * average(g, "score"), average(g, "forgetting")) for n, g in groups.items()}

    def beaten(point: tuple[float, float]) -> bool:
        return any(p[0] <= point[0] and p[1] <= point[1] and p != point for p in points.values())

    return {name for name, point in points.items() if not beaten(point)}


def average(group: Sequence[Row], key: str) -> float:
    return mean(float(row[key]) for row in group)


def spread(group: Sequence[Row], key: str, digits: int = 3) -> str:
    """Mean and standard deviation over seeds."""
    return f"{average(group, key):z.{digits}f} ± {deviation(group, key):.{digits}f}"


def deviation(group: Sequence[Row], key: str) -> float:
    """The standard deviation over seeds; 0 of one seed."""
    values = [float(row[key]) for row in group]
    return stdev(values) if len(values) > 1 else 0.0


def rate(group: Sequence[Row]) -> str:
    """The chosen learning rate, with a star where it is the first or last of its grid."""
    first = group[0]
    grid = [float(each) for each in first["grid"].split()]
    lr = float(first["lr"])
    return f"{lr:g}" + (" *" if len(grid) > 1 and lr in (grid[0], grid[-1]) else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
