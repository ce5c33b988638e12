"""Gradients of two processes that communicate over gloo."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from method_layers import adapted, example, trainable, unsettle
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

ROWS = 4
"""The number of rows of the batch in each process."""


KINDS = {"peml": "attention", "p2d_heads": "heads", "partial": "parts"}
"""Models of the methods that need more than one layer."""


def model_and_batch(method: str) -> tuple[nn.Module, Tensor]:
    """Return the adapted model and the whole batch; both are the same in every process."""
    torch.manual_seed(4)
    kind = KINDS.get(method, "Linear")
    x, parts = example(kind), {"target_modules": ["norm", "readout"]}
    model = unsettle(adapted(method, kind, **parts if method == "partial" else {}))
    return model, torch.cat([x, x.flip(0), x.flip(-1), x])[: 2 * ROWS]


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
