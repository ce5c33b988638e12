"""Training beside busy processes."""

from __future__ import annotations

from statistics import median

from text import Tables, read, table

CORES = 2


def busy_machine() -> str:
    """Steps per second with all threads of torch and with ours, beside a fair share."""
    rows = read("busy_machine")

    def rate(busy: int, rule: str) -> float:
        chosen = [row for row in rows if (row["busy"], row["rule"]) == (str(busy), rule)]
        return median(float(row["steps_per_s"]) for row in chosen)

    lines = []
    for busy in sorted({int(row["busy"]) for row in rows}):
        fair = rate(0, "one") * min(1, CORES / (busy + 1))
        ours = rate(busy, "ours")
        numbers = (rate(busy, "torch"), ours, fair, ours / fair)
        lines.append([str(busy), *(f"{number:.2f}" for number in numbers)])
    head = ["busy processes", "all threads, steps/s", "Scionwood, steps/s", "fair share", "of it"]
    return table(head, lines)


TABLES: Tables = {"busy_machine": busy_machine}
