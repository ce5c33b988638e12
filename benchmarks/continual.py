"""Five tasks one after another on digits: what is learnt, and what is forgotten.

    python benchmarks/continual.py

The base is a perceptron trained on scikit-learn's 8 x 8 digits. The tasks show it the digits
rotated by 90, 180 and 270 degrees, and with their pixels permuted in two ways; all share its ten
outputs. Arms: LoRA trained on and on (naive), peft's OSF merged after each task, LoRA with online
EWC, ACE-LoRA and SeqLoRA, iGSP with four experts of rank 2 a task (the last three are
reconstructions), and, as a bound, LoRA on all tasks at once. Each arm's learning rate and strength
are those of the best average accuracy on a validation part with seed 100; then seeds 0, 1 and 2 on
the test part. Writes benchmarks/results/continual.csv, about three minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, OSFConfig, PeftModel, get_peft_model
from sklearn.datasets import load_digits
from torch import Tensor, nn

from scionwood import atomic_path
from scionwood_methods.continual import (
    AceLora,
    ContinualController,
    ContinualMethod,
    Ewc,
    Igsp,
    SeqLora,
    average_accuracy,
    backward_transfer,
    forgetting,
)
from scionwood_methods.igsp.tuner import IgspConfig

RESULTS = Path(__file__).parent / "results" / "continual.csv"
TARGETS = ["0", "2", "4"]
RANK, BATCH, TUNING = 8, 32, 100
EXPERTS, WARM = 4, 20
Data = tuple[Tensor, Tensor]
Task = dict[str, Data]
Row = dict[str, object]


def losses(model: nn.Module, batch: Data) -> Tensor:
    """nats, one a sample."""
    return F.cross_entropy(model(batch[0]), batch[1], reduction="none")


def controllers(strength: float) -> dict[str, Callable[[], ContinualMethod]]:
    return {
        "ewc": lambda: Ewc(losses, strength=strength),
        "ace_lora_edit": lambda: AceLora(rank=16, strength=strength, threshold=0.0),
        "seqlora_bilevel": SeqLora,
        "igsp": lambda: Igsp(warm=WARM, candidates=EXPERTS, strength=strength),
    }


RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
STRENGTHS = [0.1, 1.0, 10.0, 100.0]
GRIDS: dict[str, list[tuple[float, float]]] = {
    "naive LoRA": [(lr, 0.0) for lr in RATES],
    "peft OSF": [(lr, 0.0) for lr in RATES],
    "ewc": list(itertools.product(RATES, STRENGTHS)),
    "ace_lora_edit": list(itertools.product(RATES, STRENGTHS)),
    "seqlora_bilevel": [(lr, 0.0) for lr in RATES],
    "igsp": list(itertools.product(RATES, STRENGTHS)),
    "joint LoRA (bound)": [(lr, 0.0) for lr in RATES],
}
"""Learning rates and strengths by arm; every arm has the same rates."""


def digits() -> Task:
    """Images (n, 64) scaled to 0 to 1, and classes; the parts are the same for every seed."""
    bunch = load_digits()
    order = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(bunch.data, dtype=torch.float32)[order] / 16
    y = torch.tensor(bunch.target)[order]
    train, valid = int(0.6 * len(y)), int(0.8 * len(y))
    return {
        "train": (x[:train], y[:train]),
        "valid": (x[train:valid], y[train:valid]),
        "test": (x[valid:], y[valid:]),
    }


def tasks(seed: int) -> list[Task]:
    """Rotations and permutations of the pixels, in turns."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.arange(64).view(8, 8)
    turns = [torch.rot90(grid, k).flatten() for k in (1, 2, 3)]
    shuffles = [torch.randperm(64, generator=generator) for _ in range(2)]
    orders = [turns[0], shuffles[0], turns[1], shuffles[1], turns[2]]
    whole = digits()
    return [{part: (x[:, order], y) for part, (x, y) in whole.items()} for order in orders]


def base(seed: int, steps: int) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for batch in stream(digits()["train"], steps):
        optimizer.zero_grad()
        losses(model, batch).mean().backward()
        optimizer.step()
    return model


def stream(data: Data, steps: int) -> list[Data]:
    """Random batches, from torch's own generator."""
    picks = torch.randint(len(data[1]), (steps, BATCH))
    return [(data[0][pick], data[1][pick]) for pick in picks]


def train(model: nn.Module, data: Data, lr: float, steps: int) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    for batch in stream(data, steps):
        optimizer.zero_grad()
        losses(model, batch).mean().backward()
        optimizer.step()


def learn(controller: ContinualController, name: str, data: Data, lr: float, steps: int) -> int:
    """Learn a task; the number of parameters that learn it."""
    model = controller.model
    before = count(model)
    controller.begin(name)
    trained = count(model) - before or before  # those of iGSP's earlier tasks stand
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    for batch in stream(data, steps):
        optimizer.zero_grad()
        losses(model, batch).mean().backward()
        controller.adjust(batch)
        optimizer.step()
        controller.stepped()
    controller.end(stream(data, 8))
    return trained


@torch.no_grad()
def accuracy(model: nn.Module, data: Data) -> float:
    return float((model(data[0]).argmax(1) == data[1]).float().mean())


def adapted(model: nn.Module, arm: str) -> PeftModel:
    if arm == "igsp":
        r = RANK // EXPERTS
        config: Any = IgspConfig(r=r, alpha=2 * r, experts=EXPERTS, target_modules=TARGETS)
    else:
        config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS)
    return get_peft_model(model, config)


def sequence(
    arm: str, seed: int, lr: float, strength: float, part: str, steps: int
) -> tuple[list[list[float]], float, int]:
    """Accuracies after each task, that on the plain digits at the end, and what trains a task."""
    model: Any = base(seed, 2 * steps)
    todo, found, trained = tasks(seed), [], 0
    made = controllers(strength).get(arm)
    if arm != "peft OSF":
        model = adapted(model, arm)
    controller = ContinualController(model, made()) if made else None
    if arm.startswith("joint"):
        parts = [task["train"] for task in todo]
        train(
            model,
            (torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])),
            lr,
            steps * len(todo),
        )
        row = [accuracy(model, each[part]) for each in todo]
        return [row] * len(todo), accuracy(model, digits()[part]), count(model)
    for number, task in enumerate(todo):
        if arm == "peft OSF":
            # Each task keeps a larger share of the singular directions, as peft's guide proposes.
            share = (number + 1) / (len(todo) + 1)
            model = get_peft_model(model, OSFConfig(target_modules=TARGETS, effective_rank=share))
        if controller is not None:
            own = learn(controller, str(number), task["train"], lr, steps)
        else:
            own = count(model)
            train(model, task["train"], lr, steps)
        trained = max(trained, own)
        if arm == "peft OSF":
            model = model.merge_and_unload()
        found.append([accuracy(model, each[part]) for each in todo])
    return found, accuracy(model, digits()[part]), trained


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def chosen(arm: str, steps: int) -> tuple[float, float]:
    """The options of the best average accuracy on the validation part."""

    def score(options: tuple[float, float]) -> float:
        return average_accuracy(sequence(arm, TUNING, *options, "valid", steps)[0])

    return max(GRIDS[arm], key=score)


def measure(arm: str, seeds: Sequence[int], steps: int) -> list[Row]:
    """One row a seed."""
    lr, strength = chosen(arm, steps)
    rows: list[Row] = []
    for seed in seeds:
        start = time.process_time()
        found, plain, trained = sequence(arm, seed, lr, strength, "test", steps)
        scores = {
            "average_accuracy": average_accuracy(found),
            "backward_transfer": backward_transfer(found),
            "forgetting": forgetting(found),
            "learnt": sum(found[i][i] for i in range(len(found))) / len(found),
            "plain_digits": plain,
        }
        if arm.startswith("joint"):  # has no sequence
            scores |= dict.fromkeys(("backward_transfer", "forgetting", "learnt"), math.nan)
        rows.append(
            {
                "arm": arm,
                "seed": seed,
                **{k: "" if math.isnan(v) else round(v, 4) for k, v in scores.items()},
                "trained": trained,
                "lr": lr,
                "strength": strength or "",
                "steps": steps,
                "cpu_seconds": round(time.process_time() - start, 1),
            }
        )
        print(*rows[-1].values(), flush=True)
    return rows


def machine() -> Row:
    """What the figures were measured with."""
    return {
        "load": round(os.getloadavg()[0], 1),
        **{name: version(name) for name in ("torch", "peft", "scikit-learn")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "date": date.today().isoformat(),
    }


def others(path: Path, arms: Sequence[str]) -> list[Row]:
    """The rows of a file that are not measured now."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [dict(row) for row in csv.DictReader(file) if row["arm"] not in arms]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="a task")
    parser.add_argument("--arms", nargs="*", default=list(GRIDS), choices=list(GRIDS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        row for arm in options.arms for row in measure(arm, range(options.seeds), options.steps)
    ]
    rows = [*others(options.out, options.arms), *(row | machine() for row in rows)]
    rows.sort(key=lambda row: list(GRIDS).index(str(row["arm"])))
    with atomic_path(options.out) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
