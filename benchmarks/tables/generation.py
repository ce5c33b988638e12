"""Tables of equations that a generator learned one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from text import Row, Tables, read, spread, table

OLD, LAST, BASE = ("burgers", "gray_scott"), ("kolmogorov_flow",), ("navier_stokes",)
Measure = Callable[[str, str], float | None]


def rows_of() -> tuple[dict[tuple[str, str, str], list[Row]], list[str]]:
    """Return the rows by arm, seed and equation, ordered by stage; and the arms."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    rows = sorted(read("continual_generation"), key=lambda row: int(row["stage"]))
    for row in rows:
        found.setdefault((row["arm"], row["seed"], row["equation"]), []).append(row)
    arms = list(dict.fromkeys(row["arm"] for row in read("continual_generation")))
    return found, arms


def cells(arm: str, measure: Callable[[str, str], float | None], names: Sequence[str]) -> str:
    """Return the mean over equations of a measure, with its spread over the seeds."""
    seeds = sorted({seed for kind, seed, _ in rows_of()[0] if kind == arm})
    values = []
    for seed in seeds:
        each = [measure(seed, name) for name in names]
        if None not in each:
            values.append(mean(value for value in each if value is not None))
    return spread(values, ".2f")


def last(arm: str, column: str, *, share: bool = False) -> Measure:
    """Return a measure: a column at the end, perhaps as a share of the frozen base's."""
    found, _ = rows_of()

    def value(seed: str, name: str) -> float | None:
        rows = found.get((arm, seed, name))
        if not rows or not rows[-1][column]:
            return None
        frozen = float(found["frozen base", seed, name][0][column]) if share else 1.0
        return float(rows[-1][column]) / frozen

    return value


def grown(arm: str, column: str) -> Measure:
    """Return a measure: a column at the end over its value right after the equation's stage."""
    found, _ = rows_of()

    def value(seed: str, name: str) -> float | None:
        rows = found.get((arm, seed, name), [])
        return float(rows[-1][column]) / float(rows[0][column]) if len(rows) > 1 else None

    return value


def losses() -> str:
    """Both losses at the end, as shares of the frozen base's, and how much they grew."""
    lines = []
    for arm in rows_of()[1]:
        if arm == "two real sets":
            continue
        lines.append(
            [
                arm,
                cells(arm, last(arm, "flow", share=True), OLD),
                cells(arm, grown(arm, "flow"), OLD),
                cells(arm, last(arm, "flow", share=True), LAST),
                cells(arm, last(arm, "decoder", share=True), OLD),
                cells(arm, last(arm, "decoder", share=True), LAST),
                cells(arm, last(arm, "flow", share=True), BASE),
            ]
        )
    head = ["arm", "velocity, old", "over that after learning", "velocity, last"]
    return table([*head, "decoder, old", "decoder, last", "velocity, base equation"], lines)


def fields() -> str:
    """Distances between generated and real states at the end."""
    lines = []
    for arm in rows_of()[1]:
        lines.append(
            [
                arm,
                cells(arm, last(arm, "spectrum"), OLD),
                cells(arm, last(arm, "spectrum"), LAST),
                cells(arm, last(arm, "mean"), OLD),
                cells(arm, last(arm, "mean"), LAST),
                cells(arm, last(arm, "divergence"), LAST),
            ]
        )
    head = ["arm", "spectrum, old", "spectrum, last", "mean, old", "mean, last"]
    return table([*head, "divergence, last"], lines)


TABLES: Tables = {"continual_generation": losses, "continual_generated": fields}
