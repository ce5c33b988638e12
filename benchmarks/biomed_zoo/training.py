"""The training loop that all methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from biomed_zoo.base import Shots
from biomed_zoo.settings import Settings
from scionwood import parameter_groups
from scionwood.authoring import minimise


def train(
    model: nn.Module, loss: Callable[[dict[str, Any]], Tensor], shots: Shots, settings: Settings
) -> None:
    """Train on random batches of the shots: AdamW, half a cosine, gradient norm at most 1.

    Args:
        model: the module whose parameters that require gradients are trained.
        loss: returns the scalar loss of a batch with the keys `image`, `label` and `classes`.
        shots: the training data.
        settings: the hyper-parameters.
    """
    batches = _batches(shots, settings)
    minimise(
        lambda _: loss(next(batches)),
        parameter_groups(model, settings.lr, settings.weight_decay),
        steps=settings.steps,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        schedule=lambda optimizer: CosineAnnealingLR(optimizer, max(settings.steps, 1)),
        clip=1.0,
        clipped=[p for p in model.parameters() if p.requires_grad],
    )


def _batches(shots: Shots, settings: Settings) -> Iterator[dict[str, Any]]:
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(settings.steps):
        if len(order) < min(settings.batch_size, len(shots.label)):
            order = torch.cat([order, torch.randperm(len(shots.label))])
        chosen, order = order[: settings.batch_size], order[settings.batch_size :]
        chosen = chosen.to(shots.image.device)
        image, label = shots.image[chosen], shots.label[chosen]
        yield {"image": image, "label": label, "classes": shots.classes}
