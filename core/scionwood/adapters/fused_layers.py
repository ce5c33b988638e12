"""The LoRA layers of peft with a fused forward; `fusing` switches a model to them.

They are subclasses whose forward calls a fused operator, or the forward of peft if the operator
does not support the layer.
"""

from __future__ import annotations

from typing import Any, final

import torch
import torch.nn as nn
from peft.tuners.lora import layer as lora
from torch import Tensor

from scionwood.adapters.prepared import (
    CALL,
    SIBLINGS,
    STATE,
    Prepared,
    active,
    dropout_in,
    dropout_of,
    factors,
    idle,
    parts_obstacle,
    recompute_of,
)
from scionwood.kernels.again import keep
from scionwood.kernels.conv import lora_conv, merged_delta
from scionwood.kernels.conv import why_not as conv_obstacle
from scionwood.kernels.interception import add_forward, global_hooks, hooked, interception
from scionwood.kernels.linear import lora_linear, transformed


class Fused:
    """What the fused layers share."""

    def _get_name(self) -> str:
        """Return the name of the class of peft, so that a printed model stays the same."""
        return str(PLAIN[type(self)].__name__)


@final
class FusedLinear(Fused, lora.Linear):  # type: ignore[misc]
    """The LoRA linear layer of peft with the operator `lora_linear`."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """See `lora.Linear.forward`."""
        if args or kwargs or transformed(x):
            return self._unusual(x, args, kwargs)
        attributes = self.__dict__
        call = attributes.get(CALL)
        if (call is not None and call.usual(attributes)) or (call := prepared(self)) is not None:
            return call.output(x)
        return self._unusual(x, args, kwargs)

    def _unusual(self, x: Tensor, args: Any, kwargs: Any) -> Tensor:
        """Return the output of a layer that has no prepared call, by peft if that is needed."""
        keep(x)  # hooks may write over it
        if args or kwargs or idle(self) or obstacle(self):
            return lora.Linear.forward(self, x, *args, **kwargs)  # type: ignore[no-any-return]
        a, b, bias, scaling = factors(self)
        weight, p = self._modules["base_layer"].weight, dropout_of(self)
        how: Any = {"scaling": scaling, "dropout": p, "recompute": recompute_of(self)}
        return lora_linear(x, weight, bias, a, b, **how)


def prepared(layer: Any) -> Prepared | None:
    """Return the call of a layer, made anew where it must be, or `None` if the layer has none.

    Inside `fusing.fused_classes`, no layer has one: its attributes stay as they are.
    """
    attributes = vars(layer)
    if CALL not in attributes:
        return None
    call: Prepared | None = attributes[CALL]
    if call is not None and call.usual(attributes):
        return call
    call = None
    if all(name in attributes for name in STATE) and not (idle(layer) or obstacle(layer)):
        names = active(layer)
        if len(names) == 1 and layer.lora_B[names[0]].bias is None:
            call = Prepared(layer, attributes.get(SIBLINGS))
            call = call if call.usual(attributes) else None
    attributes[CALL] = call
    return call


class _FusedConv(Fused):
    """The methods that the fused convolutions share."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """See `lora._ConvNd.forward`."""
        if idle(self) or args or kwargs or obstacle(self):
            return super().forward(x, *args, **kwargs)  # type: ignore[misc,no-any-return]
        base = self.base_layer  # type: ignore[attr-defined]
        a, b, bias, scaling = factors(self)
        how = {key: getattr(base, key) for key in ("stride", "padding", "dilation", "groups")}
        return lora_conv(x, base.weight, bias, a, b, scaling=scaling, **how)

    def get_delta_weight(self, adapter: str) -> Tensor:
        """See `lora._ConvNd.get_delta_weight`, which fails for a 1 x 1 x 1 kernel."""
        a, b = self.lora_A[adapter].weight, self.lora_B[adapter].weight  # type: ignore[attr-defined]
        base = self.base_layer  # type: ignore[attr-defined]
        delta = merged_delta(a.float(), b.float(), base.weight.shape, base.groups)
        return (delta * self.scaling[adapter]).to(a.dtype)  # type: ignore[attr-defined,no-any-return]


@final
class FusedConv1d(_FusedConv, lora.Conv1d):  # type: ignore[misc]
    """The LoRA 1-D convolution of peft, computed in weight space."""


@final
class FusedConv2d(_FusedConv, lora.Conv2d):  # type: ignore[misc]
    """The LoRA 2-D convolution of peft, computed in weight space."""


@final
class FusedConv3d(_FusedConv, lora.Conv3d):  # type: ignore[misc]
    """The LoRA 3-D convolution of peft, computed in weight space."""


FUSED = {
    lora.Linear: FusedLinear,
    lora.Conv1d: FusedConv1d,
    lora.Conv2d: FusedConv2d,
    lora.Conv3d: FusedConv3d,
}
PLAIN = {fused: plain for plain, fused in FUSED.items()}
BASE: dict[Any, Any] = {FusedLinear: nn.Linear}
"""The class of the base that a fused linear layer computes itself."""


def register_linear(plain: Any, fused: Any, base: Any) -> None:
    """Add a fused form of a LoRA linear layer of peft, for bases of exactly one class."""
    FUSED[plain], PLAIN[fused], BASE[fused] = fused, plain, base
    add_forward(base)


def obstacle(layer: Any) -> str:
    """Return why a layer must run the forward of peft, or an empty string if it need not."""
    base, names = layer._modules["base_layer"], active(layer)
    if layer.lora_variant and any(name in layer.lora_variant for name in names):
        return "a variant of LoRA, such as DoRA, has its attributes forward"
    if global_hooks():
        return "a hook on all modules of the process would not run"
    linear_type = BASE.get(type(layer))
    linear = linear_type is not None
    if linear_type is not None and type(base) is not linear_type:
        return f"the base {type(base).__name__} is not an {linear_type.__name__}"
    if reason := interception(base) if linear else conv_obstacle(base):
        return f"base layer: {reason}"
    if linear_type is nn.Linear and type(base.weight) not in (nn.Parameter, Tensor):
        return f"a weight that is a {type(base.weight).__name__}"
    if linear and base.weight.requires_grad and torch.is_grad_enabled():
        return "the base weight trains: its gradient needs the input anyway"
    dropout = False
    for name in names:
        if reason := parts_obstacle(layer, name):
            return reason
        dropout = dropout or dropout_in(layer, name) > 0
    if dropout and not linear:
        return "dropout before the adapter cannot be folded into a kernel"
    if len(names) > 1 and dropout:
        return "several adapters with dropout need a mask each"
    if len(names) > 1 and getattr(base, "groups", 1) > 1:
        return "several adapters on a grouped convolution"
    return ""


def folded(layer: nn.Module) -> tuple[Tensor, Tensor | None] | None:
    """Return the weight and the bias that a linear layer has with its low-rank update.

    An operator that computes several layers at once takes these, and needs no adapter layer of its
    own. The result is differentiable by the factors.

    Args:
        layer: an `nn.Linear`, or the layer of LoRA around one.

    Returns:
        W + scaling B A of shape (out, in), and the bias (out,) or `None`. `None` alone if the layer
        must be called itself: it is of another kind, or has a hook, dropout, or a variant such as
        DoRA.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood import kernels
        >>> layer = tuned.get_submodule("base_model.model.0")
        >>> weight, bias = kernels.folded(layer)
        >>> x = torch.ones(1, 8)
        >>> torch.allclose(layer(x), torch.nn.functional.linear(x, weight, bias))
        True
    """
    if global_hooks() or hooked(layer) or "forward" in vars(layer):
        return None
    if type(layer) is nn.Linear:
        return None if interception(layer) else (layer.weight, layer.bias)
    if type(layer) not in (lora.Linear, FusedLinear):
        return None
    wrapped: Any = layer
    base = wrapped.base_layer
    if type(base) is not nn.Linear or interception(base):
        return None
    if idle(wrapped):
        return base.weight, base.bias
    for name in active(wrapped):
        variant = name in wrapped.lora_variant or dropout_in(wrapped, name) > 0
        if variant or parts_obstacle(wrapped, name):
            return None
    down, up, bias, scaling = factors(wrapped)
    return base.weight + scaling * (up @ down), bias
