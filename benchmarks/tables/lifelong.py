"""The table of lifelong image-text learning."""

from __future__ import annotations

from text import Tables, read, spread, table


def lifelong() -> str:
    """What towers keep of four sources that they learned in turn."""
    rows = read("lifelong")
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        seeds = [row for row in rows if row["arm"] == arm]
        numbers = [
            spread([float(row[name]) for row in seeds], ".3f")
            for name in ("new", "old", "recall", "drift")
        ]
        lines.append([arm, *numbers])
    return table(["what learns", "new accuracy", "old accuracy", "recall", "drift"], lines)


TABLES: Tables = {"lifelong": lifelong}
