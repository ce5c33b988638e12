"""QLoRA: a base whose linear layers have four-bit weights, by the key `backbone.quantize`."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from packaging.version import Version
from torch import nn

from scionwood.errors import AdapterError, PluginError

ON_CPU = Version("0.50")
"""The first version of bitsandbytes that this project has run without a GPU."""


def quantize(model: nn.Module) -> nn.Module:
    """Store the weights of linear layers in four bits (NF4), in place, for training an adapter.

    This is QLoRA (arXiv 2305.14314). A weight takes about 0.52 bytes instead of two or four. It is
    computed again for each product, and `kernels.enable` keeps no copy for the backward pass. The
    head, the output layer of a language model, and layers that share a weight stay as they are.
    An adapter on such a base cannot be merged.

    Args:
        model: a backbone without adapters, on the CPU.

    Returns:
        The model.

    Raises:
        PluginError: bitsandbytes is missing, or needs a GPU that is missing.
        AdapterError: the model has no linear layer to quantise, or has adapters.

    Example:
        >>> from importlib.util import find_spec
        >>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 1))
        >>> if find_spec("bitsandbytes"):
        ...     model = scionwood.quantize(model)
    """
    from scionwood.adapters.four_bit import quantise_linear_layers

    _check_installed()
    if not quantise_linear_layers(model):
        rule = "it has no linear layer of its own to quantise"
        raise AdapterError(type(model).__name__, rule, "Set `backbone.quantize: none`")
    return model


@lru_cache
def quantised(component: Callable[..., Any]) -> Callable[..., Any]:
    """Return a backbone's function with the option `quantize`, which is `none` or `nf4`."""

    @wraps(component)
    def build(**options: Any) -> nn.Module:
        four_bits = options.pop("quantize") == "nf4"
        if four_bits:  # before the weights are loaded
            _check_installed()
        model: nn.Module = component(**options)
        return quantize(model) if four_bits else model

    return build


def _check_installed() -> None:
    rule = ""
    try:
        installed = Version(version("bitsandbytes"))
        if installed < ON_CPU and not torch.cuda.is_available():
            rule = f"bitsandbytes {installed} needs a CUDA device, and there is none"
    except PackageNotFoundError:
        rule = "bitsandbytes is not installed"
    if rule:
        remedy = f"Run: pip install 'bitsandbytes>={ON_CPU}'. Or: Set `backbone.quantize: none`"
        raise PluginError("quantize: nf4", rule, remedy)
