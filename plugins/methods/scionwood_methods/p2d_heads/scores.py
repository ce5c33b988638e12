"""Score attention heads and examples, and select those that P2D trains on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.p2d_heads.tuner import (
    Heads,
    HeadSliceConfig,
    HeadSliceLayer,
    Place,
    block_of,
)
from scionwood_methods.shared.attention import attentions
from scionwood_methods.shared.roles import ROLES

Example = TypeVar("Example")
Counts = int | Mapping[str, int]
"""A number of heads for all blocks, or one by the name of the block."""
BASE = "base_model.model."
"""What peft puts before the names of the base's modules."""


def wasserstein(p: Tensor, q: Tensor) -> Tensor:
    """Return the Wasserstein-1 distance of distributions on equidistant points in [0, 1].

    Args:
        p: (..., points); each row adds up to 1.
        q: as p.

    Returns:
        (...): the area between the cumulative distributions.
    """
    # On a line W1 = integral |F_p - F_q|; both cumulative sums end at 1, so the last gap is 0.
    gap = (p - q).cumsum(-1)[..., :-1].abs()
    return gap.sum(-1) / max(p.shape[-1] - 1, 1)


def score_heads(
    model: nn.Module, *, num_heads: Counts | None = None, num_kv_heads: Counts | None = None
) -> dict[str, Tensor]:
    """Return how far a short run has moved each head: W1 of the softmax of its weights.

    The weights of a head are its rows of q, then the rows of k and of v of its group, as one
    vector. The distance is that between the vectors before and after the run.

    Args:
        model: a model with an active p2d_heads adapter that trained whole layers.
        num_heads: the number of heads of each block, or a number by the name of the block; `None`
            means what the attention blocks of the model say, for k and v too.
        num_kv_heads: the number of heads of k and v; `None` means num_heads.

    Returns:
        (num_heads,) float64 without unit, by the name of the block.

    Raises:
        AdapterError: the model has no such adapter on projections q, k or v.

    Source: arXiv 2505.18799 (ALPS), with k and v of the head's group.
    """
    if num_heads is None:
        blocks = {attention.name.removeprefix(BASE): attention for attention in attentions(model)}
        num_heads = {name: attention.heads for name, attention in blocks.items()}
        num_kv_heads = {name: attention.key_heads for name, attention in blocks.items()}
    keys = num_heads if num_kv_heads is None else num_kv_heads
    rows: dict[str, dict[str, list[Tensor]]] = {}
    for name, layer, adapter in _layers(model):
        block, _, last = name.rpartition(".")
        role = _roles(model, adapter).get(last, "")
        if role in ("", "o"):
            continue
        # In float64, because W1 sums small differences of shares over all weights of a head.
        before = layer.base_weight().double()
        after = before + layer.get_delta_weight(adapter).double()
        counts = _count(num_heads, block), _count(keys, block)
        pieces = [_of_heads(weight, role, *counts) for weight in (before, after)]
        rows.setdefault(block, {})[role] = pieces
    if not rows:
        rule = "it has no active p2d_heads adapter on projections q, k or v"
        raise AdapterError(type(model).__name__, rule, "Train an adapter without `heads` first")
    return {block: _moved(parts) for block, parts in rows.items()}


def select_heads(scores: Mapping[str, Tensor], share: float) -> Heads:
    """Return the heads with the highest scores over all blocks.

    Args:
        scores: see `score_heads`.
        share: the share of all heads, 0 < share <= 1; at least one head is chosen.

    Returns:
        Head numbers in ascending order by block; blocks without chosen heads are left out.

    Raises:
        AdapterError: the share is out of its range.
    """
    _check_share("share", share)
    ranked = [
        (float(s), block, h)
        for block, block_scores in scores.items()
        for h, s in enumerate(block_scores)
    ]
    ranked.sort(key=lambda entry: -entry[0])
    heads: Heads = {}
    for _, block, head in ranked[: max(1, round(share * len(ranked)))]:
        heads.setdefault(block, []).append(head)
    return {block: sorted(heads[block]) for block in scores if block in heads}


def head_targets(model: nn.Module, heads: Heads, roles: Mapping[str, str] = ROLES) -> list[str]:
    """Return the projections of the blocks with chosen heads, for `target_modules`.

    Args:
        model: the model without adapters.
        heads: the chosen heads by block.
        roles: see `HeadSliceConfig`.
    """
    return [
        name
        for name, _ in model.named_modules()
        if name.rpartition(".")[2] in roles and block_of(name, heads) is not None
    ]


@torch.no_grad()
def select_data(
    model: nn.Module,
    examples: Sequence[Example],
    budget: float,
    loss: Callable[[nn.Module, Example, bool], Tensor],
) -> list[int]:
    """Return the examples for which the chosen heads profit most from demonstrations.

    An example is scored by `drop = (l(x) - l(x | demonstrations)) / l(x)` with all heads, minus
    the same drop with the outputs of the chosen heads set to zero. The difference is the
    contribution of these heads. This is a reconstruction.

    Args:
        model: a model with an active p2d_heads adapter with chosen heads, also on projections o.
        examples: the examples to choose from.
        budget: the share to choose, 0 < budget <= 1; at least one example is chosen.
        loss: `(model, example, demonstrated) -> ()`, a positive loss per token, such as the
            negative log-likelihood. `demonstrated` tells whether the demonstrations of the task
            come before the example.

    Returns:
        Indices into `examples`, the best first.

    Raises:
        AdapterError: no heads are chosen, the budget is out of its range, or a loss is not
            positive.
    """
    _check_share("budget", budget)
    scores = []
    for number, example in enumerate(examples):
        with_heads = _drop(model, example, number, loss)
        with heads_off(model):
            # What remains without the heads is the profit of the rest of the model.
            scores.append(with_heads - _drop(model, example, number, loss))
    order = sorted(range(len(scores)), key=lambda number: -scores[number])
    return order[: max(1, round(budget * len(order)))]


@contextmanager
def heads_off(model: nn.Module) -> Iterator[None]:
    """Set the outputs of the chosen heads to zero at the input of the projections o.

    Args:
        model: a model with an active p2d_heads adapter with chosen heads.

    Raises:
        AdapterError: it has no such adapter on a projection o.
    """
    adapted = [(layer, adapter) for _, layer, adapter in _layers(model)]
    readers = [(layer, adapter) for layer, adapter in adapted if layer.places[adapter].role == "o"]
    if not readers:
        rule = "no active p2d_heads adapter with chosen heads is on a projection o"
        raise AdapterError(type(model).__name__, rule, "Target o too, and give `heads`")
    hooks = [
        layer.register_forward_pre_hook(partial(_silence, layer.columns[adapter]))
        for layer, adapter in readers
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _silence(columns: Any, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x, *others = inputs
    return columns.add(x, -columns.take(x, -1), -1), *others


def _drop(
    model: nn.Module,
    example: Example,
    number: int,
    loss: Callable[[nn.Module, Example, bool], Tensor],
) -> float:
    plain, demo_loss = (float(loss(model, example, demonstrated)) for demonstrated in (False, True))
    if not (plain > 0 and math.isfinite(plain) and math.isfinite(demo_loss)):
        rule = "each loss must be positive and finite"
        value = f"losses {plain} and {demo_loss} of example {number}"
        raise AdapterError(value, rule, "Check the function `loss`")
    return (plain - demo_loss) / plain


def _layers(model: nn.Module) -> Iterator[tuple[str, HeadSliceLayer, str]]:
    for name, layer in model.named_modules():
        for adapter in layer.acting() if isinstance(layer, HeadSliceLayer) else ():
            yield name.removeprefix(BASE), layer, adapter


def _roles(model: Any, adapter: str) -> dict[str, str]:
    config: HeadSliceConfig = model.peft_config[adapter]
    return config.roles


def _count(counts: Counts, block: str) -> int:
    return counts if isinstance(counts, int) else counts[block]


def _of_heads(weight: Tensor, role: str, queries: int, keys: int) -> Tensor:
    """Return the weights of each head of a projection, (queries, weights of the head)."""
    place, parts = Place(role, tuple(range(queries)), queries, keys), []
    for letter in role:
        rows = torch.cat([weight[a:b] for a, b in place.ranges(len(weight), letter)])
        heads = queries if letter == "q" else keys
        split = rows.view(heads, -1)
        # Each head of q sees the k and v of its group, so these rows count for every head of it.
        parts.append(split if letter == "q" else split.repeat_interleave(queries // keys, 0))
    return torch.cat(parts, 1)


def _moved(parts: Mapping[str, Sequence[Tensor]]) -> Tensor:
    ordered = [parts[role] for role in ("qkv", "q", "k", "v") if role in parts]
    before, after = (torch.cat(tensors, 1) for tensors in zip(*ordered, strict=True))
    return wasserstein(before.softmax(-1), after.softmax(-1))


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise AdapterError(f"{name}={share}", "it must be above 0 and at most 1")
