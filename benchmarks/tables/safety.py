"""The table of the fuzz: what became of damaged files, for each format that is read."""

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


TABLES: Tables = {"fuzz": fuzz}
