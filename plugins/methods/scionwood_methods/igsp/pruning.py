"""Measure the routes of iGSP's mixtures, and drop the experts that receive few inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.igsp.tuner import IgspLayer
from scionwood_methods.shared.modes import evaluating

Batch = TypeVar("Batch")


def mixtures(model: Any, adapter: str = "default") -> dict[str, IgspLayer]:
    """Return the layers with a mixture by their names in the base model.

    Args:
        model: a model with an iGSP adapter.
        adapter: the name of the adapter.

    Raises:
        AdapterError: there is no such layer.
    """
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = {
        name: module
        for name, module in bare.named_modules()
        if isinstance(module, IgspLayer) and adapter in module.scaling
    }
    if not layers:
        remedy = "Attach one: methods/igsp, or IgspConfig in peft"
        raise AdapterError(f"adapter {adapter!r}", "it is not a mixture of iGSP", remedy)
    return layers


@contextmanager
def watched(layers: Mapping[str, IgspLayer], adapter: str = "default") -> Iterator[None]:
    """Let mixtures record their routes; `mean_shares` reads them inside the block.

    Args:
        layers: the result of `mixtures`.
        adapter: the name of the adapter.
    """
    for layer in layers.values():
        layer.watched[adapter] = torch.zeros(())
    try:
        yield
    finally:
        for layer in layers.values():
            layer.watched.pop(adapter, None)


def mean_shares(layers: Mapping[str, IgspLayer], adapter: str = "default") -> dict[str, Tensor]:
    """Return the mean routing probability of each expert over all inputs of a watched layer.

    Returns:
        (experts,) float32 by layer; the entries add up to 1.

    Raises:
        AdapterError: a layer received no input.
    """
    shares = {}
    for name, layer in layers.items():
        total = layer.watched.get(adapter)
        if total is None or not total.dim():
            rule = "it has received no input since its routes are watched"
            raise AdapterError(f"mixture {name}", rule, "Run the model, or leave the layer out")
        shares[name] = (total / total.sum()).float()
    return shares


@torch.no_grad()
def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    forward: Callable[[nn.Module, Batch], Any],
    *,
    adapter: str = "default",
) -> dict[str, Tensor]:
    """Return the mean routing probabilities of a model on some data, in evaluation mode.

    Args:
        model: a model with an iGSP adapter.
        batches: batches of the task's data.
        forward: `(model, batch)` runs the model; its result is ignored.
        adapter: the name of the adapter.

    Returns:
        (experts,) by layer; the entries add up to 1.

    Raises:
        AdapterError: there is no mixture, or one was not run.
    """
    layers = mixtures(model, adapter)
    with evaluating(model), watched(layers, adapter):
        for batch in batches:
            forward(model, batch)
        return mean_shares(layers, adapter)


def close_rare(
    layers: Mapping[str, IgspLayer],
    shares: Mapping[str, Tensor],
    threshold: float,
    *,
    adapter: str = "default",
    spared: Mapping[str, int] | None = None,
) -> None:
    """Close the routes below a threshold in place, so that an optimiser can continue.

    The most used expert of a layer always stays.

    Args:
        layers: the result of `mixtures`.
        shares: the result of `measure` or `mean_shares`.
        threshold: the lowest mean probability, 0 to 1.
        adapter: the name of the adapter.
        spared: by layer, how many experts are never closed, counted from the first.

    Raises:
        AdapterError: the shares do not belong to these layers.
    """
    for name, layer in layers.items():
        if name not in shares or len(shares[name]) != layer.experts(adapter):
            count = f"{len(shares[name])}" if name in shares else "no"
            rule = f"it has {layer.experts(adapter)} experts, but {count} shares are given"
            raise AdapterError(f"mixture {name}", rule, "Measure them again")
        share = shares[name]
        rare = share < threshold
        # The softmax over routes that are all -inf is NaN.
        rare[share.argmax()] = False
        rare[: (spared or {}).get(name, 0)] = False
        layer.close(adapter, rare)


def compact(model: Any, *, adapter: str = "default") -> dict[str, int]:
    """Remove the experts with closed routes, and record the remaining ones in the config.

    The parameters are new objects, so create the optimiser afterwards.

    Args:
        model: a model with an iGSP adapter.
        adapter: the name of the adapter.

    Returns:
        The number of experts by layer.
    """
    counts = {name: layer.compact(adapter) for name, layer in mixtures(model, adapter).items()}
    model.peft_config[adapter].kept = dict(counts)
    return counts


def prune(
    model: Any, shares: Mapping[str, Tensor], *, threshold: float = 0.1, adapter: str = "default"
) -> dict[str, int]:
    """Drop the experts whose mean routing probability lies below a threshold.

    The most used expert of a layer always stays. The shares of the others grow, because shares
    add up to 1. The parameters are new objects, so create the optimiser afterwards. In a
    distributed run every process must give the same shares.

    Args:
        model: a model with an iGSP adapter.
        shares: the result of `measure`.
        threshold: the lowest mean probability, 0 to 1.
        adapter: the name of the adapter.

    Returns:
        The number of remaining experts by layer.

    Raises:
        AdapterError: there is no mixture, or the threshold is not between 0 and 1.

    Source: a reconstruction from the abstract of arXiv 2605.19301, see `IgspConfig`.
    """
    if not 0 <= threshold <= 1:
        raise AdapterError(f"threshold={threshold}", "it must be a share, 0 to 1")
    close_rare(mixtures(model, adapter), shares, threshold, adapter=adapter)
    return compact(model, adapter=adapter)


def expand(
    model: Any, count: int, *, bias: float = 0.0, adapter: str = "default"
) -> dict[str, int]:
    """Add new experts to each mixture, with B = 0, and record their number in the config.

    The parameters are new objects, so create the optimiser afterwards. The new routes take shares
    from the old ones; the lower their bias, the less they take.

    Args:
        model: a model with an iGSP adapter.
        count: the number of new experts in each layer.
        bias: the bias of the new routes.
        adapter: the name of the adapter.

    Returns:
        The number of experts by layer.
    """
    config, layers = model.peft_config[adapter], mixtures(model, adapter)
    for layer in layers.values():
        layer.extend(adapter, count, config.r, bias)
    config.kept = {name: layer.experts(adapter) for name, layer in layers.items()}
    return dict(config.kept)
