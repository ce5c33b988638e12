"""Attention pooling over the cells of all slices of a volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError
from scionwood_biomed.tasks.fitted import FittedTask

if TYPE_CHECKING:
    from scionwood_biomed.data.study_kinds import StudyKinds


@final
class Volumes(FittedTask):
    """A volume gets one label; attention over the cells of all its slices finds what decides.

    When the run starts, the task computes the cells of all training volumes once. It fits what is
    usual at each place, and trains eight poolings on them: the first on all volumes, each other one
    on volumes that are drawn anew. Their range tells how certain an answer is. The rate of the run
    is 0, so that its steps change nothing. With a rate above 0 the head, and an adapter of the
    tower, train from there.

    A place is a slice and a cell of it. Comparing places helps volumes of one region and direction,
    such as heads in one protocol.

    Shapes: a batch holds `image` (batch, slice, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the class names.

    Units: images from 0 (black) to 1 (white); accuracy from 0 to 1.

    Raises:
        RecipeError: a label names no class, a class has no training volume, or `reference` is no
            class.

    Source: Ilse et al. 2018, arXiv:1802.04712; the comparison with the place is this project's.

    Args:
        backbone: `biomed/bag`, with or without an adapter.
        reference: the class whose volumes say what is usual at a place; `None` means all volumes.
        steps: steps of the pooling on the computed cells.
        rate: their learning rate.
        decay: their weight decay.
        optimiser: the options of the optimiser of the run; see `Task`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        reference: str | None = None,
        steps: int = 80,
        rate: float = 5e-3,
        decay: float = 1e-2,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        if reference is not None and reference not in self.classes:
            rule = f"it is not one of the classes {', '.join(self.classes)}"
            raise RecipeError(f"task.reference {reference!r}", rule, "Name one, or give null")
        self.reference, self.steps = reference, steps
        self.rate, self.decay = rate, decay

    def on_fit_start(self) -> None:
        """Fit the head, and write into the run folder which studies it was fitted to."""
        super().on_fit_start()
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        kinds: Callable[[], StudyKinds] | None = getattr(data, "kinds", None)
        if kinds is not None and self.trainer.is_global_zero:
            kinds().write(self.trainer.default_root_dir)

    def gather(self, image: Tensor) -> list[Tensor]:
        """Return the cells (batch, slice, cell, channel)."""
        return [self.network.cells(image)]

    def fit_head(self, features: list[Tensor], label: Tensor) -> None:
        """Fit what is usual at each place, then train the pooling."""
        head, (cells,) = self.network.answer, features
        usual = torch.ones_like(label, dtype=torch.bool)
        if self.reference is not None:
            usual = label == self.classes.index(self.reference)
        head.fit_places(cells, usual)
        placed = head.placed(cells)
        draws = torch.Generator().manual_seed(0)
        for number, member in enumerate(head.members):
            at = _redrawn(label, draws) if number else torch.arange(len(label))
            self._train(member, placed[at], label[at])
        head.fitted_flag.fill_(1)

    def _train(self, member: nn.Module, placed: Tensor, label: Tensor) -> None:
        optimizer = torch.optim.AdamW(member.parameters(), lr=self.rate, weight_decay=self.decay)
        grad_flags = [parameter.requires_grad for parameter in member.parameters()]
        member.requires_grad_(True).train()
        with torch.enable_grad():
            for _ in range(self.steps):
                optimizer.zero_grad()
                loss = F.cross_entropy(member(placed)[0], label)
                loss.backward()
                optimizer.step()
        for parameter, before in zip(member.parameters(), grad_flags, strict=True):
            parameter.requires_grad_(before).grad = None
        member.eval()

    def answer_to(self, features: list[Tensor]) -> Tensor:
        """Return the logits (volume, class) of the cells."""
        logits: Tensor = self.network.answer(features[0])
        return logits


def _redrawn(label: Tensor, draws: torch.Generator) -> Tensor:
    """Return the indices of volumes that are drawn with replacement within each class."""
    parts = []
    for value in torch.unique(label):
        mine = torch.nonzero(label == value).squeeze(-1)
        parts.append(mine[torch.randint(len(mine), (len(mine),), generator=draws).to(mine)])
    return torch.cat(parts)
