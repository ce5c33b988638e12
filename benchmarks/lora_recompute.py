"""What `kernels: {recompute: ...}` costs and saves: bytes kept for backward, and time of a step.

    python benchmarks/lora_recompute.py                # five minutes
    python benchmarks/lora_recompute.py --only llama   # the models with this word

Writes lora_recompute.csv into benchmarks/results. Models are those of lora_memory.csv on a bfloat16
base, with adapters in all linear layers. Steps are interleaved, and the losses of all are equal.
"""

from __future__ import annotations

import argparse
import csv
from functools import partial
from pathlib import Path

import torch
from lora import language
from lora.memory import kept_by
from lora.models import REGIMES, TINY, Setup, Variant, prepare, vit
from lora.timing import Row, compared, machine, measure, total, write
from torch import nn

from scionwood.kernels import enable
from scionwood.kernels.origin import CHOICES, Recompute

RESULTS = Path(__file__).parent / "results"


def kept(setup: Setup, choice: Recompute | None) -> int:
    """Return the bytes that a forward pass keeps; without a choice, those of the frozen network."""
    regime = REGIMES[-1]
    if choice is None:
        model: nn.Module = prepare(setup, Variant("frozen", regime))
    else:
        model = prepare(setup, Variant("ours", regime, "all", 0.0, True))
        enable(model, recompute=choice)
    return kept_by(model, torch.randn(setup.shape).to(regime.base))


def _run(model: nn.Module, x: torch.Tensor) -> float:
    model.zero_grad()
    loss = model(x).float().square().mean()
    loss.backward()
    return float(loss.detach())


def rows(setup: Setup, rounds: int) -> list[Row]:
    """Return a row for each choice of a model."""
    floor, regime = kept(setup, None), REGIMES[-1]
    x = torch.randn(setup.shape, generator=torch.Generator().manual_seed(3)).to(regime.base)
    steps, losses = {}, set()
    for choice in CHOICES:
        model = prepare(setup, Variant("ours", regime, "all", 0.0, True))
        enable(model, recompute=choice)
        losses.add(_run(model, x))
        steps[choice] = {"step": partial(_run, model, x)}
    assert len(losses) == 1, "the same bits in every choice"
    times = {name: total(each, ["step"]) for name, each in measure(steps, "cpu", rounds).items()}
    made = []
    for choice in CHOICES:
        size = kept(setup, choice)
        made.append(
            {
                "device": "cpu",
                "model": setup.title,
                "form": choice,
                "mib": f"{size / 2**20:.2f}",
                "over_frozen": f"{size / floor:.3f}",
                **compared(times[choice], times["memory"]),
                "rounds": rounds,
                **machine("cpu"),
            }
        )
    return made


def others(path: Path, model: str) -> list[Row]:
    """Return the rows of the other models in a file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [dict(row) for row in csv.DictReader(file) if row["model"] != model]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--only", default="", help="a word in the name of the model")
    parser.add_argument("--quick", action="store_true", help="a tiny model only")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    named = [TINY] if options.quick else [
        vit("vit_small_patch16_224", 8),
        vit("vit_small_patch16_224", 1),
        *language.setups(512, 6, 512, 2),
    ]  # fmt: skip
    path = options.output / "lora_recompute.csv"
    for setup in (each for each in named if options.only in each.title):
        found = rows(setup, options.rounds)
        print(*[{k: r[k] for k in ("model", "form", "mib", "times_ours")} for r in found[-3:]])
        write(path, [*others(path, setup.title), *found], "cpu")


if __name__ == "__main__":
    main()
