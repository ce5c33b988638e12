"""The layer of GPart: its weight moves by its part of a projected vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood_methods.gpart.blocks import Part
from scionwood_methods.gpart.partition import splitmix64
from scionwood_methods.gpart.projection import Projection
from scionwood_methods.shared.generated import Generated, through
from scionwood_methods.shared.layers import AdapterLayer


@final
class SharedVectors(Mapping[str, nn.Parameter]):
    """A layer's view of the tuner's vectors: those of the adapters that this layer has.

    It is not a module, so that each vector is saved and counted once. peft freezes and deletes
    through it as through any container of adapters.
    """

    def __init__(self, store: nn.ParameterDict) -> None:
        self.store = store
        self.names: list[str] = []

    def __getitem__(self, name: str) -> nn.Parameter:
        if name not in self.names:
            raise KeyError(name)
        vector: nn.Parameter = self.store[name]
        return vector

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __delitem__(self, name: str) -> None:
        self.names.remove(name)
        if name in self.store:  # the first layer that is asked deletes the shared vector
            del self.store[name]


@final
class Place(NamedTuple):
    """Where a layer is in the projection: its first weight, and the part of the vector."""

    projection: Projection
    part: Part
    start: int


@final
class GpartLayer(AdapterLayer):
    """`vec(dW) = P theta`, restricted to the weights of this layer."""

    adapter_layer_names = ("gpart_theta",)
    other_param_names = (*AdapterLayer.other_param_names, "gpart_place")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.gpart_theta: SharedVectors | dict[str, nn.Parameter] = {}
        self.gpart_place: dict[str, Place] = {}

    def build(self, name: str, config: Any) -> None:
        """Do nothing: `GpartModel.fill` gives the layer its place in the projection."""

    def take(self, name: str, store: nn.ParameterDict, projection: Projection, part: Part) -> int:
        """Take the next weights of a projection.

        Args:
            name: the name of the adapter.
            store: the vectors of the tuner.
            projection: the map from a part of the vector to weights.
            part: that part.

        Returns:
            The number of weights of this layer that the adapter changes.
        """
        if not isinstance(self.gpart_theta, SharedVectors):
            self.gpart_theta = SharedVectors(store)
        self.gpart_theta.names.append(name)
        count = self.chosen(name).numel()
        start = projection.extend(count, partial(self.chosen, name))
        self.gpart_place[name] = Place(projection, part, start)
        return count

    def chosen(self, name: str) -> Tensor:
        """Return the weights that an adapter changes, without adapters, as a vector."""
        return self.slices[name].take(self.base_weight(), 0).reshape(-1)

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        drop = self.dropout[name]
        share = self._share(name, drop.p if drop.training else 0.0)
        # The backward pass computes the mask again, so it stores this seed and not the mask.
        seed = torch.randint(1 << 62, (), device=x.device) if share.dropout else torch.zeros(())
        return through(self.base_layer, x, share, self.gpart_theta[name], seed)

    def delta(self, name: str) -> Tensor:
        """See `AdapterLayer.delta`."""
        theta = self.gpart_theta[name]
        wide = torch.promote_types(theta.dtype, torch.float32)
        return self._share(name, 0.0).build(wide, theta, torch.zeros(()))

    def _share(self, name: str, dropout: float) -> Share:
        shape = (self.slices[name].chosen, *self.base_weight().shape[1:])
        return Share(self.gpart_place[name], shape, dropout)


@final
class Share(Generated):
    """The part of P theta in one layer, as a function of theta and the seed of the dropout mask."""

    def __init__(self, place: Place, shape: tuple[int, ...], dropout: float) -> None:
        self.place, self.shape, self.dropout = place, shape, dropout
        self.count = torch.Size(shape).numel()

    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """Return the update of the layer."""
        theta, seed = parameters
        projection, part, start = self.place
        # With `scope: block` a layer sees only the entries of its block; the gradient is zero
        # elsewhere.
        segment = theta.narrow(0, part.start, part.length)
        values = projection.spread(_wide(segment), start, self.count)
        return self._dropped(values, seed).view(self.shape).to(dtype)

    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """See `Generated.pull`."""
        theta, seed = parameters
        projection, part, start = self.place
        values = self._dropped(gradient.reshape(-1).to(_wide(theta).dtype), seed)
        segment_gradient = projection.gather(values, start)
        tail = theta.numel() - part.start - part.length
        return nn.functional.pad(segment_gradient, (part.start, tail)).to(theta.dtype), None

    def _dropped(self, values: Tensor, seed: Tensor) -> Tensor:
        if not self.dropout:
            return values
        # 24 bits of the hash make a number in [0, 1).
        hashed = splitmix64(self.place.start, self.count, seed, values.device)
        is_kept = ((hashed >> 8) & ((1 << 24) - 1)) >= round(self.dropout * (1 << 24))
        return torch.where(is_kept, values / (1 - self.dropout), 0.0)


def _wide(theta: Tensor) -> Tensor:
    """Return the vector in float32 or float64, in which P is applied and gradients are summed."""
    return theta.to(torch.promote_types(theta.dtype, torch.float32))
