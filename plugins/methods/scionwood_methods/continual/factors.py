"""The factors of peft's LoRA as matrices, and frozen LoRA adapters beside the one that trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.shared.support import is_convolution, is_linear

SUM = "sum"
"""The name of the adapter that stands for the sum of several."""


def lora_layers(model: PeftModel, adapter: str) -> dict[str, Any]:
    """Return the layers with a LoRA adapter, by their names in the model.

    Args:
        model: a model with adapters.
        adapter: the name of the adapter.

    Raises:
        AdapterError: there is no such LoRA adapter, or its change of a layer is not `scale B A`
            (DoRA and other variants, a bias, an embedding, a grouped convolution).
    """
    config = model.peft_config.get(adapter)
    if not isinstance(config, LoraConfig):
        adapters = ", ".join(f"{n} ({c.peft_type.value})" for n, c in model.peft_config.items())
        rule = "it must be a LoRA adapter of peft"
        raise AdapterError(f"adapter {adapter!r}", rule, f"The model has {adapters}")
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer) and adapter in module.scaling
    }
    for name, layer in layers.items():
        _check(name, layer, adapter)
    return layers


def matrices(layer: Any, adapter: str) -> tuple[Tensor, Tensor]:
    """Return the factors of a layer as views of its parameters.

    Returns:
        B (out, r) and A (r, in); for a convolution, `in` includes the kernel positions.
    """
    return layer.lora_B[adapter].weight.flatten(1), layer.lora_A[adapter].weight.flatten(1)


def update(layer: Any, adapter: str) -> Tensor:
    """Return the change `scale B A` in the shape of the layer's weight, differentiable."""
    b, a = matrices(layer, adapter)
    change: Tensor = (layer.scaling[adapter] * b) @ a
    return change.view(layer.get_base_layer().weight.shape)


@torch.no_grad()
def fill(layer: Any, adapter: str, b: Tensor, a: Tensor) -> None:
    """Overwrite the factors of a layer.

    Args:
        layer: one of `lora_layers`.
        adapter: the name of the adapter.
        b: (out, r).
        a: (r, in).
    """
    for factor, value in zip(matrices(layer, adapter), (b, a), strict=True):
        factor.copy_(value)


def add_frozen(model: PeftModel, name: str, like: str, rank: int | None = None) -> None:
    """Add a frozen, active LoRA adapter on the layers of another one.

    Its factors are zero. Everything that trained before still trains, including the head.

    Args:
        model: a model with the adapter `like`.
        name: the name of the new adapter.
        like: the adapter whose options are copied.
        rank: the rank of the new adapter, with scale 1; `None` means rank and scale of `like`.
    """
    config = copy(model.peft_config[like])
    if rank is not None:
        # alpha = r makes the scale 1, also against a pattern of ranks in the copied config.
        config.r = config.lora_alpha = rank
        config.rank_pattern, config.alpha_pattern, config.use_rslora = {}, {}, False
    active = list(model.active_adapters)
    flags = [(p, p.requires_grad) for p in model.parameters()]
    model.add_adapter(name, config)
    model.base_model.set_adapter([*active, name])
    # peft lets every active adapter train, and `set_adapter` freezes what is not active.
    model.requires_grad_(False)
    for parameter, flag in flags:
        parameter.requires_grad_(flag)
    for layer in lora_layers(model, name).values():
        b, a = matrices(layer, name)
        fill(layer, name, torch.zeros_like(b), torch.zeros_like(a))


@contextmanager
def summed(model: PeftModel) -> Iterator[str]:
    """Yield one temporary LoRA adapter that changes the weights as all active ones together.

    Adapters that change nothing are left out. The model is the same afterwards.

    Args:
        model: a model with active adapters.

    Yields:
        The name of the sum, or that of the adapter itself if only one is active.

    Raises:
        AdapterError: see `lora_layers`; only with several active adapters.
    """
    active = list(model.active_adapters)
    if len(active) == 1:
        yield active[0]
        return
    layers = {name: lora_layers(model, name) for name in active}
    alive = [n for n in active if any(matrices(layer, n)[0].any() for layer in layers[n].values())]
    alive = alive or active[:1]
    ranks = [max(len(matrices(layer, n)[1]) for layer in layers[n].values()) for n in alive]
    flags = [(p, p.requires_grad) for p in model.parameters()]
    add_frozen(model, SUM, active[0], sum(ranks))
    model.base_model.set_adapter(active)
    for name, layer in lora_layers(model, SUM).items():
        _fill_sum(layer, [n for n in alive if name in layers[n]])
    try:
        yield SUM
    finally:
        model.base_model.delete_adapter(SUM)
        model.base_model.set_adapter(active)
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@torch.no_grad()
def _fill_sum(layer: Any, names: list[str]) -> None:
    """Stack the factors of some adapters into those of the sum, with their scales in B."""
    whole_b, whole_a = matrices(layer, SUM)
    at = 0
    for name in names:
        b, a = matrices(layer, name)
        # [s_1 B_1, s_2 B_2] [A_1; A_2] = sum of s_i B_i A_i, exactly.
        whole_b[:, at : at + len(a)] = layer.scaling[name] * b
        whole_a[at : at + len(a)] = a
        at += len(a)


def restart(layers: Iterable[Any], adapter: str) -> None:
    """Reset an adapter to a random A and B = 0."""
    for layer in layers:
        layer.reset_lora_parameters(adapter, True)


def _check(name: str, layer: Any, adapter: str) -> None:
    base = layer.get_base_layer()
    # peft gives A of a convolution no dilation and B the groups of the base: with either, B A is
    # not the change of the weight.
    fits = is_linear(base) or (
        is_convolution(base) and base.groups == 1 and set(base.dilation) == {1}
    )
    plain = adapter not in layer.lora_variant and not layer.lora_bias[adapter]
    if not fits or not plain:
        raise AdapterError(
            f"adapter {adapter!r} on {name} ({type(base).__name__})",
            "its change of the weight must be scale * B A",
            "Use plain LoRA on Linear or ungrouped, undilated convolution layers",
        )
