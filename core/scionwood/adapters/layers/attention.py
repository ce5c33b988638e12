"""LoRA on `nn.MultiheadAttention` with the tensors of peft, and the modules around it.

peft adds the adapter to the weights of the base before each call and subtracts it afterwards, so
that the base changes by a rounding error. It ignores dropout. It adds the change of the output
projection twice, and its gradient counts this change once. Here the base is never written, dropout
is refused, and the gradient is that of the output. The change still counts twice, so that a folder
saved by either gives the same output in the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch.nn as nn
from peft import LoraConfig, PeftConfig
from peft.tuners.lora import layer as lora
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from scionwood.adapters.head import backbone
from scionwood.adapters.layers.forms import Form
from scionwood.adapters.layers.matrices import Weight, parameter
from scionwood.adapters.layers.weights import WeightLayer, check_dropout, computing
from scionwood.errors import AdapterError

TWICE = 2
"""How often peft adds the change of the output projection; a test compares it with peft."""


class StandIn(nn.MultiheadAttention):
    """What makes a layer an attention for code that asks `isinstance`, as torch_geometric does.

    The layer has none of the attributes of an attention itself.
    """

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        nn.Module.__setstate__(self, state)  # that of the attention would add an attribute


class OutProjection(lora.Linear):  # type: ignore[misc]  # peft is untyped
    """The LoRA layer of the output projection, whose weight the attention reads and merges."""

    def get_delta_weight(self, adapter: str) -> Tensor:
        """Return what an adapter adds to the weight."""
        delta: Tensor = TWICE * super().get_delta_weight(adapter)
        return delta

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Do nothing: the attention around it merges both weights."""

    def unmerge(self) -> None:
        """Do nothing."""


class Attention(WeightLayer, lora.MultiheadAttention, StandIn):  # type: ignore[misc]  # untyped
    """The LoRA attention layer of peft, which leaves the weights of the base alone.

    Raises:
        AdapterError: The config has dropout, which would change the base too. Or a weight of the
            attention is no parameter, such as one with `weight_norm`.
    """

    form = Form((Weight("in_proj_weight", "oi"), Weight("out_proj.base_layer.weight", "oi")))
    base_layer: Any
    lora_A: Any
    lora_B: Any
    scaling: Any

    def __init__(self, base_layer: nn.Module, adapter_name: str, **options: Any) -> None:
        for name in ("in_proj_weight", "out_proj.weight"):
            parameter(base_layer, name)
        super().__init__(base_layer, adapter_name, **options)  # type: ignore[call-arg]
        self._unmerged = {}
        self.base_layer.out_proj.__class__ = OutProjection

    def update_layer(
        self, adapter_name: str, r: int, lora_alpha: int, config: LoraConfig, **kwargs: Any
    ) -> None:
        """Add an adapter; see `lora.MultiheadAttention.update_layer`."""
        check_dropout(self, config)
        super().update_layer(adapter_name, r, lora_alpha=lora_alpha, config=config, **kwargs)

    def changed(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the weights of the input and output projections under these adapters."""
        changed = {}
        for layer, weight in zip((self, self.base_layer.out_proj), self.form.weights, strict=True):
            value = weight.of(self.base_layer)
            total = value.to(computing(value))
            for name in names:
                total = total + layer.get_delta_weight(name)
            changed[weight.name] = total.to(value.dtype)
        return changed

    def get_delta_weight(self, adapter: str) -> Tensor:
        """Return what an adapter adds to the weight of the three input projections."""
        a, b = self.lora_A[adapter].weight, self.lora_B[adapter].weight
        delta: Tensor = self.scaling[adapter] * (b.to(computing(b)) @ a.to(computing(a)))
        return delta

    def unload_and_optionally_merge_module(
        self, merge: bool, safe_merge: bool, adapter_names: list[str] | None
    ) -> nn.Module:
        """Return the attention of torch without adapters, merged if asked."""
        if merge:
            self.merge(safe_merge, adapter_names)
        base: nn.Module = self.base_layer
        base.out_proj = self.base_layer.out_proj.base_layer
        return base

    def _restore_weights(self) -> None:
        """Do nothing: the weights never leave the base here."""


def is_dead(model: nn.Module, name: str) -> bool:
    """Return whether a module is the output projection of an attention, which is never called."""
    parent, _, last = name.rpartition(".")
    owner: Any = model.get_submodule(parent)
    if isinstance(owner, BaseTunerLayer):
        owner = owner.base_layer
    return last == "out_proj" and isinstance(owner, nn.MultiheadAttention)


def whole_attention(model: nn.Module, config: PeftConfig, names: list[str]) -> list[str]:
    """Replace the output projections among the names of targets by the attention around them.

    `nn.MultiheadAttention` reads the weight of `out_proj` and never calls it.
    """
    base = backbone(model)
    dead = [name for name in names if is_dead(base, name)]
    if not dead:
        return names
    if config.peft_type.value not in ("LORA", "IA3"):
        raise AdapterError(
            f"{config.peft_type.value.lower()} on {dead[0]}",
            "nn.MultiheadAttention reads the weight of this layer and never calls it",
            "Use LoRA or IA3, which adapt the attention as a whole, or target other layers",
        )
    layer_names = [name.rpartition(".")[0] if name in dead else name for name in names]
    return list(dict.fromkeys(layer_names))


def fast_paths(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Return the transformer layers of torch around modules of these names.

    In eval mode they may pass the weights of their parts to one fused kernel. An adapter of peft on
    such a part is then left out in silence, unless `close_fast_paths` was called.
    """
    encoder_layers = [
        n for n, m in model.named_modules() if isinstance(m, nn.TransformerEncoderLayer)
    ]
    prefixes = {outer: f"{outer}." if outer else "" for outer in encoder_layers}
    return [n for n in encoder_layers if any(name.startswith(prefixes[n]) for name in names)]


def close_fast_paths(model: nn.Module) -> None:
    """Make the transformer layers of torch call their adapted parts.

    The results stay the same. An encoder is slower in eval mode without its fused kernel.
    """
    for module in model.modules():
        encoder = isinstance(module, nn.TransformerEncoder)
        if not (encoder or isinstance(module, nn.TransformerEncoderLayer)):
            continue
        if not any(isinstance(part, BaseTunerLayer) for part in module.modules()):
            continue
        if encoder:
            vars(module)["use_nested_tensor"] = False
        else:
            vars(module)["activation_relu_or_gelu"] = 0
