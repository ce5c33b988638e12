"""What the methods share: the wrapper of one layer, and the tuner that puts it in place.

A new method needs a config (`MethodConfig`), a layer with three functions (`AdapterLayer`) and a
tuner with two names (`MethodTuner`). peft and the wrapper do the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor

from scionwood.authoring import LayerTuner
from scionwood_methods.shared.config import MethodConfig
from scionwood_methods.shared.sizes import Sizes
from scionwood_methods.shared.slices import Slices, slices_of
from scionwood_methods.shared.support import channel_axis, check_supported


class AdapterLayer(Sizes, nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft has no type hints
    """A frozen layer with any number of named adapters: `base(x) + sum of change(name, x)`.

    The base layer is called as a module. `change` receives the input in the dtype of the
    computation, which is that of autocast or that of x. The original weight is stored while
    adapters are merged, so that unmerging is exact.

    A subclass sets `adapter_layer_names`: the attributes that hold trainable tensors, each a
    mapping by the name of the adapter. It extends `other_param_names` by every other mapping of
    this kind, so that peft deletes, switches and saves them.
    """

    other_param_names: tuple[str, ...] = ("scaling", "dropout", "slices")

    not_mergeable: ClassVar[str] = ""
    """Why the change cannot be merged into the weight; empty if it can be merged."""

    # nn.Module declares every attribute as a tensor or a module.
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
        """Create the parameters of an adapter; a new adapter changes nothing."""

    @abstractmethod
    def change(self, name: str, x: Tensor) -> Tensor:
        """Return what an adapter adds to the chosen outputs.

        Args:
            name: the adapter.
            x: the input of the layer, in the dtype of the computation.

        Returns:
            A tensor shaped like the layer's output with only the features of `slices[name]`, in
            the dtype of x.
        """

    @abstractmethod
    def delta(self, name: str) -> Tensor:
        """Return the change of the chosen rows of the weight, in float32 or float64.

        Raises:
            NotImplementedError: the change cannot be merged, see `not_mergeable`.
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
            x: the input of the base layer.
        """
        if self.disable_adapters and self.merged:
            self.unmerge()
        names = self.acting()
        return self.adapted(x, names) if names else self.base_layer(x)

    def acting(self) -> list[str]:
        """Return the adapters of this layer that `forward` applies: active and not merged."""
        if self.disable_adapters or self.merged:
            return []
        return [name for name in self.active_adapters if name in self.scaling]

    def adapted(self, x: Tensor, names: list[str]) -> Tensor:
        """Return the output with these adapters; a method may override it with a fused form."""
        out: Tensor = self.base_layer(x)
        axis = channel_axis(self.base_layer)
        x = x.to(working_dtype(x))
        for name in names:
            out = self.slices[name].add(out, self.change(name, x).to(out.dtype), axis)
        return out

    def base_weight(self) -> Tensor:
        """Return the weight of the base layer without adapters, detached."""
        weight: Tensor = self.base_layer.weight.detach()
        if self.merged and self._unmerged is not None:
            return self._unmerged.to(weight.device)
        return weight

    def get_delta_weight(self, name: str) -> Tensor:
        """Return the change of the whole weight by an adapter, in float32 or float64.

        Raises:
            NotImplementedError: the change cannot be merged, see `not_mergeable`.
        """
        change = self.delta(name).detach()
        weight = self.base_weight()
        return self.slices[name].add(torch.zeros_like(weight, dtype=change.dtype), change, 0)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add adapters to the weight; the sum is rounded once.

        Args:
            safe_merge: refuse a sum that is not finite.
            adapter_names: the adapters to merge; `None` means the active ones.

        Raises:
            NotImplementedError: the change of this method cannot be merged.
            ValueError: the sum is not finite; the weight is left as it was.
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
            rule = "the merged weight is not finite"
            raise ValueError(f"adapters {names}: {rule}. Load an adapter without NaN or inf")
        if not self.merged:
            self._unmerged = weight.data
        weight.data = total.to(weight.dtype)
        self.merged_adapters.extend(names)

    def unmerge(self) -> None:
        """Restore the original weight of the base layer, bit for bit."""
        if self.merged:
            self.base_layer.weight.data = self.base_weight()
            self.merged_adapters, self._unmerged = [], None


class MethodTuner(LayerTuner):
    """Replaces each target by the method's layer, or adds an adapter to a layer that is there.

    A subclass sets `prefix` (the method's name with an underscore) and `tuner_layer_cls`.
    """

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the method's layer for a linear layer or a convolution.

        Raises:
            AdapterError: the target is another kind of module.
        """
        check_supported(self.prefix.rstrip("_"), key, target)
        return super().wrap(target, key)

    def _check_merge_allowed(self) -> None:
        """Refuse to merge before any layer is touched; peft asks here.

        Raises:
            NotImplementedError: the change of the method depends on the input.
        """
        super()._check_merge_allowed()
        if reason := getattr(self.tuner_layer_cls, "not_mergeable", ""):
            raise NotImplementedError(reason)


def working_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype in which an adapter computes: autocast's if it is on, else that of x."""
    kind = x.device.type
    if torch.is_autocast_enabled(kind) and x.dtype != torch.float64:
        return torch.get_autocast_dtype(kind)
    return x.dtype
