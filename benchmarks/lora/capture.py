"""Which recipes of the plugins have a training step that a CUDA graph can repeat."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from runner import Row, machine

import scionwood
from scionwood.recipes.recipe_file import recipes
from scionwood.scale.replay import Replay

PLUGINS = ("seismic", "crash", "pde", "biomed", "bangla", "language")
STEPS = 5
"""Batches of each recipe; a batch of another shape than the first counts for nothing."""


def rows(device: str, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_capture.csv: the first steps of every recipe, made small."""
    for plugin in PLUGINS[:1] if quick else PLUGINS:
        for name in list(recipes(plugin))[: 1 if quick else None]:
            recipe = f"{plugin}/{name}"
            yield {"device": device, "recipe": recipe, **checked(recipe), **machine()}


def checked(recipe: str) -> Row:
    """Return the operations of a step, and what a graph could not repeat; empty if nothing."""
    task, data = scionwood.build(scionwood.resolve(recipe, smoke=True))
    data.prepare_data()
    data.setup("fit")
    replay = Replay(task, lambda run: run)
    epochs = (data.train_dataloader() for _ in range(STEPS))  # one has few batches
    for batch in islice(chain.from_iterable(epochs), STEPS):
        replay(batch)
    return {
        "task": type(task).__name__,
        "operations": replay.operations,
        "obstacle": replay.reason or ("" if replay.replays else "too few batches of one shape"),
    }
