"""Damaged files: what became of them, for each format that is read; and what the service costs."""

from __future__ import annotations

from text import Tables, read, table

_ENDED = ("died", "time", "memory")
_REACHED = ("foreign", "death", "hang")


def fuzz() -> str:
    """Each sample: readings by what became of them, and the seconds of CPU."""
    head = ["format", "damaged", "read", "other values", "other shape", "refused"]
    head += ["died", "too slow", "too large", "foreign error", "caller dead or hangs", "CPU, s"]
    rows = read("fuzz")
    lines = []
    for row in rows:
        name, counted = row["sample"], [row[kind] for kind in ("equal", "values", "shapes")]
        stuck = str(int(row["death"]) + int(row["hang"]))
        cells = [row["refused"], *(row[kind] for kind in _ENDED), row["foreign"], stuck]
        lines.append([name, f"{int(row['mutations']):,}", *counted, *cells, row["cpu"]])
    kinds = ("equal", "values", "shapes", "refused", *_ENDED, "foreign")
    sums = [sum(int(row[kind]) for row in rows) for kind in ("mutations", *kinds)]
    stuck_all = sum(int(row[kind]) for row in rows for kind in _REACHED[1:])
    total = [f"{number:,}" for number in (*sums, stuck_all)]
    return table(head, [*lines, ["**all**", *total, f"{sum(int(row['cpu']) for row in rows):,}"]])


def cost() -> str:
    """Each way of reading: seconds of CPU in this process and in a child, and the difference."""
    head = ["what is read", "inline, CPU s", "in a child, CPU s", "cost", "aim"]
    rows = read("reader_service")
    keys = ("what", "inline_s", "service_s", "cost", "aim")
    return table(head, [[row[key] for key in keys] for row in rows])


TABLES: Tables = {"fuzz": fuzz, "reader_service": cost}
