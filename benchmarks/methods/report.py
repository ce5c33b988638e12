"""The table of all runs, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, stdev

from runner import Row, replace_rows
from runner import read as read_rows

FOLDER = Path(__file__).parent
CSV = FOLDER.parent / "results" / "methods.csv"
PAGE = FOLDER.parents[1] / "docs" / "study.md"
FIGURE = PAGE.parent / "figures" / "methods_plane.png"
MARK = re.compile(r"(<!-- study: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
METRICS = {
    "mesh": ("relative RMSE", "relative RMSE", False),
    "field": ("vrmse", "VRMSE", False),
}
"""For each task: the key of its score, the score's name, and whether higher is better."""
UNTOUCHED = "frozen/untouched"
PRINTED = ("score", "forgetting", "trained", "peak", "step_over_lora", "lr", "error")


def merge(rows: Sequence[Row], path: Path = CSV) -> None:
    """Write rows into the table, in place of former rows of the same experiments.

    Args:
        rows: of whole experiments, one row for each seed.
        path: the table; it is created if it does not exist.
    """
    columns = list(rows[0])
    order = lambda row: (*experiment(row), str(row["seed"]))  # noqa: E731
    replace_rows(path, rows, ("task", "method", "name"), columns=columns, order=order)


def experiment(row: Row) -> tuple[str, str, str]:
    """Return task, method and variant of a row."""
    return row["task"], row["method"], row["name"]


def read(path: Path = CSV) -> list[Row]:
    """Return the rows of the table, every value a string."""
    return read_rows(path)


def write_page() -> None:
    """Write the tables of the page."""
    PAGE.write_text(fill(PAGE.read_text("utf-8"), read()), encoding="utf-8")


def fill(text: str, rows: Sequence[Row]) -> str:
    """Return a page with every table made again."""
    tables = {task: partial(scores, rows, task) for task in METRICS}
    tables |= {"refused": partial(refused, rows), "costs": partial(costs, rows)}
    return MARK.sub(lambda mark: mark[1] + tables[mark[2]]() + mark[3], text)


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
    grid = [float(part) for part in first["grid"].split()]
    lr = float(first["lr"])
    return f"{lr:g}" + (" *" if len(grid) > 1 and lr in (grid[0], grid[-1]) else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
