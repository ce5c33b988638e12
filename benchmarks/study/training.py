"""Train a method for a number of CPU seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]


def timed(
    loss: Step, groups: list[dict[str, Any]], n: int, settings: dict[str, Any], seed: int
) -> int:
    """Train with AdamW: a warm-up, then half a cosine, by the share of the CPU time that is used.

    Args:
        loss: the loss of the examples with these places, (batch,) int64.
        groups: parameter groups, each with its `lr`.
        n: training examples.
        settings: `seconds`, `batch`, `warm` and `clip` as registered.
        seed: of the order of examples.

    Returns:
        The number of steps.
    """
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    tops = [group["lr"] for group in optimizer.param_groups]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    spent, steps = 0.0, 0
    for places in batches(n, settings["batch"], seed):
        start = time.process_time()
        scale = share(spent / settings["seconds"], settings["warm"])
        for group, top in zip(optimizer.param_groups, tops, strict=True):
            group["lr"] = top * scale
        loss(places).backward()
        nn.utils.clip_grad_norm_(trained, settings["clip"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps += 1
        spent += time.process_time() - start
        if spent >= settings["seconds"]:
            break
    return steps


def share(part: float, warm: float) -> float:
    """Return the share of the highest rate when a part of the time is over."""
    if part < warm:
        return (part + 0.02) / (warm + 0.02)
    return (1 + math.cos(math.pi * min(1.0, (part - warm) / (1 - warm)))) / 2


def batches(n: int, size: int, seed: int) -> Iterator[Tensor]:
    """Yield places of examples without end; every example comes once before one comes again."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.zeros(0, dtype=torch.long)
    while True:
        while len(order) < min(size, n):
            order = torch.cat([order, torch.randperm(n, generator=generator)])
        yield order[:size]
        order = order[size:]


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the correlation of the ranks of two lists."""
    from scipy.stats import spearmanr

    return float(spearmanr(left, right).statistic)
