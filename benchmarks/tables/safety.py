"""Damaged files: what became of them, for each format that is read; and what the service costs."""

from __future__ import annotations

from text import Tables, read, table

_ENDED = ("died", "time", "memory")
_HOSTILE = " (hostile)"
_REACHED = ("foreign", "death", "hang")


def fuzz() -> str:
    """Each sample: readings by what became of them."""
    head = ["format", "damaged", "read", "other values", "other shape", "refused"]
    head += ["died", "too slow", "too large", "foreign error", "caller dead or hangs"]
    rows = [row for row in read("fuzz") if not row["sample"].endswith(_HOSTILE)]
    lines = []
    for row in rows:
        name, counted = row["sample"], [row[kind] for kind in ("equal", "values", "shapes")]
        stuck = str(int(row["death"]) + int(row["hang"]))
        cells = [row["refused"], *(row[kind] for kind in _ENDED), row["foreign"], stuck]
        lines.append([name, f"{int(row['mutations']):,}", *counted, *cells])
    kinds = ("equal", "values", "shapes", "refused", *_ENDED, "foreign")
    sums = [sum(int(row[kind]) for row in rows) for kind in ("mutations", *kinds)]
    stuck_all = sum(int(row[kind]) for row in rows for kind in _REACHED[1:])
    total = [f"{number:,}" for number in (*sums, stuck_all)]
    return table(head, [*lines, ["**all**", *total]])


def hostile() -> str:
    """Each plugin: what became of the well-formed hostile files of all its formats."""
    head = ["plugin", "formats", "hostile files", "refused", "read as before", "other values"]
    head += ["ended by the service", "foreign error", "code ran, or another file was read"]
    plugins: dict[str, list[dict[str, str]]] = {}
    for row in read("fuzz"):
        if row["sample"].endswith(_HOSTILE):
            plugins.setdefault(row["sample"].partition("/")[0], []).append(row)
    columns = [("mutations",), ("refused",), ("equal",), ("values", "shapes"), ("time", "memory")]
    columns += [("foreign",), ("escaped", "death", "hang")]

    def cells(rows: list[dict[str, str]]) -> list[str]:
        sums = (sum(int(row[kind]) for row in rows for kind in kinds) for kinds in columns)
        return [str(len(rows)), *(f"{number:,}" for number in sums)]

    every = [row for rows in plugins.values() for row in rows]
    lines = [[name, *cells(rows)] for name, rows in plugins.items()]
    return table(head, [*lines, ["**all**", *cells(every)]])


def cost() -> str:
    """Each way of reading: seconds of CPU in this process and in a child, and the difference."""
    head = ["what is read", "inline, CPU s", "in a child, CPU s", "cost", "aim"]
    rows = read("reader_service")
    keys = ("what", "inline_s", "service_s", "cost", "aim")
    return table(head, [[row[key] for key in keys] for row in rows])


TABLES: Tables = {"fuzz": fuzz, "fuzz_hostile": hostile, "reader_service": cost}
