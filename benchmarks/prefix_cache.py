"""A training step on ViT-S/16 with LoRA on its last four blocks, the frozen prefix cached or not.

    python benchmarks/prefix_cache.py

Writes benchmarks/results/prefix_cache.csv. A step is forward, backward and AdamW on a batch of 8
images, in float32 on one thread; looking the features up, keys included, belongs to it. Rounds are
interleaved A B C D, D C B A. A time is the median over rounds of the process's CPU time, a ratio
the median over rounds of uncached / rival with a bootstrapped 95 % interval. `limit` is the same
step on features that lie ready, by hand and without keys. Before that, all rivals take the same
steps, and their gradients are compared: the error is the largest relative one over all trained
tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import cycle

import numpy as np
import timm
import torch
import torch.nn.functional as F
from lora.timing import interleaved, ratio
from peft import LoraConfig
from runner import machine, option, out, parsed, printed, write
from torch import Tensor, nn

from scionwood import attach
from scionwood_scale.prefix.cache import FrozenPrefix

LAST_FOUR = r"blocks\.(8|9|10|11)\.attn\.qkv"
BATCH, BATCHES = 8, 2


class Suffix(nn.Module):
    """The part of a ViT behind the eighth block, on precomputed features."""

    def __init__(self, model: nn.Module, batches: list[Tensor]) -> None:
        super().__init__()
        self.model, vit = model, model.get_base_model()
        layers = [vit.patch_drop, vit.norm_pre, *vit.blocks[:8]]
        with torch.no_grad():
            self.features = [
                nn.Sequential(*layers)(vit._pos_embed(vit.patch_embed(x))) for x in batches
            ]
        self.batches = batches

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (8, 10) of one of the batches."""
        vit = self.model.get_base_model()
        ready = next(f for f, batch in zip(self.features, self.batches, strict=True) if batch is x)
        return vit.forward_head(vit.norm(nn.Sequential(*vit.blocks[8:])(ready)))


def tuned() -> nn.Module:
    """Return a ViT-S/16 with random weights and LoRA on the last four blocks."""
    torch.manual_seed(0)
    model = timm.create_model("vit_small_patch16_224", num_classes=10)
    example = (torch.zeros(1, 3, 224, 224),)
    return attach(model, LoraConfig(r=8, lora_alpha=16), targets=LAST_FOUR, example=example).train()


def rivals(batches: list[Tensor]) -> tuple[dict[str, nn.Module], dict[str, FrozenPrefix]]:
    """Return copies of one model that obtain the features in different ways, and their caches."""
    model = tuned()
    models = {name: copy.deepcopy(model) for name in ("uncached", "cached", "cached in bfloat16")}
    models["limit"] = Suffix(copy.deepcopy(model), batches)
    caches = {
        "cached": FrozenPrefix(models["cached"]),
        "cached in bfloat16": FrozenPrefix(models["cached in bfloat16"], dtype=torch.bfloat16),
    }
    return models, caches


def steps(model: nn.Module, batches: list[Tensor], labels: Tensor) -> Callable[[], None]:
    """Return a training step, which takes one batch after another."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    order = cycle(batches)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(next(order)), labels).backward()
        optimizer.step()

    return step


def gradient_error(model: nn.Module, reference: nn.Module) -> float:
    """Return the largest relative difference of gradients over the trained tensors."""
    pairs = zip(model.parameters(), reference.parameters(), strict=True)
    gradients = [(p.grad, q.grad) for p, q in pairs if q.requires_grad]
    assert len(gradients) == 8
    assert all(g is not None and g.norm() > 0 for pair in gradients for g in pair)
    return max(float((a - b).norm() / b.norm()) for a, b in gradients)


def cases(rounds: int) -> list[dict[str, object]]:
    """Yield the rows of the table."""
    generator = torch.Generator().manual_seed(0)
    batches = list(torch.randn(BATCHES, BATCH, 3, 224, 224, generator=generator))
    labels = torch.arange(BATCH) % 10
    models, caches = rivals(batches)
    runs = {name: steps(model, batches, labels) for name, model in models.items()}
    for _ in range(2 * BATCHES):  # a first epoch that fills the caches, and one that is served
        for run in runs.values():
            run()
    assert all(cache.hits == BATCH * BATCHES for cache in caches.values())
    wrong = {name: gradient_error(model, models["uncached"]) for name, model in models.items()}
    assert wrong["cached"] < 1e-5
    times = interleaved(runs, rounds, warm=0.0)
    rows = []
    for name in models:
        middle, low, high = ratio(times["uncached"], times[name])
        rows.append(
            {
                "rival": name,
                "median_s": f"{np.median(times[name]):.3f}",
                "times_faster": f"{middle:.2f}",
                "ci_low": f"{low:.2f}",
                "ci_high": f"{high:.2f}",
                "of_limit": f"{np.median(times['limit']) / np.median(times[name]):.2f}",
                "bytes_a_sample": caches[name].row_bytes if name in caches else "",
                "gradient_error": f"{wrong[name]:.1e}",
            }
        )
    return rows


def main() -> None:
    options = parsed(
        __doc__,
        option("--rounds", type=int, default=30),
        out("prefix_cache"),
    )
    about = {"rounds": options.rounds} | machine()
    write(options.out, printed(cases(options.rounds), about))


if __name__ == "__main__":
    main()
