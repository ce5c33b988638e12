"""Train the run that this plugin ships: `python -m scionwood_bangla.ship [FOLDER]`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from scionwood import Origin, Task, load_run, resolve, ship

NAME = "bangla/register_tiny"
SCOPE = "a tiny model; it shows levels of address, not content"
TARGET = Path(__file__).parent / "runs/register_tiny"


def train(target: Path = TARGET) -> Origin:
    """Train by the recipe on one thread, and write the run as the package carries it.

    Args:
        target: the folder of the run, which is replaced.

    Returns:
        The origin of the run, with its score and its digest.
    """
    torch.set_num_threads(1)  # the rounding depends on the number of threads
    own = version("scionwood-bangla")
    return ship(NAME, target, name=NAME, version=own, scope=SCOPE, score=score)


def score(run: Path) -> str:
    """Measure a run on its test split, whose prompts neither training nor validation has.

    Args:
        run: the run folder.

    Returns:
        The register match of greedy answers, and that of the base without the adapter.
    """
    task: Any = load_run(run)
    data = resolve(run / "recipe.yaml").data.build()
    ours = register_match(task, data.loader("test"))
    with task.backbone.disable_adapter():
        base = register_match(task, data.loader("test"))
    return f"register match {ours:.2f} on 240 generated requests, its base {base:.2f}"


def register_match(task: Task, batches: Any) -> float:
    """Return the share of greedy answers whose level of address is one that the request accepts.

    Args:
        task: a task of `bangla/sft`.
        batches: batches of validation or test.
    """
    sizes, shares = zip(
        *((len(b["input_ids"]), task.metrics(b)["register_match"]) for b in batches), strict=True
    )
    return float(sum(n * s for n, s in zip(sizes, shares, strict=True)) / sum(sizes))


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
