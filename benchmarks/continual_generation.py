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

import argparse
import csv
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
from lora.timing import machine
from torch import Tensor

from scionwood.authoring import atomic_path, minimise, warm_cosine
from scionwood_methods.continual import AceLora, ContinualController, ContinualMethod, SeqLora
from scionwood_methods.continual.factors import add_frozen, fill, lora_layers, matrices
from scionwood_methods.continual.naive import Naive

RESULTS = Path(__file__).parent / "results" / "continual_generation.csv"
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

Row = dict[str, Any]


def learn(controller: ContinualController, name: str, each: States, seed: int) -> None:
    """Learn one equation."""
    controller.begin(name)
    trained = [p for p in controller.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0)
    schedule = warm_cosine(STEPS)(optimizer)
    random = torch.Generator().manual_seed(100 * seed + each.label)
    for _ in range(STEPS):
        optimizer.zero_grad()
        both_losses(controller.model, each, random).backward()
        controller.adjust(None)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        controller.stepped()
        schedule.step()
    controller.end([])


def sequence(arm: str, start: World, seed: int) -> Iterator[Any]:
    """Yield the model after each equation."""
    path, known = start
    controller = ContinualController(adapted(path, seed), METHODS[arm]())
    for name in EQUATIONS:
        learn(controller, name, known[name], seed)
        yield controller.model


def separate(start: World, seed: int) -> list[Any]:
    """Return a model with an own adapter for each equation."""
    path, known = start
    models = []
    for name in EQUATIONS:
        controller = ContinualController(adapted(path, seed), Naive())
        learn(controller, name, known[name], seed)
        models.append(controller.model)
    return models


@torch.no_grad()
def merged(models: list[Any], start: World, seed: int, weight: float) -> Any:
    """Return the base with the changes of all adapters, each times a weight."""
    whole = adapted(start[0], seed)
    for number, model in enumerate(models):
        add_frozen(whole, f"own{number}", "default")
        layers = lora_layers(model, "default")
        for name, layer in lora_layers(whole, f"own{number}").items():
            b, a = matrices(layers[name], "default")
            fill(layer, f"own{number}", weight * b, a)
    return whole


def joint(start: World, seed: int) -> Any:
    """Return a model that learns all equations at once, in as many steps as a sequence."""
    path, known = start
    model = adapted(path, seed)
    random = torch.Generator().manual_seed(seed)
    steps = STEPS * len(EQUATIONS)

    def loss(step: int) -> Tensor:
        return both_losses(model, known[EQUATIONS[step % len(EQUATIONS)]], random)

    trained = [p for p in model.parameters() if p.requires_grad]
    minimise(loss, trained, steps=steps, lr=RATE, schedule=warm_cosine(steps), clip=1.0)
    return model


def tested(arm: str, start: World, seed: int) -> list[Row]:
    """Return the scores of an arm with one seed, by stage and equation."""
    path, known = start
    began = time.process_time()
    made: list[tuple[str, int, Any, tuple[str, ...]]] = []
    rows: list[Row] = []
    if arm == "frozen base":
        made = [(arm, 0, generator(velocity=path), tuple(LABELS))]
        for name in LABELS:
            row: Row = {"arm": "two real sets", "stage": 0, "equation": name, "trained": 0}
            rows.append(row | floor(known[name], name))
    elif arm in METHODS:
        for stage, model in enumerate(sequence(arm, start, seed), 1):
            last = stage == len(EQUATIONS)
            seen = tuple(LABELS) if last else EQUATIONS[:stage]
            rows += scored([(arm, stage, model, seen)], known)
    elif arm == "merged":
        models = separate(start, seed)
        made = [("own adapter each", 3, m, (n,)) for m, n in zip(models, EQUATIONS, strict=True)]
        for kind, weight in MERGES.items():
            made.append((f"merged, {kind}", 3, merged(models, start, seed, weight), tuple(LABELS)))
    else:
        made = [(arm, 3, joint(start, seed), tuple(LABELS))]
    rows += scored(made, known)
    spent = {"cpu_seconds": round(time.process_time() - began, 1), "steps": STEPS}
    return [row | {"seed": seed, "lr": RATE} | spent for row in rows]


def scored(made: list[tuple[str, int, Any, tuple[str, ...]]], known: Any) -> list[Row]:
    """Return a row for each model and equation."""
    rows = []
    for arm, stage, model, names in made:
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        trained = 0 if arm == "frozen base" else trained
        for name in names:
            row: Row = {"arm": arm, "stage": stage, "equation": name, "trained": trained}
            rows.append(row | scores(model.eval(), known[name], name))
    return rows


def append(path: Path, rows: list[Row]) -> None:
    """Add rows to the file, whole or not at all."""
    old: list[Row] = []
    if path.exists():
        with path.open(newline="") as file:
            old = list(csv.DictReader(file))
    new = [row | machine("cpu") for row in rows]
    for row in new:
        row.update({k: float(f"{v:.4g}") for k, v in row.items() if isinstance(v, float)})
    with atomic_path(path) as part, part.open("w", newline="") as file:
        columns = dict.fromkeys([*FIELDS, *(name for row in [*old, *new] for name in row)])
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows([*old, *new])
    print(*(row["arm"] for row in rows[:1]), *(row["seed"] for row in rows[:1]), flush=True)


def done(path: Path) -> list[Row]:
    """Return the rows of the file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def measured(path: Path, arm: str, seed: int) -> bool:
    """Return whether the file has the rows of an arm and seed."""
    name = "own adapter each" if arm == "merged" else arm
    return any(row["arm"] == name and row["seed"] == str(seed) for row in done(path))


def main() -> None:
    """Measure the arms that the CSV lacks, and add them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=Path(gettempdir()) / "continual_generation")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for seed in given.seeds:
        for arm in given.arms:
            if not measured(given.out, arm, seed):
                append(given.out, tested(arm, world(seed, given.work), seed))


if __name__ == "__main__":
    main()
