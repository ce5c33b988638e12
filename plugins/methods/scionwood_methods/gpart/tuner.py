"""GPart: one short vector changes all adapted weights; each weight uses one of its entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import peft_method
from scionwood_methods.gpart.blocks import Part, block_of, parts_of
from scionwood_methods.gpart.fastfood import Fastfood
from scionwood_methods.gpart.layer import GpartLayer
from scionwood_methods.gpart.magnitude import SignedMagnitude
from scionwood_methods.gpart.partition import Partition
from scionwood_methods.gpart.projection import Projection
from scionwood_methods.shared.config import MethodConfig
from scionwood_methods.shared.layers import MethodTuner

_NARROW = (torch.float16, torch.bfloat16)


@final
class GpartModel(MethodTuner):
    """The tuner of GPart. It holds one vector for each adapter."""

    prefix = "gpart_"
    tuner_layer_cls = GpartLayer
    uses_shared_state = True

    gpart_theta: nn.ParameterDict

    def inject_adapter(
        self,
        model: nn.Module,
        adapter_name: str,
        autocast_adapter_dtype: bool = True,
        low_cpu_mem_usage: bool = False,
        state_dict: dict[str, Tensor] | None = None,
    ) -> None:
        """See `LayerTuner.inject_adapter`; the vectors of other adapters stay frozen or trainable.

        peft restores this by itself for tensors of the layers only.
        """
        store = self._modules.get("gpart_theta")
        others = [(vector, vector.requires_grad) for vector in store.parameters()] if store else []
        arguments = (autocast_adapter_dtype, low_cpu_mem_usage, state_dict)
        super().inject_adapter(model, adapter_name, *arguments)
        for vector, trains in others:
            vector.requires_grad = trains

    def prepare(self, model: nn.Module, config: Any, name: str, keys: list[str]) -> None:
        """Create the vector of an adapter, and its projections.

        Raises:
            AdapterError: a target lies in no block, or the vector is too short for the blocks.
        """
        if "gpart_theta" not in self._modules:
            self.gpart_theta = nn.ParameterDict()
        first = next(model.parameters())
        weights = (getattr(model.get_submodule(key), "weight", None) for key in keys)
        dtypes = (weight.dtype for weight in weights if isinstance(weight, Tensor))
        # `_cast_adapter_dtype` makes it float32 later, unless the caller asked peft not to.
        dtype = next((dtype for dtype in dtypes if dtype in _NARROW), torch.float32)
        self.gpart_theta[name] = nn.Parameter(
            torch.zeros(config.d, dtype=dtype, device=first.device)
        )
        single_part = {"": Part(0, config.d, config.seed)}
        blocks = [block_of(key, config.layers_pattern) for key in keys if config.scope == "block"]
        self._parts = parts_of(blocks, config.d, config.seed) if blocks else single_part
        self._projections = {
            block: _projection(config, part) for block, part in self._parts.items()
        }
        self._layout: list[list[Any]] = []

    def finish(self, config: Any, name: str) -> None:
        """Compare the layout with a saved one, and record it.

        Raises:
            AdapterError: the vector has more entries than there are adapted weights, or the
                targets differ from those that the adapter was trained on.
        """
        for block, projection in self._projections.items():
            _check_length(block, projection)
        _check_layout(config.layout, self._layout)
        config.layout = self._layout

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter to a layer, and give the layer its place in a projection."""
        super().fill(layer, config, name, key)
        block = block_of(key, config.layers_pattern) if config.scope == "block" else ""
        place = self._projections[block], self._parts[block]
        self._layout.append([key, layer.take(name, self.gpart_theta, *place)])

    def _cast_adapter_dtype(self, adapter_name: str, autocast_adapter_dtype: bool = True) -> None:
        """Make the vector float32, unless peft was asked to leave the dtype of the weights."""
        super()._cast_adapter_dtype(adapter_name, autocast_adapter_dtype)
        vector = self.gpart_theta[adapter_name]
        if autocast_adapter_dtype and vector.dtype in _NARROW:
            wide = nn.Parameter(vector.float(), requires_grad=vector.requires_grad)
            self.gpart_theta[adapter_name] = wide


@peft_method("gpart", tuner=GpartModel)
@final
@dataclass
class GpartConfig(MethodConfig):
    """Global partition: the weights share the entries of one vector by a fixed partition.

    `dW_i = theta_j / sqrt(n_j)` for a weight i in group j, which has n_j weights. The norm of the
    whole update therefore equals that of theta, apart from entries of empty groups. theta starts
    at zero. Biases are not adapted. Dropout acts on the entries of dW.

    Trainable parameters: d for the whole model, whatever its size; the file holds only these. The
    partition follows from the options, from the order of the targets, which `layout` records, and
    with `signed_magnitude` from the frozen weights.

    Shapes: theta (d,), float32 unless peft's `autocast_adapter_dtype` is false; a weight of any
    shape.

    Args:
        d: the length of theta, at most the number of adapted weights.
        seed: the seed of the partition; an adapter cannot be used with another seed.
        layout: the adapted layers in order, with their numbers of weights. Leave it out: it is
            written when the adapter is attached and compared when it is loaded.
        grouping: how weights are divided into groups. `random` draws the group of each weight from
            a hash. `signed_magnitude` puts weights of one sign and similar size into one group.
        projection: `partition`, or `fastfood` for a dense random map, which keeps norms only on
            average. It is the authors' baseline.
        scope: `model` for one partition of all adapted weights. `block` divides theta among the
            numbered blocks of the model in equal parts, and each block has its own partition.
            `layers_pattern` names the list of blocks; the default is layers, layer, h, block or
            blocks.

    Source: arXiv 2605.14841 and the authors' code (SamsungLabs/GPart, Apache-2.0): "stateless"
    assignment, `grouping_strategy`, `projection_type` and `partition_scope`. The paper draws groups
    of equal size instead. Three things differ from that code. `signed_magnitude` stores no table,
    and breaks ties by the index exactly. The factors of `fastfood` come from a hash, so that an
    adapter trained there cannot be read here. `fastfood` works with `scope: block` too.
    Convolutions are an extension of this package.
    """

    poolable: ClassVar[str] = "mean"  # how federated learning may pool it
    d: int = 1024
    seed: int = 42
    layout: list[list[int | str]] | None = None
    grouping: Literal["random", "signed_magnitude"] = "random"
    projection: Literal["partition", "fastfood"] = "partition"
    scope: Literal["model", "block"] = "model"

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            AdapterError: d is below 1, an option has an unknown value, or two options exclude each
                other.
        """
        super().__post_init__()
        if self.d < 1:
            raise AdapterError(f"d={self.d}", "the vector needs at least one entry")
        for option, choices in _CHOICES.items():
            value = getattr(self, option)
            if value not in choices:
                raise AdapterError(f"{option}={value!r}", f"it must be one of {', '.join(choices)}")
        if self.projection == "fastfood" and self.grouping != "random":
            rule = "`projection: fastfood` has no groups"
            raise AdapterError(f"grouping={self.grouping!r}", rule, "Leave `grouping` out")

    @property
    def scale(self) -> float:
        """The factor 1, because the map from theta to the update is an isometry."""
        return 1.0


_CHOICES = {
    "grouping": ("random", "signed_magnitude"),
    "projection": ("partition", "fastfood"),
    "scope": ("model", "block"),
}


def _projection(config: GpartConfig, part: Part) -> Projection:
    if config.projection == "fastfood":
        return Fastfood(part.length, part.seed)
    partition_class = {"random": Partition, "signed_magnitude": SignedMagnitude}[config.grouping]
    return partition_class(part.length, part.seed)


def _check_length(block: str, projection: Projection) -> None:
    if projection.d > projection.total:
        where = f" of {block}" if block else ""
        rule = "the vector has at most as many entries as there are adapted weights"
        remedy = "Lower d or adapt more layers"
        raise AdapterError(f"d={projection.d}", f"{rule}{where}, {projection.total}", remedy)


def _check_layout(expected: list[list[Any]] | None, layout: list[list[Any]]) -> None:
    if expected is None or expected == layout:
        return
    pairs = [pair for pair in zip(expected, layout, strict=False) if pair[0] != pair[1]]
    old, new = pairs[0] if pairs else (f"{len(expected)} layers", f"{len(layout)} layers")
    raise AdapterError(
        f"targets of the adapter: {new}, but it was made for {old}",
        "the order and sizes of the targets are part of a GPart adapter",
        "Load it on the model that it was trained on; for a new adapter make a new config",
    )
