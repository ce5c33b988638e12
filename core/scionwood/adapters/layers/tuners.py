"""Let peft build the layers of this package inside `attach` and `load_adapter`.

Saved adapters that peft alone cannot open are marked, so that it refuses them by name: the
`peft_type` in their files is a sentence that tells how to open the folder. peft does not know such
a type, and shows it in its error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from peft import PeftConfig, PeftModel
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.ia3.model import IA3Model
from peft.tuners.lora.model import LoraModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.nn.utils.parametrize import is_parametrized

from scionwood.adapters.experts import hide, is_translated, stays
from scionwood.adapters.head import backbone
from scionwood.adapters.layers.attention import Attention, StandIn, close_fast_paths, fast_paths
from scionwood.adapters.layers.forms import class_names, form_of, own_forward, torch_class
from scionwood.adapters.layers.ia3 import WeightIA3
from scionwood.adapters.layers.lora import FlatLinear, WeightLora
from scionwood.adapters.layers.weights import WeightLayer
from scionwood.adapters.modules import has_adapter, tuner_layers
from scionwood.adapters.sources import asks_for_attention
from scionwood.errors import AdapterError

LAYERS_ATTRIBUTE = "_scionwood_layers"
"""Set to false on a config: only layers whose tensors are those of peft, as in a file of peft."""

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
FLAT = "torch_geometric.nn.dense.linear.Linear"
TYPED = "torch_geometric.nn.dense.linear.HeteroLinear"
EQUIVARIANT = "e3nn.o3._linear.Linear"

HOW = "open this folder with scionwood.load_adapter"
MARKED = {kind: f"SCIONWOOD_{kind}: {HOW}" for kind in ("LORA", "IA3")}
"""The `peft_type` in the files, by the type in memory."""


class AttentionLora(WeightLora, StandIn):
    """LoRA on an attention that peft has no layer for."""


class AttentionIA3(WeightIA3, StandIn):
    """IA3 on an attention."""


class Places:
    """Puts the layers of this package in their places; they are on the right device."""

    def _replace_module(
        self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module
    ) -> None:
        if isinstance(new_module, WeightLayer) or isinstance(child, WeightLayer):
            setattr(parent, child_name, new_module)
        else:
            super()._replace_module(parent, child_name, new_module, child)  # type: ignore[misc]


class ScienceLora(Places, LoraModel):  # type: ignore[misc]  # peft is untyped
    """The LoRA tuner of peft with the layers of this package, on exactly the named targets."""

    def inject_adapter(
        self, model: nn.Module, adapter_name: str, *args: Any, **options: Any
    ) -> None:
        """Add an adapter; see `BaseTuner.inject_adapter`, which translates targets first."""
        config = self.peft_config[adapter_name]
        self._targets = hide(config) if is_translated(model, config) else {}
        super().inject_adapter(model, adapter_name, *args, **options)

    def _check_new_adapter_config(self, config: Any) -> None:
        # The first that peft calls after the translation.
        vars(config).update(self.__dict__.pop("_targets", {}))
        super()._check_new_adapter_config(config)

    @staticmethod
    def _create_new_module(
        lora_config: Any, adapter_name: str, target: nn.Module, **kwargs: Any
    ) -> nn.Module:
        make, parameter = None, kwargs.get("parameter_name")
        if parameter is not None:
            _check_stored(target, parameter)
        elif not isinstance(target, BaseTunerLayer):
            make = lora_layer(lora_config, target)
        if make is None:
            layer = LoraModel._create_new_module(lora_config, adapter_name, target, **kwargs)
            return _with_constants(layer, target)
        built: nn.Module = make(target, adapter_name, config=lora_config, **kwargs)
        return built


class ScienceIA3(Places, IA3Model):  # type: ignore[misc]
    """The IA3 tuner of peft with the layers of this package."""

    @staticmethod
    def _create_new_module(
        ia3_config: Any, adapter_name: str, target: nn.Module, **kwargs: Any
    ) -> nn.Module:
        with_extensions = getattr(ia3_config, LAYERS_ATTRIBUTE, True)
        if with_extensions and isinstance(target, CONVOLUTIONS) and not own_forward(target):
            raise AdapterError(
                f"ia3 on {type(target).__name__}",
                "its forward changes the weight, so that no weight gives the scaled output",
                "Use LoRA, or target other layers",
            )
        plain = isinstance(target, nn.Conv2d | nn.Conv3d | BaseTunerLayer)
        if plain or not with_extensions or form_of(target) is None:
            layer = IA3Model._create_new_module(ia3_config, adapter_name, target, **kwargs)
            return _with_constants(layer, target)
        make = AttentionIA3 if isinstance(target, nn.MultiheadAttention) else WeightIA3
        return make(target, adapter_name, config=ia3_config, **kwargs)


TUNERS = {"LORA": (LoraModel, ScienceLora), "IA3": (IA3Model, ScienceIA3)}


@contextmanager
def science_layers(model: nn.Module, config: PeftConfig) -> Iterator[None]:
    """Let peft build the layers of this package for the adapter that the block adds."""
    kind = config.peft_type.value
    plain, extended_tuner = TUNERS.get(kind, (None, None))
    if plain is None or PEFT_TYPE_TO_TUNER_MAPPING.get(kind) is not plain:
        yield
    elif isinstance(model, PeftModel):
        if type(model.base_model) is plain:
            model.base_model.__class__ = extended_tuner
        yield
    else:
        PEFT_TYPE_TO_TUNER_MAPPING[kind] = extended_tuner
        try:
            yield
        finally:
            PEFT_TYPE_TO_TUNER_MAPPING[kind] = plain
    close_fast_paths(model)


def lora_layer(config: Any, target: nn.Module) -> Any:
    """Return the class of the LoRA layer for a module, or `None` if peft has the right one."""
    attention = isinstance(target, nn.MultiheadAttention) and target._qkv_same_embed_dim
    if attention and not config.use_dora:
        return Attention
    if not getattr(config, LAYERS_ATTRIBUTE, True):
        return None
    if isinstance(target, CONVOLUTIONS) and _same_as_peft(target):
        return None
    form = form_of(target)
    if form is None:
        return None
    if isinstance(target, nn.MultiheadAttention):
        return AttentionLora
    return FlatLinear if FLAT in class_names(target) else WeightLora


def is_foreign_linear(module: nn.Module) -> bool:
    """Return whether a module is a linear layer of torch_geometric or e3nn."""
    return not {FLAT, TYPED, EQUIVARIANT}.isdisjoint(class_names(module))


def _check_stored(target: Any, name: str) -> None:
    """Refuse stacked weights that are computed, since peft adds its change again at each call."""
    base = target.get_base_layer() if isinstance(target, BaseTunerLayer) else target
    if is_parametrized(base, name) and getattr(base, name).dim() > 2:
        makers = ", ".join(type(maker).__name__ for maker in base.parametrizations[name])
        raise AdapterError(
            f"{name} of {type(base).__name__}",
            f"it is computed by {makers}, behind which peft adds its change once more at each call",
            "Remove the parametrization first: torch.nn.utils.parametrize.remove_parametrizations",
        )


def _same_as_peft(conv: Any) -> bool:
    """Return whether peft computes LoRA on a convolution as it is meant, and can merge it.

    peft ignores the dilation and the padding mode, and adds its change beside a weight that a
    subclass changes in its forward. Its factors of a grouped convolution mix the
    groups, which no grouped kernel can represent. It makes the factors by the class of the
    convolution, whose own constructor may take other arguments.
    """
    pointwise = all(size == 1 for size in conv.kernel_size)
    dilated = not pointwise and any(step != 1 for step in conv.dilation)
    usual = conv.groups == 1 and not dilated and conv.padding_mode == "zeros"
    return usual and own_forward(conv) and _makes_factors(conv)


def _makes_factors(conv: Any) -> bool:
    """Return whether the class of a convolution makes the factors A and B as peft calls it."""
    kind, ones = type(conv), (1,) * len(conv.kernel_size)
    if kind.__init__ is torch_class(conv).__init__:
        return True
    try:
        with torch.device("meta"):
            down = kind(
                conv.in_channels, 1, conv.kernel_size, conv.stride, conv.padding, bias=False
            )
            up = kind(1, conv.out_channels, ones, ones, bias=False)
    except Exception:  # another constructor may refuse these arguments in any way
        return False
    same = (down.stride, down.padding) == (conv.stride, conv.padding)
    shapes = (1, conv.in_channels, *conv.kernel_size), (conv.out_channels, 1, *ones)
    return same and (tuple(down.weight.shape), tuple(up.weight.shape)) == shapes


def _with_constants(layer: nn.Module, target: nn.Module) -> nn.Module:
    """Give a layer of peft the sizes of the module that it wraps, which modules around it may read.

    For example, blocks of neuraloperator read `out_channels` of their convolutions.
    """
    for name in getattr(target, "__constants__", ()):
        if hasattr(target, name) and not hasattr(layer, name):
            setattr(layer, name, getattr(target, name))
    return layer


def marked(record: dict[str, Any], model: PeftModel, name: str) -> dict[str, Any]:
    """Return the content of `adapter_config.json` or `scionwood.json`, marked if it has to be."""
    kind = getattr(record["peft_type"], "value", record["peft_type"])
    layers = {key: layer for key, layer in tuner_layers(model).items() if has_adapter(layer, name)}
    bypassed = fast_paths(backbone(model), layers)
    layer_types = (WeightLora, WeightIA3, FlatLinear)  # which peft refuses, or computes otherwise
    foreign = bypassed or any(isinstance(layer, layer_types) for layer in layers.values())
    for key, layer in layers.items():  # the attention of peft is none for `isinstance`
        if isinstance(layer, StandIn) and asks_for_attention(backbone(model), key):
            foreign = True
    if kind in MARKED and (foreign or not stays(model, model.peft_config[name])):
        return {**record, "peft_type": MARKED[kind]}
    return record


def unmarked(kind: Any) -> Any:
    """Return the type in memory for the `peft_type` of a file."""
    return next((plain for plain, written in MARKED.items() if written == kind), kind)


def take_layers_of_file(config: PeftConfig, kind: Any) -> None:
    """Let a config build the layers that its file, with this `peft_type`, was written with."""
    setattr(config, LAYERS_ATTRIBUTE, kind in MARKED.values())
