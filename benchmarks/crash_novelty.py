"""Measure false alarms of the novelty flag on new designs, and its alarms on other families.

    python benchmarks/crash_novelty.py

Needs no simulation: the flag sees shape and impact alone. Each row is one draw of the designs that
the flag is fitted on. Writes benchmarks/results/crash_novelty.csv.
"""

from __future__ import annotations

import numpy as np
from crash_training import ELEMENTS, ENCODER, SIZE
from runner import Row, machine, out, parsed, write

from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.novelty import Novelty
from scionwood_crash.parts.part import Part
from scionwood_crash.suite.families import FAMILIES

POOL, NEW, DRAWS = 60, 100, 10
TRAINED = ("hat", "tube", "box")


def graph(family: str, index: int) -> CrashGraph:
    """Return the graph of a design without simulation."""
    design = FAMILIES[family](np.random.default_rng([777, index]), ELEMENTS[family])  # type: ignore[call-arg]
    shell, times = design.shell, np.linspace(0, design.duration, 3)
    fixed = shell.thickness, shell.clamped, shell.materials[0], design.impactor
    return ENCODER.encode(Part(shell.nodes, shell.quads, *fixed, times, family=family)).graph


def alarms(novelty: Novelty, graphs: list[CrashGraph]) -> float:
    """Return the share of designs beyond the limit."""
    flags = [float(novelty.of(graph)) > float(novelty.limit) for graph in graphs]
    return float(np.mean(flags))


def rows(designs: dict[str, list[CrashGraph]], families: tuple[str, ...], count: int) -> list[Row]:
    """Return one row for each draw of `count` designs of each family."""
    table: list[Row] = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(POOL)[:count]
        novelty = Novelty(len(SIZES[SIZE].template().levels[0]))
        novelty.fit([designs[family][at] for at in order for family in families])
        new = [design for family in families for design in designs[family][POOL:]]
        far = [designs[family][POOL:] for family in FAMILIES if family not in families]
        cells: Row = {"families": " ".join(families), "designs": count * len(families)}
        cells |= {"draw": draw, "false_alarms": alarms(novelty, new)}
        table.append({**cells, "detected": min(alarms(novelty, design) for design in far)})
    return table


def main() -> None:
    options = parsed(__doc__, out("crash_novelty"))
    designs = {
        family: [graph(family, index) for index in range(POOL + NEW if family == "bumper" else 110)]
        for family in FAMILIES
    }
    table = [row for count in (12, 16, 24, 48) for row in rows(designs, ("bumper",), count)]
    table += [row for count in (8, 16, 40) for row in rows(designs, TRAINED, count)]
    write(options.out, [row | machine() for row in table])


if __name__ == "__main__":
    main()
