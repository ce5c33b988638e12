"""Train the networks of the folds for CV+, by the recipe of a run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import lightning as L
from torch import Tensor

from scionwood import SplitData, build
from scionwood.authoring import DataLoader, Split
from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.parts import Collate
from scionwood_crash.model import SIZES

KEYS = ("max_epochs", "max_steps", "gradient_clip_val", "accumulate_grad_batches", "precision")
"""Options of the trainer that a fold takes from the recipe."""


@final
class _PartSubset(SplitData):
    """Some of the training parts of other data, without a validation."""

    def __init__(self, parts: Sequence[Encoded], size: str, batch_size: int) -> None:
        super().__init__()
        self.parts, self.batch_size = list(parts), batch_size
        self.collate = Collate([len(level) for level in SIZES[size].template().levels])

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of the parts; those of the training in a new order each epoch."""
        shuffled = split == "train"
        dataset: Any = self.parts  # a list is a map-style dataset
        return DataLoader(dataset, self.batch_size, shuffled, collate_fn=self.collate)


def assigned(count: int, folds: int) -> tuple[int, ...]:
    """Return the fold of each design: in turn, so that sizes differ by one at most."""
    return tuple(at % folds for at in range(count))


def without_fold(recipe: Any, parts: Sequence[Encoded], data: Any) -> Any:
    """Train a new network of a recipe on some parts.

    Args:
        recipe: the recipe of the run.
        parts: the parts to train on.
        data: the data of the recipe, which state the size and the batch.

    Returns:
        The trained task in evaluation mode.
    """
    L.seed_everything(recipe.seed, workers=True, verbose=False)
    task, _ = build(recipe)
    options = {key: recipe.trainer[key] for key in KEYS if key in recipe.trainer}
    with _quiet():
        trainer = L.Trainer(
            **options,
            accelerator=recipe.trainer.get("accelerator", "auto"),
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        )
        trainer.fit(task, datamodule=_PartSubset(parts, data.size, data.batch_size))
    return task.cpu().eval()


def trained(task: Any) -> dict[str, Tensor]:
    """Return the trained parameters of a task's backbone by name, without those of the base."""
    return {
        name: value.detach().clone()
        for name, value in task.backbone.named_parameters()
        if value.requires_grad
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the advice of Lightning, which does not apply to a fold."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(before)
