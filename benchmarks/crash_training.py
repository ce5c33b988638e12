"""The parts of `crash_suite.py`, which are simulated and encoded once; training and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from runner import SEEDS, Row, job_rows, option, out, parsed, write
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from scionwood.authoring import minimise
from scionwood_crash.data.encode import LENGTH, Encoded, Encoder
from scionwood_crash.data.parts import Collate
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.evaluation.metrics import (
    distance_loss,
    intrusion_loss,
    measure,
    position_error,
)
from scionwood_crash.model import SIZES
from scionwood_crash.parts.part import Part

WORK = option("--work", type=Path, default=Path("crash-suite"))
SIZE = "small"
ELEMENTS = {"hat": 15.0, "tube": 15.0, "box": 10.0, "bumper": 15.0}
"""mm; coarser than the suite's own sizes, which take three times as long."""
PRETRAINED, UNSEEN = ("hat", "tube", "box"), "bumper"
DESIGNS = {"hat": 600, "tube": 375, "box": 400, "bumper": 60}
HELD_OUT = 10
"""One tenth of a family, the longest parts, is out of distribution; another tenth is the test."""
POOL, SHOTS = 30, (16, 8)
"""Unseen family: size of the pool, and numbers of designs drawn from it; the rest is the test."""
ENCODER = Encoder(SIZES[SIZE])
Split = dict[str, list[Encoded]]


@cache
def parts(
    family: str, folder: Path, count: int = 0, seed: int = 0, element_size: float = 0
) -> list[Part]:
    """Return the designs of a family, by default all; those that the folder lacks are simulated."""
    options = {"element_size": element_size or ELEMENTS[family], "folder": folder, "seed": seed}
    counts = {"n_train": count or DESIGNS[family], "n_val": 0, "n_test": 0}
    return SuiteParts(families=[family], **counts, **options).parts("train")


def length(part: Part) -> float:
    """Return the length along the longest principal axis, mm."""
    x = part.points - part.points.mean(0)
    return float(np.ptp(x @ np.linalg.svd(x, full_matrices=False)[2][0]))


def split(family: str, seed: int, folder: Path) -> dict[str, list[Part]]:
    """Split a family into training, test and `beyond`, the longest parts for every seed."""
    ordered = sorted(parts(family, folder), key=length)
    count = len(ordered) // HELD_OUT
    inside = ordered[:-count]
    order = np.random.default_rng([seed, 1]).permutation(len(inside))
    mixed = [inside[at] for at in order]
    return {"train": mixed[count:], "test": mixed[:count], "beyond": ordered[-count:]}


def encoded(sets: dict[str, list[Part]], coarse: str) -> Split:
    """Return the splits as tensors; fixed grids come from each family's first training part."""
    if coarse == "morph":
        return {name: [morphed(part) for part in item] for name, item in sets.items()}
    references: dict[str, np.ndarray] = {}
    for part in sets["train"]:
        if part.family not in references:
            references[part.family] = ENCODER.reference(part)
    encoder = Encoder(SIZES[SIZE], coarse="fixed", references=references)
    return {name: [encoder.encode(part) for part in item] for name, item in sets.items()}


CACHE: dict[str, Encoded] = {}


def morphed(part: Part) -> Encoded:
    """Encode a part on its own grids once, for all seeds and methods."""
    if part.name not in CACHE:
        CACHE[part.name] = ENCODER.encode(part)
    return CACHE[part.name]


def join(splits: Sequence[dict[str, list[Part]]]) -> dict[str, list[Part]]:
    return {name: [part for split in splits for part in split[name]] for name in splits[0]}


STEPS, BATCH = 480, 4
DECAY = 0.05
"""Weight decay; 0.03 and 0.1 were best of 1e-4, 0.03, 0.1, 0.3 and 1 on an earlier box family."""
METRICS = ("med", "med_share", "intrusion_error", "rel_l2", "rel_l2_model")
COLLATE = Collate([len(level) for level in SIZES[SIZE].template().levels])


@dataclass(frozen=True)
class Phase:
    """A phase of a training: AdamW with one warm-up and half a cosine."""

    steps: int = STEPS
    rate: float = 3e-3
    weight: float = 1.0
    positions: float = 0.0
    decay: float = DECAY


def fit(
    loss: Callable[[dict[str, Any]], Tensor],
    parameters: Iterable[nn.Parameter],
    data: Sequence[Encoded],
    seed: int,
    *,
    steps: int,
    rate: float,
    decay: float = DECAY,
) -> None:
    """Minimise the loss of batches; every part comes once before one comes again."""
    generator, order = torch.Generator().manual_seed(seed), list[int]()

    def step(_: int) -> Tensor:
        nonlocal order
        if len(order) < BATCH:
            order += torch.randperm(len(data), generator=generator).tolist()
        return loss(COLLATE([data[order.pop(0)] for _ in range(BATCH)]))

    def schedule(optimizer: torch.optim.Optimizer) -> OneCycleLR:
        return OneCycleLR(optimizer, rate, steps, pct_start=0.05)

    options = {"steps": steps, "lr": rate, "weight_decay": decay, "schedule": schedule}
    minimise(step, list(parameters), clip=1.0, **options)


def train(model: nn.Module, data: list[Encoded], phase: Phase, seed: int) -> None:
    torch.manual_seed(seed)
    model.train()

    def loss(batch: dict[str, Any]) -> Tensor:
        graph, reference = batch["graph"], batch["displacement"]
        predicted = model(*graph)
        value = distance_loss(predicted, reference, graph).mean()
        value = value + phase.weight * intrusion_loss(predicted, reference, graph).mean()
        if phase.positions:
            value = value + phase.positions * position_error(predicted, reference, graph).mean()
        return value

    trained = [p for p in model.parameters() if p.requires_grad]
    fit(loss, trained, data, seed, steps=phase.steps, rate=phase.rate, decay=phase.decay)


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


def run(
    about: str, name: str, jobs: Callable[[Sequence[int], Path], dict[str, Callable[[], list[Row]]]]
) -> None:
    """Run the jobs of a script that have no file yet, and write the rows of all."""
    options = parsed(
        about,
        SEEDS,
        WORK,
        option("--only", nargs="*", default=[""], help="jobs whose name contains one of these"),
        out(name),
    )
    chosen = jobs(options.seeds, options.work)
    write(options.out, job_rows(chosen, options.work, options.only))
