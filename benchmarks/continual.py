"""Learn five tasks one after another on digits; measure what is learned and what is forgotten.

    python benchmarks/continual.py

The base model is a perceptron trained on scikit-learn's 8 x 8 digits. The tasks show the digits
rotated by 90, 180 and 270 degrees, and with their pixels permuted in two ways. All tasks share the
ten outputs. Methods: LoRA without protection (naive), peft's OSF merged after each task, LoRA with
online EWC, ACE-LoRA, SeqLoRA, and iGSP with four experts of rank 2 per task (the last three are
reconstructions). LoRA on all tasks at once is an upper bound. Learning rate and strength of each
method give the best average accuracy on a validation part with seed 100. Seeds 0, 1 and 2 then run
on the test part. The benchmark writes benchmarks/results/continual.csv in about three minutes on
one core.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, OSFConfig, PeftModel, get_peft_model
from runner import Row, machine, option, out, parsed, replace_rows
from sklearn.datasets import load_digits
from torch import Tensor, nn

from scionwood.authoring import minimise
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

TARGETS = ["0", "2", "4"]
RANK, BATCH, TUNING = 8, 32, 100
EXPERTS, WARM = 4, 20
Data = tuple[Tensor, Tensor]
Task = dict[str, Data]


def losses(model: nn.Module, batch: Data) -> Tensor:
    """Return the loss of each sample in nats."""
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
"""Learning rates and strengths by method; all methods have the same rates."""


def digits() -> Task:
    """Return images (n, 64) from 0 to 1, and classes; the parts do not depend on the seed."""
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
    """Return rotations and permutations of the pixels, alternating."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.arange(64).view(8, 8)
    turns = [torch.rot90(grid, k).flatten() for k in (1, 2, 3)]
    shuffles = [torch.randperm(64, generator=generator) for _ in range(2)]
    orders = [turns[0], shuffles[0], turns[1], shuffles[1], turns[2]]
    images = digits()
    return [{part: (x[:, order], y) for part, (x, y) in images.items()} for order in orders]


def base(seed: int, steps: int) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    train(model, digits()["train"], 3e-3, steps)
    return model


def stream(data: Data, steps: int) -> list[Data]:
    """Return random batches, drawn from the global generator of torch."""
    picks = torch.randint(len(data[1]), (steps, BATCH))
    return [(data[0][pick], data[1][pick]) for pick in picks]


def train(model: nn.Module, data: Data, lr: float, steps: int) -> None:
    """Train the parameters that require gradients."""
    batches = stream(data, steps)
    parameters = [p for p in model.parameters() if p.requires_grad]

    def loss(step: int) -> Tensor:
        return losses(model, batches[step]).mean()

    minimise(loss, parameters, steps=steps, lr=lr, weight_decay=0.01)


def learn(controller: ContinualController, name: str, data: Data, lr: float, steps: int) -> int:
    """Learn a task, and return the number of parameters that train."""
    model = controller.model
    before = count(model)
    controller.begin(name)
    trained = count(model) - before or before  # iGSP freezes those of earlier tasks
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


def adapted(model: nn.Module, method: str) -> PeftModel:
    if method == "igsp":
        r = RANK // EXPERTS
        config: Any = IgspConfig(r=r, alpha=2 * r, experts=EXPERTS, target_modules=TARGETS)
    else:
        config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS)
    return get_peft_model(model, config)


def sequence(
    method: str, seed: int, lr: float, strength: float, part: str, steps: int
) -> tuple[list[list[float]], float, int]:
    """Return accuracies after each task, on plain digits at the end, and parameters per task."""
    model: Any = base(seed, 2 * steps)
    todo, rows, trained = tasks(seed), [], 0
    make = controllers(strength).get(method)
    if method != "peft OSF":
        model = adapted(model, method)
    controller = ContinualController(model, make()) if make else None
    if method.startswith("joint"):
        parts = [task["train"] for task in todo]
        train(
            model,
            (torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])),
            lr,
            steps * len(todo),
        )
        row = [accuracy(model, item[part]) for item in todo]
        return [row] * len(todo), accuracy(model, digits()[part]), count(model)
    for number, task in enumerate(todo):
        if method == "peft OSF":
            # Each task keeps a larger share of the singular directions, as peft's guide proposes.
            share = (number + 1) / (len(todo) + 1)
            model = get_peft_model(model, OSFConfig(target_modules=TARGETS, effective_rank=share))
        if controller is not None:
            learned = learn(controller, str(number), task["train"], lr, steps)
        else:
            learned = count(model)
            train(model, task["train"], lr, steps)
        trained = max(trained, learned)
        if method == "peft OSF":
            model = model.merge_and_unload()
        rows.append([accuracy(model, item[part]) for item in todo])
    return rows, accuracy(model, digits()[part]), trained


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def chosen(method: str, steps: int) -> tuple[float, float]:
    """Return the options with the best average accuracy on the validation part."""

    def score(options: tuple[float, float]) -> float:
        return average_accuracy(sequence(method, TUNING, *options, "valid", steps)[0])

    return max(GRIDS[method], key=score)


def measure(method: str, seeds: Sequence[int], steps: int) -> list[Row]:
    lr, strength = chosen(method, steps)
    rows: list[Row] = []
    for seed in seeds:
        start = time.process_time()
        matrix, plain, trained = sequence(method, seed, lr, strength, "test", steps)
        scores = {
            "average_accuracy": average_accuracy(matrix),
            "backward_transfer": backward_transfer(matrix),
            "forgetting": forgetting(matrix),
            "learnt": sum(matrix[i][i] for i in range(len(matrix))) / len(matrix),
            "plain_digits": plain,
        }
        if method.startswith("joint"):  # it has no sequence
            scores |= dict.fromkeys(("backward_transfer", "forgetting", "learnt"), math.nan)
        rows.append(
            {
                "method": method,
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


def main() -> None:
    options = parsed(
        __doc__,
        option("--seeds", type=int, default=3),
        option("--steps", type=int, default=100, help="steps per task"),
        option("--methods", nargs="*", default=list(GRIDS), choices=list(GRIDS)),
        out("continual"),
    )
    rows = [
        row | machine()
        for method in options.methods
        for row in measure(method, range(options.seeds), options.steps)
    ]
    place = list(GRIDS).index
    replace_rows(options.out, rows, ("method",), order=lambda row: place(row["method"]))


if __name__ == "__main__":
    main()
