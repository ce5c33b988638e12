"""What `kernels: {recompute: ...}` costs and saves: bytes kept for backward, and time of a step.

    python benchmarks/lora_recompute.py                # five minutes
    python benchmarks/lora_recompute.py --only llama   # the models with this word

Writes lora_recompute.csv into benchmarks/results. Models are those of lora_memory.csv on a bfloat16
base, with adapters in all linear layers. Steps are interleaved, and the losses of all are equal.
"""

from __future__ import annotations

from functools import partial

import torch
from lora.memory import kept_by
from lora.models import REGIMES, TINY, Setup, Variant, language_models, prepare, vit
from lora.timing import compared, interleaved
from runner import Row, machine, option, out, parsed, replace_rows
from scionwood.kernels.origin import CHOICES, Recompute
from torch import nn

from scionwood.kernels import enable


def bytes_of(setup: Setup, choice: Recompute | None) -> int:
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
    floor, regime = bytes_of(setup, None), REGIMES[-1]
    x = torch.randn(setup.shape, generator=torch.Generator().manual_seed(3)).to(regime.base)
    steps, losses = {}, set()
    for choice in CHOICES:
        model = prepare(setup, Variant("ours", regime, "all", 0.0, True))
        enable(model, recompute=choice)
        losses.add(_run(model, x))
        steps[choice] = partial(_run, model, x)
    assert len(losses) == 1, "the same bits in every choice"
    times = interleaved(steps, rounds)
    table = []
    for choice in CHOICES:
        size = bytes_of(setup, choice)
        table.append(
            {
                "device": "cpu",
                "model": setup.title,
                "form": choice,
                "mib": f"{size / 2**20:.2f}",
                "over_frozen": f"{size / floor:.3f}",
                **compared(times[choice], times["memory"]),
                "rounds": rounds,
                **machine(),
            }
        )
    return table


def main() -> None:
    """Measure, print and write."""
    options = parsed(
        __doc__,
        option("--rounds", type=int, default=11),
        option("--only", default="", help="a word in the name of the model"),
        option("--quick", action="store_true", help="a tiny model only"),
        out("lora_recompute"),
    )
    setups = [TINY] if options.quick else [
        vit("vit_small_patch16_224", 8),
        vit("vit_small_patch16_224", 1),
        *language_models(512, 6, 512, 2),
    ]  # fmt: skip
    for setup in (setup for setup in setups if options.only in setup.title):
        table = rows(setup, options.rounds)
        print(*[{k: r[k] for k in ("model", "form", "mib", "times_ours")} for r in table[-3:]])
        replace_rows(options.out, table, ("model",))


if __name__ == "__main__":
    main()
