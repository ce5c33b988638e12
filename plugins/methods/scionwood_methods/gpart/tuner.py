"""GPart: one short vector changes all adapted weights; each weight uses one of its entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError, peft_method
from scionwood_methods.gpart.partition import Partition, splitmix64
from scionwood_methods.shared.config import MethodConfig
from scionwood_methods.shared.generated import Generated, through
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner


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
class GpartLayer(AdapterLayer):
    """`vec(dW) = P theta`, restricted to the weights of this layer."""

    adapter_layer_names = ("gpart_theta",)
    other_param_names = (*AdapterLayer.other_param_names, "gpart_place")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.gpart_theta: SharedVectors | dict[str, nn.Parameter] = {}
        self.gpart_place: dict[str, tuple[Partition, int]] = {}

    def build(self, name: str, config: GpartConfig) -> None:
        """Do nothing: `GpartModel.fill` gives the layer its place in the partition."""

    def take(self, name: str, store: nn.ParameterDict, partition: Partition) -> int:
        """Take the next weights of a partition.

        Args:
            name: the name of the adapter.
            store: the vectors of the tuner.
            partition: the partition of the adapter.

        Returns:
            The number of weights of this layer that the adapter changes.
        """
        if not isinstance(self.gpart_theta, SharedVectors):
            self.gpart_theta = SharedVectors(store)
        self.gpart_theta.names.append(name)
        count = self.slices[name].take(self.base_weight(), 0).numel()
        self.gpart_place[name] = (partition, partition.extend(count))
        return count

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        drop = self.dropout[name]
        share = self._share(name, drop.p if drop.training else 0.0)
        seed = torch.randint(1 << 62, (), device=x.device) if share.dropout else torch.zeros(())
        return through(self.base_layer, x, share, self.gpart_theta[name], seed)

    def delta(self, name: str) -> Tensor:
        """See `AdapterLayer.delta`."""
        theta = self.gpart_theta[name]
        return self._share(name, 0.0).build(theta.dtype, theta, torch.zeros(()))

    def _share(self, name: str, dropout: float) -> _Share:
        weight = self.base_weight()
        shape = (self.slices[name].chosen, *weight.shape[1:])
        return _Share(*self.gpart_place[name], shape, weight.device, dropout)


@final
class GpartModel(MethodTuner):
    """The tuner of GPart. It holds one vector for each adapter."""

    prefix = "gpart_"
    tuner_layer_cls = GpartLayer
    uses_shared_state = True

    gpart_theta: nn.ParameterDict

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        """Create the vector of an adapter."""
        if "gpart_theta" not in self._modules:
            self.gpart_theta = nn.ParameterDict()
        device = next(model.parameters()).device
        self.gpart_theta[name] = nn.Parameter(torch.zeros(config.d, device=device))
        self._partition, self._layout = Partition(config.d, config.seed), list[list[Any]]()

    def finish(self, config: Any, name: str) -> None:
        """Compare the layout with a saved one, and record it.

        Raises:
            AdapterError: the vector has more entries than there are adapted weights, or the
                targets differ from those that the adapter was trained on.
        """
        _check(config, self._layout)
        config.layout = self._layout

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter to a layer, and give the layer its place in the partition."""
        super().fill(layer, config, name, key)
        self._layout.append([key, layer.take(name, self.gpart_theta, self._partition)])


@peft_method("gpart", tuner=GpartModel)
@final
@dataclass
class GpartConfig(MethodConfig):
    """Global partition: the weights share the entries of one vector by a fixed random partition.

    `dW_i = theta_j / sqrt(n_j)` for a weight i in group j, which has n_j weights. The norm of the
    whole update therefore equals that of theta, apart from entries of empty groups. theta starts
    at zero. Biases are not adapted. Dropout acts on the entries of dW.

    Trainable parameters: d for the whole model, whatever its size; the file holds only these. The
    partition follows from `seed` and the order of the targets, which `layout` records.

    Shapes: theta (d,) float32; a weight of any shape.

    Args:
        d: the length of theta, at most the number of adapted weights.
        seed: the seed of the partition; an adapter cannot be used with another seed.
        layout: the adapted layers in order, with their numbers of weights. Leave it out: it is
            written when the adapter is attached and compared when it is loaded.

    Source: arXiv 2605.14841; the partition is that of the authors' code (SamsungLabs/GPart,
    Apache-2.0), "implicit stateless" in version 1. The paper draws groups of equal size instead.
    Convolutions are an extension of this package.
    """

    d: int = 1024
    seed: int = 42
    layout: list[list[int | str]] | None = None

    def __post_init__(self) -> None:
        """Check the length of the vector.

        Raises:
            AdapterError: d is below 1.
        """
        super().__post_init__()
        if self.d < 1:
            raise AdapterError(f"d={self.d}", "the vector needs at least one entry")

    @property
    def scale(self) -> float:
        """The factor 1, because the map from theta to the update is an isometry."""
        return 1.0


@final
class _Share(Generated):
    """The part of P theta in one layer, as a function of theta and the seed of the dropout mask."""

    def __init__(
        self,
        partition: Partition,
        start: int,
        shape: tuple[int, ...],
        device: torch.device,
        dropout: float,
    ) -> None:
        self.partition, self.start, self.shape, self.device = partition, start, shape, device
        self.count, self.dropout = torch.Size(shape).numel(), dropout

    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """Return the update of the layer."""
        theta, seed = parameters
        scaled = theta * self.partition.scales(theta.device)
        values = scaled.index_select(0, self._groups(theta))
        return self._dropped(values, seed).view(self.shape).to(dtype)

    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """See `Generated.pull`."""
        theta, seed = parameters
        values = self._dropped(gradient.reshape(-1).to(theta.dtype), seed)
        summed = torch.zeros_like(theta).index_add(0, self._groups(theta), values)
        return summed * self.partition.scales(theta.device), None

    def _groups(self, theta: Tensor) -> Tensor:
        return self.partition.groups(self.start, self.count, theta.device)

    def _dropped(self, values: Tensor, seed: Tensor) -> Tensor:
        if not self.dropout:
            return values
        # 24 bits of the hash make a number in [0, 1).
        drawn = (splitmix64(self.start, self.count, seed, values.device) >> 8) & ((1 << 24) - 1)
        kept = drawn >= round(self.dropout * (1 << 24))
        return torch.where(kept, values / (1 - self.dropout), 0.0)


def _check(config: GpartConfig, layout: list[list[Any]]) -> None:
    total = sum(count for _, count in layout)
    if config.d > total:
        rule = f"the vector has at most as many entries as there are adapted weights, {total}"
        raise AdapterError(f"d={config.d}", rule, "Lower d or adapt more layers")
    expected = config.layout
    if expected is None or expected == layout:
        return
    pairs = [pair for pair in zip(expected, layout, strict=False) if pair[0] != pair[1]]
    old, new = pairs[0] if pairs else (f"{len(expected)} layers", f"{len(layout)} layers")
    raise AdapterError(
        f"targets of the adapter: {new}, but it was made for {old}",
        "the order and sizes of the targets are part of a GPart adapter",
        "Load it on the model that it was trained on; for a new adapter make a new config",
    )
