"""What the methods share: the wrapper of one layer, and the tuner that puts it in place.

A new method writes a config (`MethodConfig`), a layer (`AdapterLayer`, three functions) and a tuner
(`MethodTuner`, three names); peft and the wrapper do the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge
from torch import Tensor

from scionwood_methods.shared.config import MethodConfig
from scionwood_methods.shared.slices import Slices, slices_of
from scionwood_methods.shared.support import channel_axis, check_supported


class AdapterLayer(nn.Module, BaseTunerLayer):
    """A frozen layer and any number of adapters by name: `base(x) + sum of change(name, x)`.

    The base is called as a module; its input goes to `change` in the dtype of the computation,
    which is autocast's, or that of x. A merged weight is kept aside as it was, so that unmerging is
    exact.

    A method sets `adapter_layer_names` (attributes with what trains, each a mapping by the
    adapter's name) and extends `other_param_names` by every other such mapping, so that peft
    deletes, switches and saves them.
    """

    other_param_names: tuple[str, ...] = ("scaling", "dropout", "slices")

    not_mergeable: ClassVar[str] = ""
    """Why the method's change is no change of the weight; empty where it is."""

    # nn.Module declares every attribute a tensor or a module
    base_layer: Any
    dropout: Any
    active_adapters: Any
    _move_adapter_to_device_of_base_layer: Any

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.scaling: dict[str, float] = {}
        self.dropout = nn.ModuleDict()
        self.slices: dict[str, Slices] = {}
        self.merged_adapters: list[str] = []
        self._active_adapter: list[str] = []
        self._disable_adapters = False
        self._unmerged: Tensor | None = None

    @abstractmethod
    def build(self, name: str, config: Any) -> None:
        """Make the parameters of an adapter, so that it changes nothing at first."""

    @abstractmethod
    def change(self, name: str, x: Tensor) -> Tensor:
        """What an adapter adds to the chosen outputs.

        Args:
            name: of the adapter.
            x: the layer's input, in the dtype of the computation, in which the result is too.

        Returns:
            As the layer's output, with the features of `slices[name]` only.
        """

    @abstractmethod
    def delta(self, name: str) -> Tensor:
        """The change of the chosen rows of the weight, in float32 or wider.

        Raises:
            NotImplementedError: the change is none of the weight, see `not_mergeable`.
        """

    def update_layer(self, name: str, config: MethodConfig) -> None:
        """Add an adapter.

        Raises:
            AdapterError: the options do not fit the layer.
        """
        self.slices[name] = slices_of(self.base_layer, config.slices, config.slice_sizes)
        self.scaling[name] = config.scale
        self.dropout[name] = nn.Dropout(config.dropout)
        self.build(name, config)
        self._move_adapter_to_device_of_base_layer(name)

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer with its active adapters.

        Args:
            x: as the base layer takes it.
        """
        if self.disable_adapters and self.merged:
            self.unmerge()
        names = self.acting()
        return self.adapted(x, names) if names else self.base_layer(x)

    def acting(self) -> list[str]:
        """The adapters that change what forward computes: active, here, and not merged."""
        if self.disable_adapters or self.merged:
            return []
        return [name for name in self.active_adapters if name in self.scaling]

    def adapted(self, x: Tensor, names: list[str]) -> Tensor:
        """The output with these adapters; a method may override it with a fused form."""
        out: Tensor = self.base_layer(x)
        axis = channel_axis(self.base_layer)
        x = x.to(working_dtype(x))
        for name in names:
            out = self.slices[name].add(out, self.change(name, x).to(out.dtype), axis)
        return out

    def base_weight(self) -> Tensor:
        """The weight of the base as it is without adapters, detached."""
        weight: Tensor = self.base_layer.weight.detach()
        if self.merged and self._unmerged is not None:
            return self._unmerged.to(weight.device)
        return weight

    def get_delta_weight(self, name: str) -> Tensor:
        """The change of the whole weight that an adapter makes, in float32 or wider.

        Raises:
            NotImplementedError: it makes none.
        """
        change = self.delta(name).detach()
        weight = self.base_weight()
        return self.slices[name].add(torch.zeros_like(weight, dtype=change.dtype), change, 0)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add adapters to the weight, rounding once.

        Args:
            safe_merge: refuse a sum that is not finite.
            adapter_names: the active ones where None.

        Raises:
            NotImplementedError: the method's change is none of the weight.
            ValueError: the sum is not finite; the weight is as it was.
        """
        names = [n for n in check_adapters_to_merge(self, adapter_names) if n in self.scaling]
        if not names:
            return
        if self.not_mergeable:
            raise NotImplementedError(self.not_mergeable)
        weight = self.base_layer.weight
        total = weight.detach()
        for name in names:
            total = self.slices[name].add(total, self.delta(name).detach(), 0)
        if safe_merge and not torch.isfinite(total).all():
            raise ValueError(f"adapters {names}: the merged weight is not finite. Load sound ones")
        if not self.merged:
            self._unmerged = weight.data
        weight.data = total.to(weight.dtype)
        self.merged_adapters.extend(names)

    def unmerge(self) -> None:
        """Give the base its own weight again, bit for bit."""
        if self.merged:
            self.base_layer.weight.data = self.base_weight()
            self.merged_adapters, self._unmerged = [], None


class MethodTuner(BaseTuner):
    """Puts a method's layer in the place of each target, or adds an adapter to one that is there.

    A method sets `prefix` (its name and an underscore) and `tuner_layer_cls`.
    """

    target_module_mapping: ClassVar[dict[str, list[str]]] = {}

    def _create_and_replace(
        self,
        config: MethodConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
    ) -> None:
        if isinstance(target, self.tuner_layer_cls):
            self.fill(target, config, adapter_name, current_key)
            return
        check_supported(self.prefix.rstrip("_"), current_key, target)
        layer = self.tuner_layer_cls(target)
        self.fill(layer, config, adapter_name, current_key)
        self._replace_module(parent, target_name, layer, target)

    def fill(self, layer: Any, config: MethodConfig, name: str, key: str) -> None:
        """Add an adapter to a layer; a tuner with state of its own overrides it.

        Args:
            layer: an instance of `tuner_layer_cls`.
            config: of the adapter.
            name: of the adapter.
            key: the layer's name in the model.
        """
        layer.update_layer(name, config)


def working_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which an adapter computes: autocast's where it is on, or that of x."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
        return torch.get_autocast_dtype(kind)
    return x.dtype
