"""The prepared call of a LoRA layer of peft: what it needs at hand, and one guard.

The call holds the dicts of peft's modules and reads their values each time, so that a replaced
parameter, another scaling or a new hook is seen. The guard asks for all that can change without a
call of ours. If something is unusual, the layer is looked at anew, see `fused_layers`.
"""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn import Dropout, Identity, Linear, Parameter

from scionwood.kernels import mask, node
from scionwood.kernels.again import Recompute
from scionwood.kernels.interception import EVERYWHERE, HOOKS, interception

CALL = "_scionwood_call"
"""The attribute of a layer that has its call; it is not part of the state dict."""
STATE = ("_disable_adapters", "merged_adapters", "_active_adapter", "scaling", "lora_variant")
"""What the guard reads of a layer of peft."""
FORWARD = Linear.forward

RECOMPUTE = "_scionwood_recompute"
"""The attribute of a layer that says whether its input is computed again."""
WATCH = "_scionwood_watch"
"""The attribute of a layer that has the hooks of the modules in front; see `again.source_of`."""
SIBLINGS = "_scionwood_siblings"
"""The attribute of a layer that has its group; see `grouping`."""
PARTS = ("lora_A", "lora_B", "lora_dropout")
"""What a layer has for each adapter."""


@final
class Prepared:
    """What a layer with one plain adapter reads at each call."""

    def __init__(self, layer: Any, group: Any) -> None:
        """Prepare a layer without `fused_layers.obstacle`; the `group` reads its input too."""
        attributes = self.attributes = layer.__dict__
        self.name, self.group = active(layer)[0], group
        actives = attributes["_active_adapter"]
        self.actives = actives if isinstance(actives, str) else list(actives)
        modules = self.modules = attributes["_modules"]
        self.downs, self.ups, self.drops = (modules[part]._modules for part in PARTS)
        self.base, self.down = modules["base_layer"], self.downs[self.name]
        self.up, self.drop = self.ups[self.name], self.drops[self.name]
        parts = layer, self.base, self.down, self.up, self.drop
        hooks = (vars(module)[kind] for module in parts for kind in HOOKS)
        self.hooks = (*hooks, *EVERYWHERE, attributes["lora_variant"])
        self.recompute = attributes.get(RECOMPUTE, "auto")
        self.watch = attributes.get(WATCH, ())

    def __deepcopy__(self, memo: Any) -> None:
        """Leave the copy of a layer without a call: it prepares its own."""

    def __reduce__(self) -> Any:
        """See `__deepcopy__`."""
        return type(None), ()

    def usual(self, attributes: dict[str, Any]) -> bool:
        """Return whether the layer with these attributes is what it was, and nothing acts on it."""
        name, base, down, up, drop = self.name, self.base, self.down, self.up, self.drop
        if (
            attributes is not self.attributes
            or attributes["_disable_adapters"]
            or attributes["merged_adapters"]
            or attributes["_active_adapter"] != self.actives
            or self.modules["base_layer"] is not base
            or self.downs.get(name) is not down
            or self.ups.get(name) is not up
            or self.drops.get(name) is not drop
            or any(self.hooks)
            or "forward" in base.__dict__
            or "forward" in down.__dict__
            or "forward" in up.__dict__
            or "forward" in drop.__dict__
            or not (base.__class__ is down.__class__ is up.__class__ is Linear)
            or Linear.forward is not FORWARD
            or (drop.__class__ is not Identity and drop.__class__ is not Dropout)
        ):
            return False
        of_base, of_up = base._parameters, up._parameters
        weight = of_base.get("weight")  # FSDP and old parametrisations take parameters away
        return (
            weight.__class__ is Parameter
            and not (weight.requires_grad and torch.is_grad_enabled())
            and "bias" in of_base
            and down._parameters.get("weight") is not None
            and of_up.get("weight") is not None
            and of_up.get("bias", weight) is None
        )

    def operands(self) -> tuple[Any, ...]:
        """Return the weight, bias, A, B and scaling of the layer now."""
        base, down, up = self.base._parameters, self.down._parameters, self.up._parameters
        scaling = self.attributes["scaling"][self.name]
        return base["weight"], base["bias"], down["weight"], up["weight"], scaling

    def dropout(self) -> float:
        """Return the share of the inputs that dropout zeroes now."""
        about = self.drop.__dict__
        return about["p"] if about["training"] and self.drop.__class__ is Dropout else 0.0

    def output(self, x: Tensor) -> Tensor:
        """Return the output (..., n) for an input (..., k) of a usual layer."""
        weight, bias, a, b, scaling = self.operands()
        if p := self.dropout():
            seed = mask.new_seed(x.device) if mask.threshold(p) else None
            how = self.recompute, self.watch, seed, p
            several = node.Call(node.working(x), (weight,), (scaling,), *how)
            return node.run(x, several, a, b, bias)[0]
        if self.group is not None and (y := self.group.output(self, x)) is not None:
            return y  # type: ignore[no-any-return]
        call = weight, scaling, node.working(x), self.recompute, self.watch
        return node.one(x, a, b, bias, call)


def idle(layer: Any) -> bool:
    """Return whether the base layer alone runs."""
    return layer.disable_adapters or layer.merged or not active(layer)


def active(layer: Any) -> list[str]:
    """Return the names of the active adapters that a layer has."""
    present = layer._modules["lora_A"]._modules
    return [name for name in layer.active_adapters if name in present]


def dropout_of(layer: Any) -> float:
    """Return the dropout of the first active adapter."""
    return dropout_in(layer, active(layer)[0])


def dropout_in(layer: Any, name: str) -> float:
    """Return the share of the inputs that the dropout of an adapter zeroes now."""
    module = layer._modules["lora_dropout"]._modules[name]
    return module.p if type(module) is nn.Dropout and module.training else 0.0


def parts_obstacle(layer: Any, name: str) -> str:
    """Return why A, B or the dropout of an adapter must be called, or an empty string."""
    parts = layer._modules
    for part in PARTS:
        if reason := interception(parts[part]._modules[name]):
            return f"{part}: {reason}"
    return ""


def factors(layer: Any) -> tuple[Tensor, Tensor, Tensor | None, float]:
    """Return A, B, bias and scaling of the active adapters.

    Several adapters are combined into one whose rank is the sum of their ranks.
    """
    names = active(layer)
    down, up = layer._modules["lora_A"]._modules, layer._modules["lora_B"]._modules
    bias, scaling = layer._modules["base_layer"].bias, layer.scaling
    for name in names:
        if (extra := up[name].bias) is not None:
            extra = extra * scaling[name]
            bias = extra if bias is None else bias + extra
    if len(names) == 1:
        return down[names[0]].weight, up[names[0]].weight, bias, scaling[names[0]]
    a = torch.cat([down[name].weight for name in names])
    return a, torch.cat([up[name].weight * scaling[name] for name in names], 1), bias, 1.0


def recompute_of(layer: Any) -> Recompute:
    """Return whether the input of a layer without a prepared call is computed again."""
    if any(layer.__dict__.get(WATCH, ())) or layer._forward_hooks or layer._forward_pre_hooks:
        return "speed"
    recompute: Recompute = layer.__dict__.get(RECOMPUTE, "auto")
    return recompute
