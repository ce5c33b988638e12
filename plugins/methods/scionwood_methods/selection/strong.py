"""The strong heads of a proxy run, and its change in them alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.p2d_heads.scores import BASE
from scionwood_methods.p2d_heads.tuner import Heads, HeadSliceLayer, Place
from scionwood_methods.shared.attention import attentions
from scionwood_methods.shared.roles import ROLES
from scionwood_methods.shared.slices import Slices


def projections(model: nn.Module) -> str:
    """Return a pattern of the projections of all attention blocks, for `targets`.

    Args:
        model: a backbone without adapters.

    Raises:
        AdapterError: it has no attention block of a known kind.
    """
    names = []
    for block in attentions(model):
        children = dict(model.get_submodule(block.name).named_children())
        names += [f"{block.name}.{name}".lstrip(".") for name in children if name in ROLES]
    return "|".join(re.escape(name) for name in names)


@contextmanager
def strong_change(model: nn.Module, heads: Heads) -> Iterator[Callable[[bool], None]]:
    """Yield a switch of what a proxy run changed in some heads; other heads stay as in the base.

    Afterwards the model has the whole change again.

    Args:
        model: a model with a `p2d_heads` adapter that trained whole layers.
        heads: the heads whose rows of q, k, v and columns of o keep their change.
    """
    all_changes, head_changes = {}, {}
    counts = {attention.name.removeprefix(BASE): attention for attention in attentions(model)}
    for name, layer in model.named_modules():
        if not isinstance(layer, HeadSliceLayer):
            continue
        block, _, last = name.removeprefix(BASE).rpartition(".")
        place = Place(
            ROLES[last], tuple(heads.get(block, ())), counts[block].heads, counts[block].key_heads
        )
        for parameter in layer.p2d_heads_delta.values():
            all_changes[parameter] = parameter.detach().clone()
            head_changes[parameter] = _of_heads(all_changes[parameter], place)
    if not all_changes:
        raise AdapterError(type(model).__name__, "it has no p2d_heads adapter", "Attach one")

    def switch(on: bool) -> None:
        with torch.no_grad():
            for parameter, value in head_changes.items():
                parameter.copy_(value) if on else parameter.zero_()

    try:
        yield switch
    finally:
        _put(all_changes)


def _put(values: Mapping[Any, Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in values.items():
            parameter.copy_(value)


def _of_heads(change: Tensor, place: Place) -> Tensor:
    """Return the change with zeros outside the rows or columns of the heads."""
    if not place.heads:
        return torch.zeros_like(change)
    axis = 1 if place.role == "o" else 0
    slices = Slices(place.ranges(change.shape[axis], None), change.shape[axis])
    return slices.add(torch.zeros_like(change), slices.take(change, axis), axis)
