"""P2D's head slices: train only the weights of some attention heads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, final

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import peft_method
from scionwood_methods.shared.config import MethodConfig
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner
from scionwood_methods.shared.roles import ROLES, check_roles
from scionwood_methods.shared.slices import Slices
from scionwood_methods.shared.support import is_linear

Heads = dict[str, list[int]]
"""The chosen heads by the name of their attention block."""


@final
class Place(NamedTuple):
    """What an adapter changes in one projection.

    Attributes:
        role: q, k, v, o or qkv; empty if the whole layer changes.
        heads: the chosen heads, ascending.
        queries: the number of heads.
        keys: the number of heads of k and v.
    """

    role: str
    heads: tuple[int, ...]
    queries: int
    keys: int

    def shared(self) -> tuple[int, ...]:
        """Return the heads of k and v of the chosen heads: head h uses h // (queries / keys)."""
        group = self.queries // self.keys
        return tuple(sorted({head // group for head in self.heads}))

    def ranges(self, features: int, letters: str | None) -> tuple[tuple[int, int], ...]:
        """Return the first feature of each chosen head, and the one after its last.

        Args:
            features: outputs of q, k, v or qkv, or inputs of o.
            letters: the parts of a fused layer that change; `None` means q, k and v.
        """
        if self.role in ("q", "o"):
            return _blocks(self.heads, features // self.queries)
        if self.role in ("k", "v"):
            return _blocks(self.shared(), features // self.keys)
        size = features // (self.queries + 2 * self.keys)
        starts = {"q": 0, "k": self.queries, "v": self.queries + self.keys}
        chosen = {"q": self.heads, "k": self.shared(), "v": self.shared()}
        places = [starts[c] + h for c in "qkv" if c in (letters or "qkv") for h in chosen[c]]
        return _blocks(tuple(places), size)


@final
class HeadSliceLayer(AdapterLayer):
    """`y = base(x) + dW x'`; dW has the rows of q, k, v or the columns of o of chosen heads."""

    p2d_heads_delta: Any
    adapter_layer_names = ("p2d_heads_delta",)
    other_param_names = (*AdapterLayer.other_param_names, "places", "columns")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.p2d_heads_delta = nn.ParameterDict()
        self.places: dict[str, Place] = {}
        self.columns: dict[str, Slices] = {}

    def build(self, name: str, config: HeadSliceConfig) -> None:
        """Create a change of zero."""
        place, (out, width) = self.places[name], self.base_layer.weight.shape
        self.columns[name] = Slices(((0, width),), width)
        if place.role == "o":
            self.columns[name] = Slices(place.ranges(width, None), width)
        elif place.role:
            self.slices[name] = Slices(place.ranges(out, config.slices), out)
        shape = (self.slices[name].chosen, self.columns[name].chosen)
        self.p2d_heads_delta[name] = nn.Parameter(torch.zeros(shape))

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        read = self.columns[name].take(self.dropout[name](x), -1)
        return F.linear(read, self.p2d_heads_delta[name].to(x.dtype))

    def delta(self, name: str) -> Tensor:
        """See `AdapterLayer.delta`."""
        values = self.p2d_heads_delta[name]
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        columns = self.columns[name]
        return columns.add(values.new_zeros(len(values), columns.features), values, 1)


@final
class HeadSliceModel(MethodTuner):
    """The tuner of head slices."""

    prefix = "p2d_heads_"
    tuner_layer_cls = HeadSliceLayer

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter to a layer; see `LayerTuner.fill`.

        Raises:
            AdapterError: the layer is not a projection of a block with chosen heads.
        """
        layer.places[name] = _place(layer.base_layer, config, key)
        super().fill(layer, config, name, key)


@peft_method("p2d_heads", tuner=HeadSliceModel)
@final
@dataclass
class HeadSliceConfig(MethodConfig):
    """From parameters to data: train the rows of q, k, v and the columns of o of some heads.

    Without `heads` whole layers train. P2D starts with such a short run on some hundred examples,
    and `scionwood_methods.p2d_heads.scores` then ranks the heads. With grouped queries head h
    trains the rows of k and v of its group, h // (num_heads / num_kv_heads), which it shares with
    the other heads of the group. Biases do not change. This is a reconstruction from the abstract
    and notes.

    Trainable parameters of a block: inputs * head_dim * (heads + 2 groups) + heads * head_dim *
    outputs.

    Shapes: x (..., in), float; dW (rows of the heads, in), or (out, columns of the heads).

    Args:
        heads: chosen heads by the name of their block, or of a module around it, such as
            `{"layers.0.self_attn": [1, 5]}`; `None` means whole layers.
        num_heads: the number of heads of each block; needed with `heads`.
        num_kv_heads: the number of heads of k and v; `None` means num_heads.
        roles: the role of a projection by the last part of its name: q, k, v, o, or qkv for a
            fused layer with all of q, then k, then v.
        slices: the parts q, k and v of a fused layer that change.

    Source: arXiv 2605.21558, abstract and notes only; the heads are scored as in arXiv 2505.18799.
    """

    poolable: ClassVar[str] = "mean"  # how federated learning may pool it
    heads: Heads | None = None
    num_heads: int | None = None
    num_kv_heads: int | None = None
    roles: dict[str, str] = field(default_factory=ROLES.copy)

    def __post_init__(self) -> None:
        """Check the heads.

        Raises:
            AdapterError: naming the option that has a wrong value.
        """
        super().__post_init__()
        check_roles(self.roles)
        if self.heads is None:
            return
        count, shared = self.num_heads or 0, self.key_heads
        if count < 1 or shared < 1 or count % shared:
            value = f"num_heads={self.num_heads}, num_kv_heads={self.num_kv_heads}"
            rule = "with `heads`, num_heads is needed and must be a multiple of num_kv_heads"
            raise AdapterError(value, rule, "Take both from the config of the model")
        for block, chosen in self.heads.items():
            if not chosen or len(set(chosen)) < len(chosen) or set(chosen) - set(range(count)):
                rule = f"each must be a number from 0 to {count - 1} that occurs once"
                raise AdapterError(f"heads {chosen} of {block}", rule, "Leave empty blocks out")

    @property
    def key_heads(self) -> int:
        """The number of heads of k and v; 0 if no number is given."""
        return (self.num_heads or 0) if self.num_kv_heads is None else self.num_kv_heads

    @property
    def scale(self) -> float:
        """The factor 1: the change itself trains."""
        return 1.0


def block_of(name: str, heads: Heads) -> str | None:
    """Return the innermost block with chosen heads that contains a module.

    Args:
        name: the name of the module.
        heads: the chosen heads by block.
    """
    parents = [block for block in heads if name.startswith(f"{block}.")]
    return max(parents, key=len, default=None)


def _place(layer: Any, config: HeadSliceConfig, key: str) -> Place:
    value = f"p2d_heads on {key}"
    if not is_linear(layer):
        rule = "heads are rows and columns of linear layers"
        raise AdapterError(value, rule, "Target linear layers")
    if config.heads is None:
        return Place("", (), 1, 1)
    block, role = block_of(key, config.heads), config.roles.get(key.rpartition(".")[2])
    if block is None:
        rule = "no head of its block is chosen"
        remedy = "Take the targets from scionwood_methods.p2d_heads.scores.head_targets"
        raise AdapterError(value, rule, remedy)
    if role is None:
        rule = f"the known names of projections are {', '.join(config.roles)}"
        raise AdapterError(value, rule, "Give its role in `roles`, or leave the layer out")
    place = Place(role, tuple(sorted(config.heads[block])), config.num_heads or 1, config.key_heads)
    out, width = layer.weight.shape
    features = width if role == "o" else out
    parts = {"k": place.keys, "v": place.keys, "qkv": place.queries + 2 * place.keys}
    if features % parts.get(role, place.queries):
        rule = f"its {features} features cannot be split among {parts.get(role, place.queries)}"
        raise AdapterError(value, f"{rule} heads", "Correct num_heads and num_kv_heads")
    return place


def _blocks(numbers: tuple[int, ...], size: int) -> tuple[tuple[int, int], ...]:
    """Return the ranges of blocks with `size` features; adjacent ranges are joined."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        start, stop = number * size, (number + 1) * size
        if ranges and ranges[-1][1] == start:
            start = ranges.pop()[0]
        ranges.append((start, stop))
    return tuple(ranges)
