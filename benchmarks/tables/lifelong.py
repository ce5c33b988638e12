"""The table of lifelong image-text learning."""

from __future__ import annotations

from text import Tables, read, spread, table


def lifelong() -> str:
    """What towers keep of four sources that they learned in turn, and the time of a step."""
    rows = read("lifelong")
    times = {row["arm"]: row["over_naive"] for row in read("lifelong_step")}
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        seeds = [row for row in rows if row["arm"] == arm]
        numbers = [
            spread([float(row[name]) for row in seeds], ".3f")
            for name in ("new", "old", "recall", "drift")
        ]
        step = f"{float(times[arm]):.2f}" if arm in times else ""
        lines.append([arm, *numbers, step])
    head = ["what learns", "new accuracy", "old accuracy", "recall", "drift"]
    return table([*head, "time of a step, naive = 1"], lines)


TABLES: Tables = {"lifelong": lifelong}
