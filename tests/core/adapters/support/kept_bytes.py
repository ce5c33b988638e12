"""Measure what a model keeps for the backward pass."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def kept_mib(model, x=None, *, start=True):
    """Return the MiB kept for the backward pass, without parameters and the input."""
    x = torch.randn(8, 3, 224, 224, dtype=torch.bfloat16) if x is None else x
    x = x.requires_grad_(start)
    known = [x, *model.parameters(), *model.buffers()]
    skip = {t.untyped_storage().data_ptr() for t in known}
    seen = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in skip:
            seen[storage.data_ptr()] = storage  # a reference, so that its address is not reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        scores = model.train()(x).float().flatten(0, -2)
        loss = F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))
    total = sum(storage.nbytes() for storage in seen.values())
    del loss
    return total / 2**20
