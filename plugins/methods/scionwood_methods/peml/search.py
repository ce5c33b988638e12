"""Find the network of PEML's prefix by differentiable search, and keep what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError, parameter_groups
from scionwood_methods.peml.prefix import PrefixNetwork
from scionwood_methods.peml.tuner import PemlLayer

Batch = TypeVar("Batch")

MOMENTA = (0.5, 0.999)
"""Adam's betas for alpha, those of DARTS."""


def search(
    model: Any,
    train: Iterable[Batch],
    valid: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    lr: float = 1e-3,
    choice_lr: float = 1e-2,
    adapter: str = "default",
) -> Iterator[dict[str, float]]:
    """Train the weights on one split and alpha on another, in turn (DARTS, first order).

    Each step moves alpha by the gradient on a batch of `valid` with the weights held, then the
    weights (embeddings, operations, heads, gates, LoRA) by that on a batch of `train` with alpha
    held. A generator: iterate over it, and stop when you like; then call `discretise`::

        for shares in track(search(model, train, valid, loss), total=len(train)):
            ...
        print(discretise(model))

    Args:
        model: with a PEML adapter of `network="search"` that is active.
        train: batches, one a step; the search ends with the shorter of the two.
        valid: batches of other samples.
        loss: `(model, batch) -> ()`.
        lr: of the weights (AdamW, with the groups that the model asks for).
        choice_lr: of alpha (Adam).
        adapter: its name.

    Yields:
        After each step the weights of the operations, which add up to 1.

    Raises:
        AdapterError: there is nothing to search.

    Source: a reconstruction from notes on arXiv 2605.14055; the search is DARTS, Liu et al. 2019
    (arXiv 1806.09055), with its first-order gradient.
    """
    network, alpha = _searched(model, adapter)
    weights = parameter_groups(model, lr)
    for group in weights:
        group["params"] = [p for p in group["params"] if p is not alpha]
    inner = torch.optim.AdamW(weights, weight_decay=0.0)
    outer = torch.optim.Adam([alpha], lr=choice_lr, betas=MOMENTA)
    model.train()
    for learned, held in zip(train, valid, strict=False):
        for batch, optimizer in ((held, outer), (learned, inner)):
            model.zero_grad()
            loss(model, batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        yield network.shares()
    model.zero_grad()


def discretise(model: Any, *, restart: bool = True, adapter: str = "default") -> str:
    """Keep the operation with the largest weight, and write it into the adapter's config.

    The others and alpha leave the parameters and the file, so that loading needs no search. Make
    the optimiser afterwards.

    Args:
        model: with a PEML adapter of `network="search"`.
        restart: draw the adapter anew, to train it with the operation alone; without it training
            goes on from the weights of the search.
        adapter: its name.

    Returns:
        The operation.

    Raises:
        AdapterError: there is nothing to choose from.
    """
    network, _ = _searched(model, adapter)
    shares = network.shares()
    chosen = max(shares, key=shares.__getitem__)
    network.keep(chosen)
    model.peft_config[adapter].network = chosen
    if restart:
        for layer in _layers(model, adapter):
            layer.restart(adapter)
    return chosen


def _layers(model: nn.Module, adapter: str) -> list[PemlLayer]:
    return [m for m in model.modules() if isinstance(m, PemlLayer) and adapter in m.shared]


def _searched(model: nn.Module, adapter: str) -> tuple[PrefixNetwork, nn.Parameter]:
    for layer in _layers(model, adapter):
        network = layer.shared[adapter].network
        if network is not None and network.alpha is not None:
            return network, network.alpha
    rule = "it has no prefix network that is still to be found"
    remedy = "Attach PEML with network='search' to the projections of q and of the output"
    raise AdapterError(f"adapter {adapter!r}", rule, remedy)
