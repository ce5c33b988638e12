"""Gradients of two processes that communicate over gloo."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from attention_model import Attentive, numbers
from method_layers import adapted, example, trainable, unsettle
from peft import get_peft_model
from prefix_models import prefixed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scionwood_methods.p2d_heads.scores import head_targets
from scionwood_methods.peft import HeadSliceConfig, PartialConfig

ROWS = 4
"""The number of rows of the batch in each process."""


def with_heads() -> nn.Module:
    """Return a model that trains one head of each block with its heads of k and v."""
    base, heads = Attentive(), {"layers.0": [1], "layers.1": [2]}
    grouped = {"num_heads": 4, "num_kv_heads": 2, "target_modules": head_targets(base, heads)}
    return get_peft_model(base, HeadSliceConfig(heads=heads, **grouped))


ATTENTION: dict[str, Callable[[], nn.Module]] = {
    "peml": lambda: prefixed("plain"),
    "p2d_heads": with_heads,
    "partial": lambda: get_peft_model(Attentive(), PartialConfig(target_modules=["norm", "conv"])),
}
"""Models of the methods that need more than one layer."""


def model_and_batch(method: str) -> tuple[nn.Module, Tensor]:
    """Return the adapted model and the whole batch; both are the same in every process."""
    torch.manual_seed(4)
    if method in ATTENTION:
        return unsettle(ATTENTION[method]()), torch.cat([numbers() * k for k in range(1, ROWS + 1)])
    x = example("Linear")
    return unsettle(adapted(method, "Linear")), torch.cat([x, -x[: 2 * ROWS - len(x)]])


def gradient(rank: int, method: str, out: str) -> None:
    """Run one of the two processes; the first writes the gradients by name.

    Args:
        rank: 0 or 1.
        method: of the adapter.
        out: a file for the gradients; the two meet in a file beside it.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{out}.meet", rank=rank, world_size=2)
    model, x = model_and_batch(method)
    pair = DistributedDataParallel(model)
    pair(x[ROWS * rank :][:ROWS]).square().mean().backward()
    if rank == 0:
        torch.save({name: p.grad for name, p in trainable(model).items()}, out)
    _leave_together(Path(out), rank)


def _leave_together(out: Path, rank: int) -> None:
    """End the process when both have their gradient; shutting gloo down may hang."""
    out.with_suffix(f".{rank}").touch()
    while not out.with_suffix(f".{1 - rank}").exists():
        time.sleep(0.05)
    os._exit(0)
