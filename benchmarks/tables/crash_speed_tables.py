"""Tables of the speed of the edge block, of its layer for PyG, and of a prediction."""

from __future__ import annotations

from text import Tables, interval, read, table


def crash_pyg() -> str:
    """Return the ratios of CPU time between other forms of a graph block of PyG and ours."""
    rows = [row for row in read("crash_pyg") if row["rival"] != "ours"]
    lines = [
        [row["pass"], row["rival"], interval(row), "" if row["error"] == "nan" else row["error"]]
        for row in rows
    ]
    return table(["pass", "layer", "time / ours", "differs by"], lines)


def crash_edge() -> str:
    """Return times of the edge block and the edge-specific layer relative to ours."""
    rows = [row for row in read("crash_edge") if row["rival"] != "ours"]
    lines = [
        [row["operator"], row["shape"], row["pass"], row["rival"], interval(row), row["error"]]
        for row in rows
    ]
    return table(["operator", "shape", "pass", "alternative", "time / ours", "error"], lines)


def crash_predict() -> str:
    """Return the seconds of a prediction and of a simulation."""
    lines = [
        [
            *(row[name] for name in ("stage", "nodes", "time", "median_s", "least_s")),
            row["times_prediction"],
        ]
        for row in read("crash_predict")
    ]
    head = ["stage", "nodes", "time", "median, s", "minimum, s", "relative to a prediction"]
    return table(head, lines)


SPEED: Tables = {
    "crash_edge": crash_edge,
    "crash_pyg": crash_pyg,
    "crash_predict": crash_predict,
}
