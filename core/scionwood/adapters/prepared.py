"""The prepared call of a LoRA layer of peft: what it needs at hand, and one guard.

The call holds the dicts of peft's modules and reads their values each time, so that a replaced
parameter, another scaling or a new hook is seen. The guard asks for all that can change without a
call of ours. If something is unusual, the layer is looked at anew, see `fused_layers`.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor
from torch.nn import Dropout, Identity, Linear, Parameter

from scionwood.adapters.lora_parts import PARTS, RECOMPUTE, WATCH, active
from scionwood.kernels import mask, node
from scionwood.kernels.interception import EVERYWHERE, HOOKS

CALL = "_scionwood_call"
"""The attribute of a layer that has its call; it is not part of the state dict."""
STATE = ("_disable_adapters", "merged_adapters", "_active_adapter", "scaling", "lora_variant")
"""What the guard reads of a layer of peft."""
FORWARD = Linear.forward


@final
class Prepared:
    """What a layer with one plain adapter reads at each call."""

    __slots__ = (
        "actives",
        "attributes",
        "base",
        "down",
        "downs",
        "drop",
        "drops",
        "group",
        "hooks",
        "modules",
        "name",
        "recompute",
        "up",
        "ups",
        "watch",
    )  # fmt: skip

    def __init__(self, layer: Any, group: Any) -> None:
        """Prepare the call of a layer.

        Args:
            layer: A layer with one active adapter and no `fused_layers.obstacle`.
            group: The `Siblings` that read its input too, or `None`.
        """
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
