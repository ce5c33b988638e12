"""Learn to generate three equations one after another; measure what remains of the old ones.

    python benchmarks/continual_generation.py

The base generates decaying flow (Navier-Stokes) in the plane: `pde/tadpole_flow` with the shipped
encoder and decoder and a network for the velocity trained here. Burgers' equation, Gray-Scott and
Kolmogorov flow follow, each with its own label and 60 steps. LoRA is on the linear layers of the
velocity and on the convolutions of the decoder. Arms: the frozen base; one LoRA without
protection; SeqLoRA and ACE-LoRA (reconstructions); one adapter for each equation, alone, and
merged by their sum and by their mean; and one LoRA on all equations at once.

All arms have one learning rate, 3e-3, from single trials on other states; ACE-LoRA has the strength
10 and SeqLoRA its default. Nothing else was tuned. Seeds 0, 1 and 2 draw the states, the base and
the batches. No trajectory is in two parts or two seeds. An interrupted run continues after the last
complete arm. It takes about 7 minutes on one core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import torch
from continual_generation_data import (
    EQUATIONS,
    LABELS,
    States,
    World,
    adapted,
    both_losses,
    floor,
    generator,
    scores,
    world,
)
from runner import SEEDS, Row, Table, option, out, parsed
from torch import Tensor

from scionwood.authoring import minimise, warm_cosine
from scionwood_methods.continual import AceLora, ContinualController, ContinualMethod, SeqLora
from scionwood_methods.continual.factors import add_frozen, fill, lora_layers, matrices
from scionwood_methods.continual.naive import Naive

STEPS, RATE, STRENGTH = 60, 3e-3, 10.0
METHODS: dict[str, Callable[[], ContinualMethod]] = {
    "naive LoRA": Naive,
    "seqlora_bilevel": SeqLora,
    "ace_lora_edit": lambda: AceLora(rank=16, strength=STRENGTH, threshold=0.0),
}
MERGES = {"sum": 1.0, "mean": 1 / len(EQUATIONS)}
ARMS = ("frozen base", *METHODS, "merged", "joint LoRA (bound)")
SCORES = ("flow", "decoder", "spectrum", "mean", "divergence")
SETTINGS = ("trained", "lr", "steps", "cpu_seconds")
FIELDS = ("arm", "seed", "stage", "equation", *SCORES, *SETTINGS)
"""The columns before those of the machine."""


def learn(controller: ContinualController, name: str, states: States, seed: int) -> None:
    """Learn one equation."""
    controller.begin(name)
    trained = [p for p in controller.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    schedule = warm_cosine(STEPS)(optimizer)
    random = torch.Generator().manual_seed(100 * seed + states.label)
    for _ in range(STEPS):
        optimizer.zero_grad()
        both_losses(controller.model, states, random).backward()
        controller.adjust(None)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        controller.stepped()
        schedule.step()
    controller.end([])


def sequence(arm: str, start: World, seed: int) -> Iterator[Any]:
    """Yield the model after each equation."""
    path, world = start
    controller = ContinualController(adapted(path, seed), METHODS[arm]())
    for name in EQUATIONS:
        learn(controller, name, world[name], seed)
        yield controller.model


def separate(start: World, seed: int) -> list[Any]:
    """Return a model with an own adapter for each equation."""
    path, world = start
    models = []
    for name in EQUATIONS:
        controller = ContinualController(adapted(path, seed), Naive())
        learn(controller, name, world[name], seed)
        models.append(controller.model)
    return models


@torch.no_grad()
def merged(models: list[Any], start: World, seed: int, weight: float) -> Any:
    """Return the base with the changes of all adapters, each times a weight."""
    union = adapted(start[0], seed)
    for number, model in enumerate(models):
        add_frozen(union, f"own{number}", "default")
        layers = lora_layers(model, "default")
        for name, layer in lora_layers(union, f"own{number}").items():
            b, a = matrices(layers[name], "default")
            fill(layer, f"own{number}", weight * b, a)
    return union


def joint(start: World, seed: int) -> Any:
    """Return a model that learns all equations at once, in as many steps as a sequence."""
    path, world = start
    model = adapted(path, seed)
    random = torch.Generator().manual_seed(seed)
    steps = STEPS * len(EQUATIONS)

    def loss(step: int) -> Tensor:
        return both_losses(model, world[EQUATIONS[step % len(EQUATIONS)]], random)

    trained = [p for p in model.parameters() if p.requires_grad]
    minimise(loss, trained, steps=steps, lr=RATE, schedule=warm_cosine(steps), clip=1.0)
    return model


def tested(arm: str, start: World, seed: int) -> list[Row]:
    """Return the scores of an arm with one seed, by stage and equation."""
    path, world_states = start
    began = time.process_time()
    arms: list[tuple[str, int, Any, tuple[str, ...]]] = []
    rows: list[Row] = []
    if arm == "frozen base":
        arms = [(arm, 0, generator(velocity=path), tuple(LABELS))]
        for name in LABELS:
            row: Row = {"arm": "two real sets", "stage": 0, "equation": name, "trained": 0}
            rows.append(row | floor(world_states[name], name))
    elif arm in METHODS:
        for stage, model in enumerate(sequence(arm, start, seed), 1):
            last = stage == len(EQUATIONS)
            learned = tuple(LABELS) if last else EQUATIONS[:stage]
            rows += scored([(arm, stage, model, learned)], world_states)
    elif arm == "merged":
        models = separate(start, seed)
        arms = [("own adapter each", 3, m, (n,)) for m, n in zip(models, EQUATIONS, strict=True)]
        for kind, weight in MERGES.items():
            arms.append((f"merged, {kind}", 3, merged(models, start, seed, weight), tuple(LABELS)))
    else:
        arms = [(arm, 3, joint(start, seed), tuple(LABELS))]
    rows += scored(arms, world_states)
    spent = {"cpu_seconds": round(time.process_time() - began, 1), "steps": STEPS}
    rows = [row | {"seed": seed, "lr": RATE} | spent for row in rows]
    short = lambda value: float(f"{value:.4g}") if isinstance(value, float) else value  # noqa: E731
    return [{name: short(value) for name, value in row.items()} for row in rows]


def scored(arms: list[tuple[str, int, Any, tuple[str, ...]]], states: Any) -> list[Row]:
    """Return a row for each model and equation."""
    rows = []
    for arm, stage, model, names in arms:
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        trained = 0 if arm == "frozen base" else trained
        for name in names:
            row: Row = {"arm": arm, "stage": stage, "equation": name, "trained": trained}
            rows.append(row | scores(model.eval(), states[name], name))
    return rows


def main() -> None:
    """Measure the arms that the CSV lacks, and add them."""
    options = parsed(
        __doc__,
        SEEDS,
        option("--arms", nargs="*", default=list(ARMS), choices=list(ARMS)),
        out("continual_generation"),
        option("--work", type=Path, default=Path(gettempdir()) / "continual_generation"),
    )
    table = Table(options.out)
    for seed in options.seeds:
        for arm in options.arms:
            if not table.has(arm="own adapter each" if arm == "merged" else arm, seed=seed):
                table.add(*tested(arm, world(seed, options.work), seed))


if __name__ == "__main__":
    main()
