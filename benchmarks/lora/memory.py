"""Bytes stored for the backward pass: unique storages, without parameters and the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def kept_by(model: nn.Module, x: Tensor) -> int:
    """Return the bytes that a forward pass stores."""
    sizes: dict[int, tuple[Tensor, int]] = {}  # tensors, so that no address is used twice
    ignored = {_address(t) for t in [x, *model.parameters(), *model.buffers()]}

    def pack(tensor: Tensor) -> Tensor:
        tensor = tensor.detach()  # returned as it is, it would keep its own graph alive for ever
        if _address(tensor) not in ignored:
            sizes[_address(tensor)] = tensor, tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(x)
    assert output.requires_grad, "nothing is kept: nothing is differentiated"
    return sum(size for _, size in sizes.values())


def _address(tensor: Tensor | nn.Parameter) -> int:
    return tensor.untyped_storage().data_ptr()
