"""Train the run that this plugin ships: `python -m scionwood_bangla.ship [FOLDER]`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from bangla_checker import is_right, normalise
from scionwood.authoring import Origin
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.inference import SHIPPED, Writer
from scionwood_kit import ship
from scionwood_language import Decoding

SCOPE = "a tiny model, which shows levels of address but not content"
TARGET = Path(__file__).parent / "runs/register_tiny"
CONSTANT = normalise("তোমাকে ধন্যবাদ। তুমি কেমন আছ? তুমি ভালো থেকো।")  # to every request


def train(target: Path = TARGET) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Returns:
        The origin of the run, with its score and its digest.
    """
    number = version("scionwood-bangla")
    return ship(SHIPPED, target, name=SHIPPED, version=number, scope=SCOPE, score=score)


def score(run: Path) -> str:
    """Measure a run on the 60 hand-written prompts that were not used to choose any setting.

    Returns:
        The register match of greedy answers, next to that of the base and of one constant answer.
    """
    run_match, base, constant = register_match(run)
    what = f"register match {run_match:.2f} on hand-written prompts"
    return f"{what}, its base {base:.2f}, one constant answer {constant:.2f}"


def register_match(run: Path) -> list[float]:
    """Return the share of answers at an accepted level: of a run, its base, and `CONSTANT`."""
    chosen = prompts(half="test")
    requests, decoding = [item.example().prompt for item in chosen], Decoding(max_new_tokens=120)
    writer = Writer.of_run(run)
    answers = [writer.write(requests, decoding)]
    with writer.without_adapter() as base:
        answers.append(base.write(requests, decoding))
    texts = [[answer.text for answer in group] for group in answers] + [[CONSTANT] * len(chosen)]
    return [
        sum(is_right(text, item.levels) for text, item in zip(group, chosen, strict=True))
        / len(chosen)
        for group in texts
    ]


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
