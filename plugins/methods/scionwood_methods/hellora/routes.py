"""Count which experts a task uses, choose the most used ones, and name their layers."""

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
from scionwood_methods.shared.modes import evaluating

Batch = TypeVar("Batch")

LISTED = "experts"
"""The name under which a block holds its experts as an `nn.ModuleList`."""


@torch.no_grad()
def count_routes(
    model: nn.Module, batches: Iterable[Batch], run: Callable[[nn.Module, Batch], Any]
) -> dict[str, Tensor]:
    """Count the tokens that were routed to each expert of each mixture.

    For fused experts (transformers since version 5) the counts come from the index that the
    router passes to them. For experts in an `nn.ModuleList` called `experts` the rows of their
    inputs are counted, which is correct if an expert receives only its own tokens. Padding counts
    if the router treats it as a token.

    Args:
        model: a model with mixtures of experts; it runs in evaluation mode and is left as it was.
        batches: batches of the task; the paper uses a tenth of its data.
        run: `(model, batch)` runs the model forward.

    Returns:
        (experts,) int64 by the name of the module that holds the experts.

    Raises:
        AdapterError: the model has no such experts, or a mixture received no token.

    Source: arXiv 2605.18795, from notes of the paper.
    """
    counts = {name: torch.zeros(size, dtype=torch.int64) for name, _, size in _mixtures(model)}
    if not counts:
        rule = f"no module holds experts, fused or in a ModuleList called {LISTED!r}"
        raise AdapterError(type(model).__name__, rule, "Use a mixture-of-experts model")
    with evaluating(model), _counting(model, counts):
        for batch in batches:
            run(model, batch)
    if empty := [name for name, tokens in counts.items() if not tokens.any()]:
        rule = "no token reached its experts"
        raise AdapterError(f"mixture {empty[0]}", rule, "Give batches that run the whole model")
    return counts


def hot_experts(counts: Mapping[str, Tensor], k: int) -> dict[str, list[int]]:
    """Return the k most used experts of each mixture, for `HelloraConfig.experts`.

    Args:
        counts: see `count_routes`.
        k: experts of each mixture; of two experts with equal counts the first is taken.

    Returns:
        Expert numbers in ascending order by the name of the mixture.

    Raises:
        AdapterError: k is below 1 or above the number of experts.
    """
    hot = {}
    for name, tokens in counts.items():
        if not 1 <= k <= len(tokens):
            rule = f"{name} has {len(tokens)} experts"
            raise AdapterError(f"k={k}", rule, "Choose a number from 1 to that")
        hot[name] = sorted(tokens.argsort(descending=True, stable=True)[:k].tolist())
    return hot


def expert_targets(model: nn.Module, hot: Mapping[str, list[int]]) -> list[str]:
    """Return the `target_modules` of hot experts: fused modules, or linear layers of a list.

    Args:
        model: the model without adapters.
        hot: see `hot_experts`.

    Returns:
        Names of modules in the order of the model. The layers of attention can be added.
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
    """Yield the name, module and number of experts of each mixture; wrapped or not."""
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
    """Count the index (tokens, k) that fused experts receive; larger numbers are not experts."""
    # Under expert parallelism transformers marks the experts of other ranks by larger numbers.
    index = inputs[1].reshape(-1).cpu()
    counts += torch.bincount(index[index < len(counts)], minlength=len(counts))


def _rows(counts: Tensor, number: int, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    counts[number] += inputs[0].shape[:-1].numel()
