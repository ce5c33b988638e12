"""The table of all runs, and the page that shows it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from scionwood.authoring import atomic_path

HERE = Path(__file__).parent
CSV = HERE.parent / "results" / "methods.csv"
PAGE = HERE.parents[1] / "docs" / "study.md"
FIGURE = PAGE.parent / "figures" / "methods_plane.png"
MARK = re.compile(r"(<!-- study: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
METRICS = {
    "mesh": ("relative RMSE", "relative RMSE", False),
    "field": ("vrmse", "VRMSE", False),
}
"""For each task: the key of its score, the score's name, and whether higher is better."""
UNTOUCHED = "frozen/untouched"
SHOWN = ("score", "forgetting", "trained", "peak", "step_over_lora", "lr", "error")
Row = dict[str, Any]


def merge(rows: Sequence[Row], path: Path = CSV) -> None:
    """Write rows into the table, in place of former rows of the same experiments.

    Args:
        rows: of whole experiments, one row for each seed.
        path: the table; it is created if it does not exist.
    """
    new = {experiment(row) for row in rows}
    kept = [row for row in read(path) if experiment(row) not in new] if path.exists() else []
    table = sorted([*kept, *rows], key=lambda row: (*experiment(row), str(row["seed"])))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def experiment(row: Row) -> tuple[str, str, str]:
    """Return task, method and variant of a row."""
    return row["task"], row["method"], row["name"]


def write_page() -> None:
    """Write the tables of the page."""
    PAGE.write_text(fill(PAGE.read_text("utf-8"), read()), encoding="utf-8")


def read(path: Path = CSV) -> list[Row]:
    """Return the rows of a table, every value a string."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fill(text: str, rows: Sequence[Row]) -> str:
    """Return a page with every table made again."""
    made = {task: partial(scores, rows, task) for task in METRICS}
    made |= {"refused": partial(refused, rows), "costs": partial(costs, rows)}
    return MARK.sub(lambda mark: mark[1] + made[mark[2]]() + mark[3], text)


def scores(rows: Sequence[Row], task: str) -> str:
    """Return the table of scores and forgetting of a task, the best score first."""
    _, metric, higher = METRICS[task]
    groups = measured(rows, task)
    front = pareto({n: g for n, g in groups.items() if n != UNTOUCHED}, higher)
    digits = 3 if any(average(g, "forgetting") > 0.1 for g in groups.values()) else 4
    lines = []
    for name, group in sorted(groups.items(), key=lambda g: average(g[1], "score"), reverse=higher):
        line = [
            f"**{name}**" if name in front else name,
            spread(group, "score"),
            spread(group, "forgetting", digits),
        ]
        count = average(group, "trained")
        line += [f"{count:,.0f}", f"{count / average(group, 'total'):.1%}", rate(group)]
        lines.append(line)
    head = ["experiment", metric, "forgetting", "trained", "share", "learning rate"]
    return table(head, lines)


def costs(rows: Sequence[Row]) -> str:
    """Return the table of bytes, memory and time of each method, by task."""
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
    """Return the table of experiments that cannot run, with the reasons."""
    lines = [
        [row["task"], f"{row['method']}/{row['name']}", row["error"].split(". ")[0]]
        for row in rows
        if row["status"] == "refused"
    ]
    return table(["task", "experiment", "reason"], lines)


def measured(rows: Iterable[Row], task: str) -> dict[str, list[Row]]:
    """Return the runs of a task by experiment, one for each seed."""
    groups: dict[str, list[Row]] = {}
    for each in rows:
        if each["task"] == task and each["status"] == "success":
            groups.setdefault(f"{each['method']}/{each['name']}", []).append(each)
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


def spread(group: Sequence[Row], key: str, digits: int = 3) -> str:
    """Return mean and standard deviation over seeds."""
    return f"{average(group, key):z.{digits}f} ± {deviation(group, key):.{digits}f}"


def deviation(group: Sequence[Row], key: str) -> float:
    """Return the standard deviation over seeds; 0 for one seed."""
    values = [float(row[key]) for row in group]
    return stdev(values) if len(values) > 1 else 0.0


def rate(group: Sequence[Row]) -> str:
    """Return the chosen learning rate, with a star at either end of its grid."""
    first = group[0]
    grid = [float(each) for each in first["grid"].split()]
    lr = float(first["lr"])
    return f"{lr:g}" + (" *" if len(grid) > 1 and lr in (grid[0], grid[-1]) else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
