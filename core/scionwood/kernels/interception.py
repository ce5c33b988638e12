"""Whether a call of a module computes more than the forward of its class.

A fused operator computes what the forward of a class of torch computes, from the parameters of a
module. The module itself may compute something else: a hook sees or changes values, a `forward` may
be set on the instance, as accelerate does, and subclasses, such as those of a parametrisation,
have a forward or a weight of their own. Then the module must be called.
"""

from __future__ import annotations

from typing import Any

from torch import nn

FORWARDS: dict[type, Any] = {
    kind: kind.forward
    for kind in (
        nn.Linear,
        nn.Conv1d,
        nn.Conv2d,
        nn.Conv3d,
        nn.Identity,
        nn.Dropout,
        nn.LayerNorm,
        nn.RMSNorm,
        nn.GroupNorm,
        nn.GELU,
        nn.SiLU,
        nn.Mish,
        nn.Hardswish,
        nn.Softplus,
    )
}
"""The forwards of torch by class; a class that somebody has patched has another one."""


def add_forward(kind: type[nn.Module]) -> None:
    """Add a class of another library whose forward a fused operator computes."""
    FORWARDS[kind] = kind.forward


_TORCH: Any = nn.modules.module
_EVERYWHERE = (
    _TORCH._global_forward_pre_hooks,
    _TORCH._global_forward_hooks,
    _TORCH._global_backward_pre_hooks,
    _TORCH._global_backward_hooks,
)


def interception(module: Any) -> str:
    """Return why a module must be called, or an empty string if its class says what it computes.

    It is asked in each call of a layer, so that it reads the dict of the module and calls nothing,
    which takes 0.3 microseconds in place of 0.5. Hooks on all modules: see `global_hooks`.
    """
    kind, attributes = type(module), module.__dict__
    if FORWARDS.get(kind) is not kind.forward:
        return f"{kind.__name__} is no plain layer of torch"
    if "forward" in attributes:
        return f"a forward that is set on an instance of {kind.__name__}"
    hooks = attributes["_forward_hooks"] or attributes["_forward_pre_hooks"]
    if hooks or attributes["_backward_hooks"] or attributes["_backward_pre_hooks"]:
        return "hooks, which run only when it is called"
    return ""


def hooked(module: Any, *, marks: int = 0) -> bool:
    """Return whether a module has hooks other than the `marks` forward hooks of this package."""
    attributes = module.__dict__
    return bool(
        len(attributes["_forward_hooks"]) > marks
        or attributes["_forward_pre_hooks"]
        or attributes["_backward_hooks"]
        or attributes["_backward_pre_hooks"]
    )


def global_hooks() -> bool:
    """Return whether there is a hook on all modules of the process."""
    return any(_EVERYWHERE)
