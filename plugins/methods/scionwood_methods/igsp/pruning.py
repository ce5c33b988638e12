"""Measure the routes of iGSP's mixtures and drop the experts that few inputs are sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.igsp.tuner import IgspLayer

Batch = TypeVar("Batch")


def mixtures(model: Any, adapter: str = "default") -> dict[str, IgspLayer]:
    """The layers with a mixture, by their names in the bare model.

    Args:
        model: with an iGSP adapter.
        adapter: its name.

    Raises:
        AdapterError: there is none.
    """
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    found = {
        name: module
        for name, module in bare.named_modules()
        if isinstance(module, IgspLayer) and adapter in module.scaling
    }
    if not found:
        remedy = "Attach one: methods/igsp, or IgspConfig in peft"
        raise AdapterError(f"adapter {adapter!r}", "it is no mixture of iGSP", remedy)
    return found


@contextmanager
def watched(layers: Mapping[str, IgspLayer], adapter: str = "default") -> Iterator[None]:
    """Let mixtures count their routes; `mean_shares` reads them inside the block.

    Args:
        layers: from `mixtures`.
        adapter: its name.
    """
    for layer in layers.values():
        layer.watched[adapter] = torch.zeros(())
    try:
        yield
    finally:
        for layer in layers.values():
            layer.watched.pop(adapter, None)


def mean_shares(layers: Mapping[str, IgspLayer], adapter: str = "default") -> dict[str, Tensor]:
    """The mean routing probability of each expert over all that a watched layer has seen.

    Returns:
        By layer: (experts,), float32, which add up to 1.

    Raises:
        AdapterError: a layer has seen nothing.
    """
    found = {}
    for name, layer in layers.items():
        total = layer.watched.get(adapter)
        if total is None or not total.dim():
            rule = "no input went through it since its routes are watched"
            raise AdapterError(f"mixture {name}", rule, "Run the model, or leave the layer out")
        found[name] = (total / total.sum()).float()
    return found


@torch.no_grad()
def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    forward: Callable[[nn.Module, Batch], Any],
    *,
    adapter: str = "default",
) -> dict[str, Tensor]:
    """The mean routing probabilities of a model on some data, in eval mode.

    Args:
        model: with an iGSP adapter.
        batches: of the task's data.
        forward: `(model, batch)` runs the model; what it returns is not looked at.
        adapter: its name.

    Returns:
        By layer: (experts,), which add up to 1.

    Raises:
        AdapterError: there is no mixture, or one was not run.
    """
    layers, modes = mixtures(model, adapter), [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with watched(layers, adapter):
            for batch in batches:
                forward(model, batch)
            return mean_shares(layers, adapter)
    finally:
        for module, training in modes:
            module.training = training


def close_rare(
    layers: Mapping[str, IgspLayer],
    shares: Mapping[str, Tensor],
    threshold: float,
    *,
    adapter: str = "default",
    spared: Mapping[str, int] | None = None,
) -> None:
    """Close the routes below a threshold, in place, so that an optimiser goes on.

    The most used expert of a layer stays in any case.

    Args:
        layers: from `mixtures`.
        shares: from `measure` or `mean_shares`.
        threshold: the least mean probability, 0 to 1.
        adapter: its name.
        spared: how many experts, from the first, are not asked, by layer.

    Raises:
        AdapterError: the shares are not those of these layers.
    """
    for name, layer in layers.items():
        if name not in shares or len(shares[name]) != layer.experts(adapter):
            found = f"{len(shares[name])}" if name in shares else "no"
            rule = f"it has {layer.experts(adapter)} experts, and {found} shares are given"
            raise AdapterError(f"mixture {name}", rule, "Measure them anew")
        share = shares[name]
        rare = share < threshold
        rare[share.argmax()] = False
        rare[: (spared or {}).get(name, 0)] = False
        layer.close(adapter, rare)


def compact(model: Any, *, adapter: str = "default") -> dict[str, int]:
    """Remove the experts with closed routes, and record in the config what is left.

    The parameters are new objects: make the optimiser afterwards.

    Args:
        model: with an iGSP adapter.
        adapter: its name.

    Returns:
        The number of experts by layer.
    """
    kept = {name: layer.compact(adapter) for name, layer in mixtures(model, adapter).items()}
    model.peft_config[adapter].kept = dict(kept)
    return kept


def prune(
    model: Any, shares: Mapping[str, Tensor], *, threshold: float = 0.1, adapter: str = "default"
) -> dict[str, int]:
    """Drop the experts whose mean routing probability lies below a threshold, for good.

    Of each layer the most used expert stays. Shares of the others grow, since they add up to one.
    The parameters are new objects: make the optimiser afterwards. In a distributed run every
    process must give the same shares.

    Args:
        model: with an iGSP adapter.
        shares: from `measure`.
        threshold: the least mean probability, 0 to 1.
        adapter: its name.

    Returns:
        The number of experts that are left, by layer.

    Raises:
        AdapterError: there is no mixture, or the threshold is no share.

    Source: a reconstruction from the abstract of arXiv 2605.19301, see `IgspConfig`.
    """
    if not 0 <= threshold <= 1:
        raise AdapterError(f"threshold={threshold}", "it is a share, 0 to 1")
    close_rare(mixtures(model, adapter), shares, threshold, adapter=adapter)
    return compact(model, adapter=adapter)


def expand(
    model: Any, count: int, *, bias: float = 0.0, adapter: str = "default"
) -> dict[str, int]:
    """Add fresh experts to each mixture, whose B is zero, and record it in the config.

    The parameters are new objects: make the optimiser afterwards. The new routes take shares of the
    old ones, the less the lower their bias.

    Args:
        model: with an iGSP adapter.
        count: how many a layer.
        bias: of the new routes.
        adapter: its name.

    Returns:
        The number of experts by layer.
    """
    config, layers = model.peft_config[adapter], mixtures(model, adapter)
    for layer in layers.values():
        layer.extend(adapter, count, config.r, bias)
    config.kept = {name: layer.experts(adapter) for name, layer in layers.items()}
    return dict(config.kept)
