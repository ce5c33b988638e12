"""Switch the LoRA layers of a peft model to a fused forward, and back.

Only the class of a layer changes: it becomes a subclass whose forward calls a fused operator, or
the forward of peft if the operator does not support the layer. The layer object, its parameters,
its state dict and every operation of peft stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
import torch.nn as nn
from peft.tuners.lora import layer as lora
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from scionwood.adapters.grouping import SIBLINGS, group, siblings, ungroup
from scionwood.adapters.kernel_rows import KernelReport, Row
from scionwood.adapters.lora_parts import (
    RECOMPUTE,
    WATCH,
    active,
    dropout_in,
    dropout_of,
    factors,
    idle,
    parts_obstacle,
    recompute_of,
)
from scionwood.adapters.prepared import CALL, STATE, Prepared
from scionwood.errors import AdapterError
from scionwood.kernels.again import CHOICES, Recompute, keep, watched
from scionwood.kernels.conv import lora_conv, merged_delta
from scionwood.kernels.conv import why_not as conv_obstacle
from scionwood.kernels.dispatch import choose
from scionwood.kernels.interception import add_forward, global_hooks, interception
from scionwood.kernels.linear import lora_linear, transformed

MANY_ROWS = 1 << 14
"""The number of tokens that `kernel_report` assumes."""


class Fused:
    """What the fused layers share."""

    def _get_name(self) -> str:
        """Return the name of the class of peft, so that a printed model stays the same."""
        return str(_PLAIN[type(self)].__name__)


@final
class FusedLinear(Fused, lora.Linear):  # type: ignore[misc]
    """The LoRA linear layer of peft with the operator `lora_linear`."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """See `lora.Linear.forward`."""
        if args or kwargs or transformed(x):
            return self._unusual(x, args, kwargs)
        own = self.__dict__
        call = own.get(CALL)
        if (call is not None and call.usual(own)) or (call := prepared(self)) is not None:
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
    """Return the call of a layer, made anew where it must be, or `None` if the layer has none."""
    own = vars(layer)
    call: Prepared | None = own.get(CALL)
    if call is not None and call.usual(own):
        return call
    call = None
    if all(name in own for name in STATE) and not (idle(layer) or obstacle(layer)):
        names = active(layer)
        if len(names) == 1 and layer.lora_B[names[0]].bias is None:
            call = Prepared(layer, own.get(SIBLINGS))
            call = call if call.usual(own) else None
    own[CALL] = call
    return call


class _FusedConv(Fused):
    """The methods that the fused convolutions share."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """See `lora._ConvNd.forward`."""
        if idle(self) or args or kwargs or obstacle(self):
            return super().forward(x, *args, **kwargs)  # type: ignore[misc,no-any-return]
        base = self.base_layer  # type: ignore[attr-defined]
        a, b, bias, scaling = factors(self)
        return lora_conv(
            x,
            base.weight,
            bias,
            a,
            b,
            scaling=scaling,
            stride=base.stride,
            padding=base.padding,
            dilation=base.dilation,
            groups=base.groups,
        )

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


_FUSED = {
    lora.Linear: FusedLinear,
    lora.Conv1d: FusedConv1d,
    lora.Conv2d: FusedConv2d,
    lora.Conv3d: FusedConv3d,
}
_PLAIN = {fused: plain for plain, fused in _FUSED.items()}
_BASE: dict[Any, Any] = {FusedLinear: nn.Linear}
"""The class of the base that a fused linear layer computes itself."""


def register_linear(plain: Any, fused: Any, base: Any) -> None:
    """Add a fused form of a LoRA linear layer of peft, for bases of exactly one class."""
    _FUSED[plain], _PLAIN[fused], _BASE[fused] = fused, plain, base
    add_forward(base)


def enable(model: nn.Module, *, recompute: Recompute = "auto") -> KernelReport:
    """Switch the LoRA layers of a model to a fused forward, in place.

    The state dict and all operations of peft stay: merge, several adapters, disable, set_adapter.
    If the fused operator does not support a layer, the layer runs the forward of peft, and the
    report gives the reason. Call the function again after adding layers.

    Layers that read the same tensor, such as q, k and v, run as one operator where the source of
    their module shows it; the report names them.

    Args:
        model: A `PeftModel`, or any module that contains layers of peft.
        recompute: Whether norms and activations in front of a layer run again in the backward pass.
            `memory` runs them again, and keeps almost nothing. `speed` keeps the input of each
            layer. `auto` keeps inputs of at most 256 KiB. Results are the same bit for bit.

    Returns:
        The report of `kernel_report`.

    Raises:
        AdapterError: `recompute` is another word. It is a ValueError.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood import kernels
        >>> x = torch.ones(1, 8)
        >>> before = tuned(x)
        >>> report = kernels.enable(tuned)
        >>> torch.allclose(tuned(x), before, atol=1e-6)
        True
    """
    if recompute not in CHOICES:
        rule = f"recompute is one of {', '.join(CHOICES)}"
        raise AdapterError(f"recompute {recompute!r}", rule, "Use `auto` if in doubt")
    _swap(model, _FUSED)
    group(model, FusedLinear, prepared)
    watch = watched(model.modules())
    for _, layer in _layers(model):
        vars(layer).update({RECOMPUTE: recompute, WATCH: watch, CALL: None})
    return kernel_report(model)


def disable(model: nn.Module) -> None:
    """Switch all layers back to the forward of peft.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> from scionwood import kernels
        >>> report = kernels.enable(tuned)
        >>> kernels.disable(tuned)
        >>> print(kernels.kernel_report(tuned))
        base_model.model.0  peft  kernels are off: kernels.enable(model)
    """
    _swap(model, _PLAIN)
    ungroup(model)
    for _, layer in _layers(model):
        for name in (RECOMPUTE, WATCH, CALL):
            vars(layer).pop(name, None)


@contextmanager
def fused_classes(model: nn.Module) -> Iterator[None]:
    """Use the fused classes inside the block; they can merge kernels that those of peft cannot."""
    changed = _swap(model, _FUSED)
    try:
        yield
    finally:
        for layer in changed:
            layer.__class__ = _PLAIN[type(layer)]


def kernel_report(model: nn.Module) -> KernelReport:
    """Report which implementation runs in each adapter layer for a training step, and why.

    The report assumes a step of many tokens.

    Example:
        >>> from peft import LoraConfig
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 1))
        >>> tuned = scionwood.attach(model, LoraConfig(r=2), targets="0", head=())
        >>> print(authoring.kernel_report(tuned))
        base_model.model.0  peft  kernels are off: kernels.enable(model)
    """
    names = {id(layer): name for name, layer in _layers(model)}
    return KernelReport(_row(name, layer, names) for name, layer in _layers(model))


def _row(name: str, layer: Any, names: dict[int, str]) -> Row:
    implementation, why = _status(layer)
    shared = siblings(layer)
    if implementation == "peft" or shared is None or shared.off or dropout_of(layer):
        return Row(name, implementation, why)
    others = [
        names.get(id(sibling), "").rsplit(".")[-1]
        for sibling in shared.layers
        if sibling is not layer
    ]
    return Row(name, implementation, f"{why}; one operator with {', '.join(others)}")


def _status(layer: Any) -> tuple[str, str]:
    if type(layer) in _FUSED:
        return "peft", "kernels are off: kernels.enable(model)"
    if type(layer) not in _PLAIN:
        return "peft", f"no fused form for {type(layer).__name__}"
    if layer.disable_adapters or layer.merged:
        return "peft", "adapters are merged or disabled: the base layer alone runs"
    if not active(layer):
        return "peft", "no active adapter is here: the base layer alone runs"
    if reason := obstacle(layer):
        return "peft", reason
    if type(layer) not in _BASE:
        return "weight-space", "one convolution forward, low rank backward"
    weight = layer.base_layer.weight
    rank = sum(layer.r[name] for name in active(layer))
    width = max(layer.out_features, layer.in_features)
    return choose(weight.device.type, weight.dtype, MANY_ROWS, width, rank)


def obstacle(layer: Any) -> str:
    """Return why a layer must run the forward of peft, or an empty string if it need not."""
    base, names = layer._modules["base_layer"], active(layer)
    if layer.lora_variant and any(name in layer.lora_variant for name in names):
        return "a variant of LoRA, such as DoRA, has its own forward"
    if global_hooks():
        return "a hook on all modules of the process would not run"
    linear_type = _BASE.get(type(layer))
    linear = linear_type is not None
    if linear_type is not None and type(base) is not linear_type:
        return f"the base {type(base).__name__} is not an {linear_type.__name__}"
    if reason := interception(base) if linear else conv_obstacle(base):
        return f"base layer: {reason}"
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


def _swap(model: nn.Module, classes: dict[Any, Any]) -> list[Any]:
    changed = [layer for _, layer in _layers(model) if type(layer) in classes]
    for layer in changed:
        layer.__class__ = classes[type(layer)]
    return changed


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    return ((n, m) for n, m in model.named_modules() if isinstance(m, BaseTunerLayer))
