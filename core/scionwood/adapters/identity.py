"""A hash of the base weights, so that an adapter is never loaded on another base."""

from __future__ import annotations

import hashlib

import torch
import torch.nn as nn
from peft import PeftModel
from peft.utils.save_and_load import get_base_model_state_dict

from scionwood.adapters.head import backbone, head_names, in_head
from scionwood.stored import chunks

ATTRIBUTE = "_scionwood_base"
"""The attribute in which a model with adapters stores the hash of its base before wrapping."""


def remembered_hash(model: nn.Module) -> str:
    """Return the hash stored when the first adapter was attached, or compute it now.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood.adapters import base_hash, remembered_hash
        >>> remembered_hash(tuned) == base_hash(tuned)
        True
    """
    remembered: str | None = getattr(model, ATTRIBUTE, None)
    return remembered or base_hash(model)


def base_hash(model: nn.Module) -> str:
    """Return the SHA-256 over names, dtypes, shapes and bytes of the base's saved tensors.

    These are its parameters and persistent buffers. Adapters and the head are left out, so that
    attaching and training do not change the hash. The same weights in another dtype give another
    hash. Of a base without values, see `empty_weights`, the bytes are read from its files.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> from scionwood.adapters import base_hash
        >>> model = torch.nn.Linear(8, 1)
        >>> before = base_hash(model)
        >>> model.weight.data[0, 0] += 1
        >>> base_hash(model) == before
        False
    """
    head = head_names(model)
    state = _base_state(model)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    total = hashlib.sha256()
    for name in sorted(state):
        value = state[name]
        if in_head(name, head) or not isinstance(value, torch.Tensor):
            continue
        total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        for part in chunks(parameters[name]) if value.is_meta else (value,):
            total.update(_bytes(part))
    return total.hexdigest()


def _base_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of the base by the names that they have without adapters."""
    if not isinstance(model, PeftModel):
        return model.state_dict()
    if (
        model.active_peft_config.is_adaption_prompt
    ):  # peft's own function misses the names of its wrappers
        with model.disable_adapter():
            return dict(backbone(model).state_dict())
    return dict(get_base_model_state_dict(model))


def _bytes(value: torch.Tensor) -> memoryview:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
