"""Take adapters out of a model: merged into the base, or at least without fused kernels."""

from __future__ import annotations

from typing import Any

from torch import nn

from scionwood.adapters import merge
from scionwood.errors import AdapterError
from scionwood.kernels import disable


def plain(module: nn.Module) -> tuple[nn.Module, str]:
    """Merge every adapter in a module into its base, in place, and remove the wrappers.

    Some methods cannot be merged, because their change depends on the input. Such an adapter stays
    in the module, and its layers run without fused operators.

    Args:
        module: a model with adapters, or a module that holds one.

    Returns:
        The module to use from now on, and the reason why an adapter was not merged, or "".
    """
    if _is_wrapped(module):
        return _unwrapped(module)
    wrappers = {name: inner for name, inner in module.named_modules() if _is_wrapped(inner)}
    reason = ""
    for name, inner in wrappers.items():
        bare, why = _unwrapped(inner)
        module.set_submodule(name, bare)
        reason = reason or why
    return module, reason


def _is_wrapped(module: nn.Module) -> bool:
    # The outermost wrapper alone: the tuner inside it has `peft_config` too.
    return hasattr(module, "active_peft_config") and "base_model" in module._modules


def _unwrapped(model: Any) -> tuple[nn.Module, str]:
    try:
        merge(model)
    except AdapterError as error:
        disable(model)
        inner = not model.active_peft_config.is_prompt_learning  # a prompt is in the wrapper itself
        return model.get_base_model() if inner else model, error.rule
    bare: nn.Module = model.unload()
    return bare, ""
