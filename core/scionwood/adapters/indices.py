"""Bounds for the whole numbers in an adapter: they index into weights, some without a check."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn as nn
from peft import PeftConfig

from scionwood.adapters.head import backbone
from scionwood.errors import AdapterError

_PREFIX = "base_model.model."


def check_indices(
    tensors: Mapping[str, torch.Tensor],
    own: Mapping[str, torch.Tensor],
    model: nn.Module,
    config: PeftConfig,
) -> None:
    """Demand that each whole number in `tensors` is an index that exists.

    Args:
        tensors: read from a file, their shapes checked.
        own: what the method itself puts there, see `blueprint`.
        model: the backbone.
        config: of the adapter.

    Raises:
        AdapterError: naming the tensor.
    """
    for key, value in tensors.items():
        if value.is_floating_point() or value.numel() == 0:
            continue
        limit = _limit(key, own, model, config)
        if bool((value.long() < 0).any()) or bool((value.long() >= limit).any()):
            raise AdapterError(key, f"holds an index that is not in [0, {limit.tolist()})")


def _limit(
    key: str, own: Mapping[str, torch.Tensor], model: nn.Module, config: PeftConfig
) -> torch.Tensor:
    """The exclusive upper bound, shaped to broadcast over the tensor."""
    if key.endswith("num_batches_tracked"):  # of a norm in modules_to_save
        return torch.tensor(1 << 62)
    if "unilora_indices" in key:
        return torch.tensor(config.theta_d_length)
    if key.endswith("_topk_indices"):
        return torch.tensor(config.num_vectors)
    if "frod_s_" in key:
        size = own[key.replace("frod_s_indices", "frod_s_size")].reshape(-1, 1)
        return size if "indices" in key else size.reshape(-1) + 1
    shape = _weight(key, model)
    if key.endswith("shira_indices"):
        return torch.tensor(shape[:2]).reshape(2, 1)
    return torch.tensor(shape.numel())


def _weight(key: str, model: nn.Module) -> torch.Size:
    """The shape of the adapted module's weight, or of the largest tensor where there is none."""
    module, rest = backbone(model), key.removeprefix(_PREFIX).split(".")
    while rest and isinstance(child := module._modules.get(rest[0]), nn.Module):
        module, rest = child, rest[1:]
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor):
        return weight.shape
    return max((p.shape for p in model.parameters()), key=torch.Size.numel)
