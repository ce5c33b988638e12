"""QLoRA: linear layers in four bits by bitsandbytes, with LoRA through a fused operator."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from scionwood.adapters import fused_layers, prepared
from scionwood.adapters.head import head_names, in_head
from scionwood.kernels.linear import lora_linear

NO_MERGE = "the base has four bits, and a merge would round the sum to four bits again"


def quantise_linear_layers(model: nn.Module) -> list[str]:
    """Replace linear layers by layers with NF4 weights, in place, one after the other.

    The weights are quantised in blocks of 64, and the scales of the blocks again (arXiv
    2305.14314). The head, the output layer of a language model, layers whose weight another module
    shares, and subclasses of `nn.Linear` keep their weights.

    Returns:
        The names of the layers.
    """
    bnb = _register()
    names = _linear_layers(model)
    for name in names:
        old: Any = model.get_submodule(name)
        new = bnb.nn.Linear4bit(
            old.in_features,
            old.out_features,
            bias=old.bias is not None,
            quant_type="nf4",
            device=torch.device("meta"),
        )
        new.weight = bnb.nn.Params4bit(
            old.weight.data, requires_grad=False, quant_type="nf4", module=new
        ).to("cpu")
        new.bias = None if old.bias is None else nn.Parameter(old.bias.data, requires_grad=False)
        new.support_avx512bf16_for_cpu = False  # it would repack the weight within an evaluation
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, new.train(old.training))
    model.is_loaded_in_4bit = True  # type: ignore[assignment]  # how peft knows
    return names


def _linear_layers(model: Any) -> list[str]:
    head = head_names(model)
    asks = getattr(model, "get_output_embeddings", None)
    output = asks() if callable(asks) else None
    owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    return [
        name
        for name, module in model.named_modules()
        if type(module) is nn.Linear and module is not output and not in_head(name, head)
        if name and owners[id(module.weight)] == 1
    ]


@lru_cache
def _register() -> Any:
    """Import bitsandbytes, which takes a second, and define the fused layer for it."""
    bnb = import_module("bitsandbytes")
    from peft.tuners.lora.bnb import Linear4bit

    class FusedLinear4bit(fused_layers.Fused, Linear4bit):  # type: ignore[misc]
        """The LoRA layer of peft on a four-bit weight with the operator `lora_linear`."""

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            """See `Linear4bit.forward`."""
            if prepared.idle(self) or args or kwargs or fused_layers.obstacle(self):
                return Linear4bit.forward(self, x, *args, **kwargs)  # type: ignore[no-any-return]
            a, b, bias, scaling = prepared.factors(self)
            p = prepared.dropout_of(self)
            weight = self.base_layer.weight

            def dequantise() -> Tensor:
                value: Tensor = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
                return value

            return lora_linear(
                x, dequantise, bias, a, b,
                scaling=scaling, dropout=p, recompute=prepared.recompute_of(self),
            )  # fmt: skip

        def merge(self, *_: Any, **__: Any) -> None:
            """Refuse; `scionwood.merge` turns this into an `AdapterError`."""
            raise NotImplementedError(NO_MERGE)

    fused_layers.register_linear(Linear4bit, FusedLinear4bit, bnb.nn.Linear4bit)
    return bnb
