"""Tensors that two layers share, such as an output layer tied to the embedding of the tokens.

A merge into one of the two would change the other as well. A head that shares a tensor with the
frozen base would train the base. Such ties are found in any module, by the memory of the tensors.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, permutations
from typing import Any, NamedTuple, final

import torch
import torch.nn as nn
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from scionwood.adapters.head import BasePlace, backbone, base_places, head_names, in_head
from scionwood.adapters.modules import has_adapter
from scionwood.errors import AdapterError

UNTIED = "_scionwood_untied"
"""The attribute of a backbone with the names of the tensors that got copies of their own."""

Undo = list[tuple[dict[str, Any], str, Any]]
"""Dictionaries of modules, a key in each, and the value that it had."""


@final
class Location(NamedTuple):
    """A place in a model that holds a tensor of the base or of the head."""

    name: str
    """The name of the tensor in the backbone without adapters."""
    place: BasePlace
    """The place of the module that holds the tensor."""
    tensors: dict[str, Any]
    """The dictionary of the module that holds the tensor under `key`."""
    key: str
    tensor: torch.Tensor

    @property
    def layer(self) -> BaseTunerLayer | None:
        """The adapter layer around the module."""
        return self.place.layer


@final
class Tie(NamedTuple):
    """A tensor that an adapter or training changes, and another place that shares its memory."""

    changed: Location
    other: Location

    def error(self) -> AdapterError:
        """Return the error that names both places."""
        return AdapterError(
            self.changed.name,
            f"it shares its memory with {self.other.name}, which would change with it",
            "Target other layers, or give this layer a copy of its own with untie=True",
        )


def adapter_ties(model: nn.Module) -> list[Tie]:
    """Return the tensors inside adapted layers that share memory with a place outside the layer."""
    ties = _ties(locations(model))
    return [tie for tie in ties if tie.changed.layer not in (None, tie.other.layer)]


def settle_ties(model: PeftModel, name: str, *, untie: bool) -> None:
    """Refuse an adapter or a head that shares a tensor with another part of the base.

    Tied layers that all have adapters are no fault, since `merge` gives each a copy of its own.
    """
    ties = [tie for tie in adapter_ties(model) if has_adapter(tie.changed.layer, name)]
    ties = [tie for tie in ties if tie.other.layer is None]
    if head := head_names(model):  # a tensor of the head that the frozen base has too
        ties += [tie for tie in _ties(locations(model)) if _alone_in(head, tie)]
    if ties and not untie:
        raise ties[0].error()
    _remember(model, ties)


def untie(model: nn.Module, names: Sequence[str]) -> None:
    """Give tensors that share their memory copies of their own, by name."""
    everything = list(locations(model))
    tensor_names = {place.name for place in everything}
    if missing := [name for name in names if name not in tensor_names]:
        raise AdapterError(f"untied {missing[0][:200]!r}", "the base has no such tensor")
    ties = _ties(everything)
    _remember(model, [t for t in ties if t.changed.name in names and t.other.name not in names])


def untied(model: nn.Module) -> dict[str, int]:
    """Return the names of the tensors that got copies of their own, and the bytes of each."""
    names: tuple[str, ...] = getattr(backbone(model), UNTIED, ())
    sizes = {place.name: place.tensor.nbytes for place in locations(model)} if names else {}
    return {name: sizes[name] for name in names if name in sizes}


def separate(ties: Iterable[Tie]) -> Undo:
    """Give the first place of each tie a copy of its tensor.

    Returns:
        What `put_back` needs.
    """
    undo: Undo = []
    copied_places: set[tuple[int, str]] = set()
    for changed, other in ties:
        _, module, _, siblings, child = changed.place
        if (id(siblings), changed.name) in copied_places:
            continue
        copied_places.add((id(siblings), changed.name))
        if module is other.place.module:  # the same module in two places
            undo.append((siblings, child, module))
            siblings[child] = copy.deepcopy(module)
            continue
        undo.append((changed.tensors, changed.key, changed.tensor))
        changed.tensors[changed.key] = _copy(changed.tensor)
    return undo


def put_back(undo: Undo) -> None:
    """Put the shared tensors back, bit for bit and shared as before."""
    for tensors, key, value in reversed(undo):
        tensors[key] = value


def locations(model: nn.Module) -> Iterator[Location]:
    """Yield all places that hold tensors of the backbone, those of adapters left out."""
    for place in base_places(model):
        for tensors in (place.module._parameters, place.module._buffers):
            for key, value in tensors.items():
                if value is not None and not is_lazy(value) and value.numel():
                    yield Location(f"{place.name}.{key}".lstrip("."), place, tensors, key, value)


def _ties(everything: Iterable[Location]) -> list[Tie]:
    """Return all pairs of places whose tensors overlap in memory, in both orders."""
    by_storage: dict[Any, list[tuple[int, int, Location]]] = defaultdict(list)
    for place in everything:
        storage, start, stop = _span(place.tensor)
        by_storage[storage].append((start, stop, place))
    groups: list[list[Location]] = []
    for spans in by_storage.values():
        end = -1
        for start, stop, place in sorted(spans, key=lambda span: span[:2]):
            if start >= end:
                groups.append([])
            groups[-1].append(place)
            end = max(end, stop)
    return [Tie(*pair) for group in groups for pair in permutations(group, 2)]


def _span(tensor: torch.Tensor) -> tuple[Any, int, int]:
    """Return the identity of the memory of a tensor, and the first and last byte + 1 in it."""
    local = getattr(tensor, "_local_tensor", tensor)  # of a DTensor
    if is_traceable_wrapper_subclass(local):  # such as a quantised tensor, made of several
        return id(tensor), 0, 1
    steps = zip(local.shape, local.stride(), strict=True)
    last = sum((int(length) - 1) * int(step) for length, step in steps)
    first = int(local.storage_offset()) * local.element_size()
    stop = first + (last + 1) * local.element_size()
    return local.untyped_storage()._cdata, first, stop


def _alone_in(head: tuple[str, ...], tie: Tie) -> bool:
    return in_head(tie.changed.name, head) and not in_head(tie.other.name, head)


def _remember(model: nn.Module, ties: list[Tie]) -> None:
    if ties:
        separate(ties)
        names = chain(untied(model), (tie.changed.name for tie in ties))
        setattr(backbone(model), UNTIED, tuple(dict.fromkeys(names)))


def _copy(shared: torch.Tensor) -> torch.Tensor:
    if not isinstance(shared, nn.Parameter):
        return shared.detach().clone()
    duplicate = copy.deepcopy(shared)
    vars(duplicate).update(vars(shared))  # where the values of a tensor without memory lie
    return duplicate
