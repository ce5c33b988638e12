"""Measure false alarms of the novelty flag on new designs, and its alarms on other families.

    python benchmarks/crash_novelty.py

Needs no simulation: the flag sees shape and impact alone. Each row is one draw of the designs that
the flag is fitted on. Writes benchmarks/results/crash_novelty.csv.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from crash_suite_data import ELEMENTS, ENCODER, SIZE
from lora.timing import Row, machine

from scionwood.authoring import atomic_path
from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.novelty import Novelty
from scionwood_crash.parts.part import Part
from scionwood_crash.suite.families import FAMILIES

RESULTS = Path(__file__).parent / "results" / "crash_novelty.csv"
POOL, NEW, DRAWS = 60, 100, 10
KNOWN = ("hat", "tube", "box")


def graph(family: str, index: int) -> CrashGraph:
    """Return the graph of a design without simulation."""
    made = FAMILIES[family](np.random.default_rng([777, index]), ELEMENTS[family])  # type: ignore[call-arg]
    shell, times = made.shell, np.linspace(0, made.duration, 3)
    fixed = shell.thickness, shell.clamped, shell.materials[0], made.impactor
    return ENCODER.encode(Part(shell.nodes, shell.quads, *fixed, times, family=family)).graph


def alarms(novelty: Novelty, graphs: list[CrashGraph]) -> float:
    """Return the share of designs beyond the limit."""
    flags = [float(novelty.of(each)) > float(novelty.limit) for each in graphs]
    return float(np.mean(flags))


def rows(designs: dict[str, list[CrashGraph]], families: tuple[str, ...], count: int) -> list[Row]:
    """Return one row for each draw of `count` designs of each family."""
    made: list[Row] = []
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(POOL)[:count]
        novelty = Novelty(len(SIZES[SIZE].template().levels[0]))
        novelty.fit([designs[family][at] for at in order for family in families])
        new = [each for family in families for each in designs[family][POOL:]]
        far = [designs[family][POOL:] for family in FAMILIES if family not in families]
        shown: Row = {"families": " ".join(families), "designs": count * len(families)}
        shown |= {"draw": draw, "false_alarms": alarms(novelty, new)}
        made.append({**shown, "detected": min(alarms(novelty, each) for each in far)})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    designs = {
        family: [graph(family, index) for index in range(POOL + NEW if family == "bumper" else 110)]
        for family in FAMILIES
    }
    found = [row for count in (12, 16, 24, 48) for row in rows(designs, ("bumper",), count)]
    found += [row for count in (8, 16, 40) for row in rows(designs, KNOWN, count)]
    with atomic_path(options.out, overwrite=True) as part, part.open("w", newline="") as file:
        lines = [row | machine("cpu") for row in found]
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
