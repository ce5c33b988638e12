"""Numbers that all processes of a training share; one process alone keeps its own."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def mean_over_processes(x: Tensor) -> Tensor:
    """Return the mean of a tensor over the processes of a training."""
    return _reduced(x, dist.ReduceOp.SUM) / dist.get_world_size() if _several() else x


def largest_over_processes(x: Tensor) -> Tensor:
    """Return the largest value of each element over the processes of a training."""
    return _reduced(x, dist.ReduceOp.MAX) if _several() else x


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()


def _reduced(x: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    x = x.clone()
    dist.all_reduce(x, operation)
    return x
