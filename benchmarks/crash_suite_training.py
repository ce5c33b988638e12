"""Train the networks of `crash_suite.py`, and score their predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

import torch
from crash_suite_data import SIZE
from torch import Tensor, nn

from scionwood.authoring import minimise, one_cycle
from scionwood_crash.data.encode import LENGTH, Encoded
from scionwood_crash.data.parts import Collate
from scionwood_crash.evaluation.metrics import (
    distance_loss,
    intrusion_loss,
    measure,
    position_error,
)
from scionwood_crash.model import SIZES

STEPS, BATCH = 480, 4
DECAY = 0.05
"""Weight decay; 0.03 and 0.1 were best of 1e-4, 0.03, 0.1, 0.3 and 1 on an earlier box family."""
METRICS = ("med", "med_share", "intrusion_error", "rel_l2", "rel_l2_model")
COLLATE = Collate([len(level) for level in SIZES[SIZE].template().levels])


@dataclass(frozen=True)
class Phase:
    """A phase of a training: AdamW with one warm-up and half a cosine.

    Args:
        steps: optimiser steps.
        rate: largest learning rate.
        weight: weight of the intrusion in the loss, as in the task.
        positions: weight of the relative error of positions in the loss.
        decay: weight decay.
    """

    steps: int = STEPS
    rate: float = 3e-3
    weight: float = 1.0
    positions: float = 0.0
    decay: float = DECAY


def train(model: nn.Module, data: list[Encoded], phase: Phase, seed: int) -> None:
    """Train a model for one phase."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    order: list[int] = []
    model.train()

    def loss(_: int) -> Tensor:
        nonlocal order
        if len(order) < BATCH:
            order += torch.randperm(len(data), generator=generator).tolist()
        batch = COLLATE([data[order.pop(0)] for _ in range(BATCH)])
        graph, reference = batch["graph"], batch["displacement"]
        predicted = model(*graph)
        value = distance_loss(predicted, reference, graph).mean()
        value = value + phase.weight * intrusion_loss(predicted, reference, graph).mean()
        if phase.positions:
            value = value + phase.positions * position_error(predicted, reference, graph).mean()
        return value

    minimise(
        loss,
        [p for p in model.parameters() if p.requires_grad],
        steps=phase.steps,
        lr=phase.rate,
        weight_decay=phase.decay,
        schedule=one_cycle(phase.steps, rise=0.05),
        clip=1.0,
    )


@torch.no_grad()
def errors(predict: Callable[[Encoded], Tensor], data: list[Encoded]) -> dict[str, float]:
    """Return the mean errors over parts."""
    scores = []
    for score in data:
        predicted = predict(score)
        numbers = measure(predicted, score.displacement, score.graph)
        scores.append({**numbers, "rel_l2_model": in_the_model(predicted, score)})
    return {name: mean(float(score[name]) for score in scores) for name in METRICS}


def in_the_model(predicted: Tensor, part: Encoded) -> float:
    """Return the relative L2 error of positions from the origin, as in PhysicsNeMo's examples."""
    origin = torch.from_numpy(part.frame.axes @ part.frame.origin).float() / LENGTH
    place = part.displacement + part.graph.position[:, None] + origin
    return float((predicted - part.displacement).norm() / place.norm())


def by_network(model: nn.Module) -> Callable[[Encoded], Tensor]:
    model.eval()
    return lambda part: model(*part.graph)


def scored(predicted: list[Tensor], data: list[Encoded]) -> dict[str, float]:
    predictions = iter(predicted)
    return errors(lambda _: next(predictions), data)
