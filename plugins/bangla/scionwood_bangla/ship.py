"""Train the run that this plugin ships: `python -m scionwood_bangla.ship [FOLDER]`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from scionwood.authoring import Origin, ship
from scionwood_bangla.evaluation.compare import Plan, compare, handwritten
from scionwood_bangla.inference import SHIPPED, Writer
from scionwood_language import Decoding

SCOPE = "a tiny model, which shows levels of address but not content"
TARGET = Path(__file__).parent / "runs/register_tiny"
METHODS = ("adapter", "zero_shot", "always_tumi")
"""The run, its base, and one familiar answer to every request."""


def train(target: Path = TARGET) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Args:
        target: the folder of the run, which is replaced.

    Returns:
        The origin of the run, with its score and its digest.
    """
    number = version("scionwood-bangla")
    return ship(SHIPPED, target, name=SHIPPED, version=number, scope=SCOPE, score=score)


def score(run: Path) -> str:
    """Measure a run on the 60 hand-written prompts that were not used to choose any setting.

    Args:
        run: the run folder.

    Returns:
        The register match of greedy answers, next to that of the base and of one constant answer.
    """
    run_match, base, constant = register_match(run)
    what = f"register match {run_match:.2f} on hand-written prompts"
    return f"{what}, its base {base:.2f}, one constant answer {constant:.2f}"


def register_match(run: Path) -> list[float]:
    """Return the share of answers at an accepted level, for each of `METHODS`.

    Args:
        run: the run folder.
    """
    plan = Plan(METHODS, [Decoding(max_new_tokens=120)])
    rows = compare(Writer.of_run(run), [handwritten("test")], plan).rows
    of_all = [row for row in rows if (row["measure"], row["group"]) == ("register_match", "all")]
    values = {row["method"]: row["value"] for row in of_all}
    return [values[method] for method in METHODS]


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
