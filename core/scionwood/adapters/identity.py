"""The identity of a base: a hash of its weights, so that an adapter is never put on another one."""

from __future__ import annotations

import hashlib

import torch
import torch.nn as nn
from peft import PeftModel
from peft.utils.save_and_load import get_base_model_state_dict

from scionwood.adapters.head import backbone, head_names, in_head

ATTRIBUTE = "_scionwood_base"
"""Where a model with adapters remembers the hash of its base, taken before anything was wrapped."""


def remembered_hash(model: nn.Module) -> str:
    """The base's hash: as remembered since the adapter was attached, or else computed now."""
    remembered: str | None = getattr(model, ATTRIBUTE, None)
    return remembered or base_hash(model)


def base_hash(model: nn.Module) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of the base's parameters and saved buffers.

    Neither adapters nor the head count, so that attaching and training leave the hash as it is. A
    base that was loaded in another dtype is another base.

    Returns:
        64 hexadecimal digits.
    """
    head = head_names(model)
    state = _base_state(model)
    total = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        if in_head(name, head) or not isinstance(value, torch.Tensor):
            continue
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        total.update(_bytes(value))
    return total.hexdigest()


def _base_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """The base's tensors by the names that they have without adapters."""
    if not isinstance(model, PeftModel):
        return model.state_dict()
    if model.active_peft_config.is_adaption_prompt:  # wraps under names that peft's walk misses
        with model.disable_adapter():
            return dict(backbone(model).state_dict())
    return dict(get_base_model_state_dict(model))


def _bytes(value: torch.Tensor) -> memoryview:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
