"""What the layers of this package share: they run the wrapped module with other weights.

The wrapped module is called through `torch.func.functional_call`, with the changed weights in the
place of its own for this one call. It may therefore read its weights in any way, and its own
parameters are never written, so that unmerging and the hash of the base stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn as nn
from peft import LoraConfig
from peft.tuners.tuners_utils import check_adapters_to_merge
from torch import Tensor
from torch.func import functional_call

from scionwood.adapters.layers.forms import Form, form_of
from scionwood.adapters.layers.matrices import parameter
from scionwood.errors import AdapterError


class WeightLayer:
    """A layer of peft that changes the weights of any module.

    A subclass is also an `nn.Module` and a layer of a method of peft, and defines `changed`.
    """

    base_layer: nn.Module
    form: Form
    adapter_layer_names: tuple[str, ...]
    merged_adapters: list[str]
    merged: bool
    disable_adapters: bool
    active_adapters: list[str]
    _unmerged: dict[str, Tensor]

    def changed(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the parameters of the wrapped module under these adapters, by dotted name.

        Each has the dtype of the parameter whose place it takes. The wrapped module must not be
        merged.
        """
        raise NotImplementedError

    def present(self, names: Sequence[str] | None = None) -> list[str]:
        """Return those of the names, or of the active adapters, that this layer has."""
        parts = getattr(self, self.adapter_layer_names[0])
        return [n for n in (self.active_adapters if names is None else names) if n in parts]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped module with the weights that the active adapters change.

        Raises:
            AdapterError: The call mixes adapters in one batch, which a weight cannot express.
        """
        if kwargs.pop("adapter_names", None) is not None:
            raise AdapterError(
                f"adapter_names for {type(self.base_layer).__name__}",
                "one weight serves the whole batch",
                "Run the adapters one by one",
            )
        if self.disable_adapters and self.merged:
            self.unmerge()
        names = [] if self.disable_adapters or self.merged else self.present()
        if not names:
            return self.base_layer(*args, **kwargs)
        return self.run(names, *args, **kwargs)

    def run(self, names: list[str], *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped module under these adapters."""
        return functional_call(self.base_layer, self.changed(names), args, kwargs)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Write the changed weights into the wrapped module, and keep copies of the old ones.

        Args:
            safe_merge: Whether to check first that the changed weights are finite.
            adapter_names: The names of the adapters. `None` means the active ones.

        Raises:
            ValueError: A changed weight is not finite. peft expects this type.
        """
        names = self.present(check_adapters_to_merge(self, adapter_names))
        if not names:
            return
        before = list(self.merged_adapters)
        if before:
            self._put_back()
        new = self.changed([*before, *names])
        if safe_merge and not all(bool(value.isfinite().all()) for value in new.values()):
            raise ValueError(f"the merged weights of {', '.join(names)} are not finite")
        self._unmerged = {name: parameter(self.base_layer, name).data for name in new}
        for name, value in new.items():
            parameter(self.base_layer, name).data = value.detach()
        self.merged_adapters = [*before, *names]

    def unmerge(self) -> None:
        """Put the old weights back, bit for bit."""
        self._put_back()
        self.merged_adapters = []

    def _put_back(self) -> None:
        for name, value in self._unmerged.items():
            current = parameter(self.base_layer, name)
            current.data = value.to(current.device)
        self._unmerged = {}

    def _weights(self) -> list[tuple[str, str, Tensor]]:
        """List key, axes and value of each adapted weight."""
        return [(w.key, w.axes, w.of(self.base_layer)) for w in self.form.weights]

    def _move_adapter_to_device_of_base_layer(
        self, adapter_name: str, device: torch.device | None = None
    ) -> None:
        """Move an adapter to a device. The dtype stays: factors of complex weights are real."""
        device = device or parameter(self.base_layer, self.form.weights[0].name).device
        for part in (getattr(self, name) for name in self.adapter_layer_names):
            if adapter_name in part and not any(p.is_meta for p in part[adapter_name].parameters()):
                part[adapter_name].to(device)

    def __repr__(self) -> str:
        """Return what peft prints: the method, and the parts of the layer."""
        return f"{self.adapter_layer_names[0].partition('_')[0]}.{super().__repr__()}"

    def __getattr__(self, name: str) -> Any:
        """Return what the wrapper does not have itself from the wrapped module.

        Modules around it read such attributes, for example `in_channels` and `num_heads`.
        """
        try:
            return super().__getattr__(name)  # type: ignore[misc]
        except AttributeError:
            if name == "base_layer":  # not set yet, as in the middle of a copy
                raise
            return getattr(self.base_layer, name)


def known_form(module: nn.Module) -> Form:
    """Return the form of a module, or refuse a module that has none."""
    form = form_of(module)
    if form is None:
        raise AdapterError(
            type(module).__name__,
            "no adapter form for this class of layer",
            "Target other layers, or name its weights in the class attribute adapter_weights",
        )
    return form


def check_dropout(layer: WeightLayer, config: LoraConfig) -> None:
    """Refuse dropout in a layer whose output is not linear in its weights."""
    if config.lora_dropout > 0 and not layer.form.linear and not config.inference_mode:
        name = type(layer.base_layer).__name__
        rule = "dropout before its weights would change the base too"
        raise AdapterError(
            f"lora_dropout={config.lora_dropout} on {name}", rule, "Use lora_dropout=0"
        )


def real_dtype(weight: Tensor) -> torch.dtype:
    """Return the real dtype of the factors of a weight, the same precision as the weight."""
    return weight.dtype.to_real() if weight.is_complex() else weight.dtype


def computing(*tensors: Tensor) -> torch.dtype:
    """Return the dtype in which a changed weight is formed: float32, or wider if a tensor is."""
    return reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
