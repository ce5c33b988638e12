"""Which experts a task uses: count the routes, choose the hot experts, name their layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.hellora.fused_experts import ExpertsLayer, is_fused
from scionwood_methods.hellora.tuner import hot_block

Batch = TypeVar("Batch")

LISTED = "experts"
"""The name under which a block holds its experts as a list."""


@torch.no_grad()
def count_routes(
    model: nn.Module, batches: Iterable[Batch], run: Callable[[nn.Module, Batch], Any]
) -> dict[str, Tensor]:
    """How many tokens were sent to each expert of each mixture.

    Fused experts (transformers since version 5) are read from the index that the router hands
    them; of experts in an `nn.ModuleList` called `experts` the rows of their inputs are counted,
    which holds where an expert sees only its own tokens. Padding counts as the router treats it.

    Args:
        model: with mixtures of experts; runs in eval mode, and is left as it was.
        batches: of the task, a tenth of its data as in the paper.
        run: `(model, batch)` runs the model forward.

    Returns:
        By the name of the module with the experts, (experts,) int64.

    Raises:
        AdapterError: the model has no such experts, or no token reached any.

    Source: arXiv 2605.18795, from notes of the paper.
    """
    counts = {name: torch.zeros(size, dtype=torch.int64) for name, _, size in _mixtures(model)}
    if not counts:
        rule = f"no module holds experts, fused or in a ModuleList called {LISTED!r}"
        raise AdapterError(type(model).__name__, rule, "Use a mixture-of-experts model")
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with _counting(model, counts):
            for batch in batches:
                run(model, batch)
    finally:
        for module, training in modes:
            module.training = training
    if empty := [name for name, found in counts.items() if not found.any()]:
        rule = "no token reached its experts"
        raise AdapterError(f"mixture {empty[0]}", rule, "Give batches that run the whole model")
    return counts


def hot_experts(counts: Mapping[str, Tensor], k: int) -> dict[str, list[int]]:
    """The k most used experts of each mixture, for `HelloraConfig.experts`.

    Args:
        counts: see `count_routes`.
        k: experts of each mixture; of two with one count the first is taken.

    Returns:
        By the name of the mixture, ascending.

    Raises:
        AdapterError: k is below 1 or above the number of experts.
    """
    hot = {}
    for name, found in counts.items():
        if not 1 <= k <= len(found):
            raise AdapterError(f"k={k}", f"{name} has {len(found)} experts", "Choose 1 or more")
        hot[name] = sorted(found.argsort(descending=True, stable=True)[:k].tolist())
    return hot


def expert_targets(model: nn.Module, hot: Mapping[str, list[int]]) -> list[str]:
    """What `target_modules` names for hot experts: fused modules, or the linear layers of a list.

    Args:
        model: the bare backbone.
        hot: see `hot_experts`.

    Returns:
        Names of modules in the model's order, to which those of attention can be added.
    """
    return [name for name, module in model.named_modules() if _is_hot(name, module, hot)]


def _is_hot(name: str, module: nn.Module, hot: Mapping[str, list[int]]) -> bool:
    if name in hot:
        return is_fused(module)
    block = hot_block(name, hot)
    if block is None or not isinstance(module, nn.Linear):
        return False
    return name.removeprefix(f"{block}.").partition(".")[0] in map(str, hot[block])


def _mixtures(model: nn.Module) -> Iterator[tuple[str, Any, int]]:
    """Name, module and number of experts of each mixture; wrapped ones by the wrapper."""
    for name, module in model.named_modules():
        plain = name.removeprefix("base_model.model.")
        inner = module.base_layer if isinstance(module, ExpertsLayer) else module
        if is_fused(inner) and not name.endswith(".base_layer"):
            yield plain, module, len(inner.down_proj)
        elif isinstance(module, nn.ModuleList) and name.rpartition(".")[2] == LISTED:
            yield plain, module, len(module)


@contextmanager
def _counting(model: nn.Module, counts: Mapping[str, Tensor]) -> Iterator[None]:
    hooks = []
    for name, module, _ in _mixtures(model):
        if not isinstance(module, nn.ModuleList):
            hooks.append(module.register_forward_pre_hook(partial(_routed, counts[name])))
            continue
        for number, expert in enumerate(module):
            hooks.append(expert.register_forward_pre_hook(partial(_rows, counts[name], number)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _routed(counts: Tensor, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Count the index (tokens, k) that fused experts are given; larger numbers are no expert."""
    index = inputs[1].reshape(-1).cpu()
    counts += torch.bincount(index[index < len(counts)], minlength=len(counts))


def _rows(counts: Tensor, number: int, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    counts[number] += inputs[0].shape[:-1].numel()
