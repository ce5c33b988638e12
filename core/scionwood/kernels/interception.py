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
    )
}
"""The forwards of torch by class; a class that somebody has patched has another one."""


def add_forward(kind: type[nn.Module]) -> None:
    """Add a class of another library whose forward a fused operator computes."""
    FORWARDS[kind] = kind.forward


_TORCH: Any = nn.modules.module
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""The attributes with the hooks of a module."""
EVERYWHERE = tuple(getattr(_TORCH, f"_global{kind}") for kind in HOOKS)
"""The hooks on all modules of the process."""


def interception(module: Any) -> str:
    """Return why a module must be called, or an empty string if its class says what it computes.

    Hooks on all modules: see `global_hooks`.
    """
    kind, attributes = type(module), module.__dict__
    if FORWARDS.get(kind) is not kind.forward:
        return f"{kind.__name__} is no plain layer of torch"
    if "forward" in attributes:
        return f"a forward that is set on an instance of {kind.__name__}"
    return "hooks, which run only when it is called" if hooked(module) else ""


def hooked(module: Any) -> bool:
    """Return whether a module has hooks."""
    attributes = module.__dict__
    return any(attributes[kind] for kind in HOOKS)


def global_hooks() -> bool:
    """Return whether there is a hook on all modules of the process."""
    return any(EVERYWHERE)
