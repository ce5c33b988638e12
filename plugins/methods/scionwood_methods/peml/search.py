"""Search for the network of PEML's prefix by gradient descent, and keep the best operation."""

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
"""The betas of Adam for alpha, as in DARTS."""


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
    """Train the weights on one split and alpha on another, alternately (first-order DARTS).

    Each step updates alpha with a batch of `valid` and fixed weights. It then updates the weights
    (embeddings, operations, heads, gates, LoRA) with a batch of `train` and fixed alpha. This is
    a generator: iterate over it, stop at any time, then call `discretise`::

        for shares in track(search(model, train, valid, loss), total=len(train)):
            ...
        print(discretise(model))

    Args:
        model: a model with an active PEML adapter of `network="search"`.
        train: one batch for each step; the search ends with the shorter of the two.
        valid: batches of other samples.
        loss: `(model, batch) -> ()`.
        lr: the learning rate of the weights (AdamW with the parameter groups of the model).
        choice_lr: the learning rate of alpha (Adam).
        adapter: the name of the adapter.

    Yields:
        After each step, the weights of the operations, which add up to 1.

    Raises:
        AdapterError: there is no network to search for.

    Source: a reconstruction from notes on arXiv 2605.14055. The search is DARTS, Liu et al. 2019
    (arXiv 1806.09055), with its first-order gradient.
    """
    network, alpha = _searched(model, adapter)
    weights = parameter_groups(model, lr)
    for group in weights:
        # `parameter_groups` takes all that trains; alpha must not learn from the training split.
        group["params"] = [p for p in group["params"] if p is not alpha]
    inner = torch.optim.AdamW(weights, weight_decay=0.0)
    outer = torch.optim.Adam([alpha], lr=choice_lr, betas=MOMENTA)
    model.train()
    for train_batch, valid_batch in zip(train, valid, strict=False):
        # First order: alpha moves with the weights as they are, without a look-ahead step of them.
        for batch, optimizer in ((valid_batch, outer), (train_batch, inner)):
            model.zero_grad()
            loss(model, batch).backward()
            optimizer.step()
        yield network.shares()
    model.zero_grad()


def discretise(model: Any, *, restart: bool = True, adapter: str = "default") -> str:
    """Keep the operation with the largest weight, and write it into the config of the adapter.

    The other operations and alpha are removed from the parameters and the file, so that loading
    needs no search. Create the optimiser afterwards.

    Args:
        model: a model with a PEML adapter of `network="search"`.
        restart: give the adapter new random values, to train it with the operation alone. If
            false, training continues from the weights of the search.
        adapter: the name of the adapter.

    Returns:
        The name of the operation.

    Raises:
        AdapterError: there is no network to search for.
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
    rule = "it has no prefix network with `network='search'`"
    remedy = "Attach PEML with network='search' to the projections of q and of the output"
    raise AdapterError(f"adapter {adapter!r}", rule, remedy)
