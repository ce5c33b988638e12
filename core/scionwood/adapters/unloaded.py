"""Attach an adapter to a base whose weights have no values yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer

from scionwood.adapters.modules import adapter_parameters


@contextmanager
def adapters_on_cpu() -> Iterator[None]:
    """Let peft leave new adapters on the CPU in this block, if their base is on the meta device.

    peft moves an adapter to the device of its base. On the meta device it would lose its values.
    """
    original = BaseTunerLayer._get_base_layer_device_and_dtype

    def real(layer: Any, base_layer: Any) -> tuple[torch.device | None, torch.dtype | None]:
        device, dtype = original(layer, base_layer)
        meta = device is not None and device.type == "meta"
        return torch.device("cpu") if meta else device, dtype

    BaseTunerLayer._get_base_layer_device_and_dtype = real
    try:
        yield
    finally:
        BaseTunerLayer._get_base_layer_device_and_dtype = original


def without_values(model: nn.Module) -> list[str]:
    """Return the names of the adapter's parameters that have no values.

    Args:
        model: a model with adapters. A method that computes its start from the base's weights, such
            as DoRA, has such parameters if the base has no values.
    """
    return [name for name, value in adapter_parameters(model).items() if value.is_meta]
