"""The losses of single examples with and without the strong heads' change."""

from __future__ import annotations

import csv
import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, final

import lightning as L
import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.utilities.seed import isolate_rng
from rich.console import Console
from rich.progress import track

from scionwood import ReadError, TrainingError
from scionwood.authoring import writing

BLOCK = 32
"""Examples between two switches of the change; after each block their losses are on the disk."""
COLUMNS = ("index", "without", "with")


@final
class Losses(NamedTuple):
    """The losses of one example.

    Attributes:
        number: the index of the example in the training split.
        without: the loss of the base with the head of the proxy run.
        with_heads: the same with the change of the strong heads.
    """

    number: int
    without: float
    with_heads: float

    @property
    def drop(self) -> float:
        """The relative drop of the loss; 0 if there is no loss to drop."""
        return (self.without - self.with_heads) / self.without if self.without else 0.0


@final
class Judge:
    """Computes the loss of single examples by the task of a run, in evaluation mode.

    Args:
        task: the task, whose trainer is done with training.
        data: the training examples, by index.
        collate: makes a batch of a list of examples.
        seed: of the draws that the loss makes, which are the same for each state of the model.
    """

    def __init__(
        self, task: Any, data: Any, collate: Callable[[list[Any]], Any], seed: int
    ) -> None:
        self.task, self.data, self.collate, self.seed = task, data, collate, seed
        self.trainer: L.Trainer = task.trainer
        self.device = self.trainer.strategy.root_device
        task.to(self.device).eval()  # a fit leaves it in training mode

    @torch.no_grad()
    def __call__(self, index: int) -> float:
        """Return the loss of an example.

        Args:
            index: the number of the example.

        Raises:
            TrainingError: the loss is negative, or not finite.
        """
        batch = move_data_to_device(self.collate([self.data[index]]), self.device)
        # The loss with and without the heads must see the same noise, or its draws would hide the
        # drop.
        with _seeded(self.seed + index), self.trainer.precision_plugin.val_step_context():
            loss = float(self.task.losses(batch)["loss"])
        if not (math.isfinite(loss) and loss >= 0):
            rule = f"a relative drop needs a loss of at least 0, and it is {loss}"
            raise TrainingError(f"example {index}", rule, "Choose at random: --by random")
        return loss


def measure(
    judge: Judge, switch: Callable[[bool], None], indices: Sequence[int], file: Path
) -> None:
    """Append the losses of examples to a file, block by block.

    Args:
        judge: see `Judge`.
        switch: switches the change of the strong heads, see `strong.strong_change`.
        indices: the examples without losses so far.
        file: see `read_losses`.
    """
    is_new = not file.exists() or not file.stat().st_size
    starts = range(0, len(indices), BLOCK)
    with writing(file, then="Go on with --resume"), file.open("a", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        for start in track(starts, "losses of the examples", console=Console(stderr=True)):
            block = indices[start : start + BLOCK]
            pairs = []
            for on in (False, True):
                switch(on)
                pairs.append([judge(index) for index in block])
            writer.writerows(zip(block, *pairs, strict=True))
            out.flush()
            os.fsync(out.fileno())


def read_losses(file: Path, length: int) -> list[Losses]:
    """Return the losses so far; a line that was not finished is cut off.

    Args:
        file: the CSV file; none gives no losses.
        length: the number of examples.

    Raises:
        ReadError: it is not the file of these examples.
    """
    if not file.exists():
        return []
    text = file.read_text("utf-8")
    complete_text = text[: text.rfind("\n") + 1]
    if complete_text != text:
        file.write_text(complete_text, "utf-8")
    try:
        rows = [
            Losses(int(a), float(b), float(c))
            for a, b, c in list(csv.reader(complete_text.splitlines()))[1:]
        ]
    except ValueError as error:
        rule = f"a line is not {', '.join(COLUMNS)}"
        raise ReadError(str(file), rule, "Start again: --force") from error
    if [row.number for row in rows] != list(range(len(rows))) or len(rows) > length:
        rule = f"it does not list the examples 0 to {length - 1} in order"
        raise ReadError(str(file), rule, "Start again: --force")
    return rows


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with isolate_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002  # a task may draw from this generator
        torch.manual_seed(seed)
        yield
