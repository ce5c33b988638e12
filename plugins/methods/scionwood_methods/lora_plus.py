"""LoRA+ (Hayou, Ghosh and Yu 2024): a higher learning rate for the matrices B of LoRA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import AdamW, Optimizer

from scionwood import TrainingError


def lora_plus(
    groups: Sequence[dict[str, Any]],
    backbone: nn.Module,
    *,
    ratio: float = 16.0,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """Return AdamW that trains each matrix B of LoRA with a multiple of the learning rate.

    The weight decay is that of the task. The head and other parts of an adapter keep the rate.

    Args:
        groups: parameter groups with `params`, `lr`, `weight_decay` and `name`.
        backbone: the model with its adapter, which names the parameters.
        ratio: the rate of B over that of A; the paper recommends about 16 with a smaller rate of A.
        betas: decay rates of the two moments of AdamW.
        eps: the smallest denominator of AdamW.

    Shapes: A is (r, inputs) and B is (outputs, r), for linear layers and convolutions alike.

    Units: none; both rates are shares of a step.

    Raises:
        TrainingError: no trained parameter is a matrix B, or the ratio is not positive.

    Source: LoRA+, arXiv:2402.12354, equation 5 and section 4.
    """
    if ratio <= 0:
        raise TrainingError(f"ratio {ratio}", "it must be positive", "The paper uses 16")
    parameters = backbone.named_parameters()
    outer = {id(p) for name, p in parameters if p.requires_grad and "lora_B" in name}
    if not outer:
        rule = "no trained parameter is a matrix B of LoRA"
        raise TrainingError("optimizer methods/lora_plus", rule, "Use adapter.name: lora")
    split = []
    for group in groups:
        others = [p for p in group["params"] if id(p) not in outer]
        high = [p for p in group["params"] if id(p) in outer]
        split += [{**group, "params": others}] if others else []
        # A sums over the width of its layer and B over r only: the stable rate of A falls with the
        # width, and that of B does not. One rate for both therefore trains B too slowly.
        more = {"lr": ratio * group["lr"], "name": f"{group['name']}, B"}
        split += [{**group, "params": high, **more}] if high else []
    return AdamW(split, betas=betas, eps=eps)
