"""IA3 on the weights of any layer that has a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from peft import IA3Config
from peft.tuners.ia3.layer import IA3Layer
from torch import Tensor

from scionwood.adapters.layers.matrices import assembled, from_matrix, parameter, to_matrix
from scionwood.adapters.layers.weights import WeightLayer, computing, known_form, real_dtype
from scionwood.errors import AdapterError


class WeightIA3(WeightLayer, nn.Module, IA3Layer):  # type: ignore[misc]  # peft is untyped
    """Trained factors, one for each output channel, that scale rows of weights and their biases.

    IA3 (Liu et al. 2022, arXiv:2205.05638) scales the output of a layer. Scaling the rows of the
    weight and the bias gives the same output for every layer that is linear in them.

    Raises:
        AdapterError: The module has no form, or its form has no output channels to scale.
    """

    def __init__(
        self,
        base_layer: nn.Module,
        adapter_name: str,
        config: IA3Config,
        is_feedforward: bool = False,
        **_: Any,
    ) -> None:
        super().__init__()
        self.form = known_form(base_layer)
        name = type(base_layer).__name__
        if is_feedforward:
            raise AdapterError(
                f"feedforward_modules with {name}",
                "the input of this layer is not scaled, its output is",
                "Use feedforward_modules=[], or leave this layer out",
            )
        if not self.form.ia3:
            raise AdapterError(
                f"ia3 on {name}",
                "its output channels have no weights and biases of their own",
                "Target other layers, or use LoRA",
            )
        self.base_layer = base_layer
        self.ia3_l = nn.ModuleDict()
        self.is_feedforward = False
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        self._unmerged = {}
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config)

    def update_layer(self, adapter_name: str, config: IA3Config, **_: Any) -> None:
        """Add an adapter; see `IA3Layer.update_layer`."""
        scales = nn.ParameterDict()
        for key, axes, value in self._weights():
            rows = to_matrix(value, axes).shape[:2]
            scale = value.new_ones(rows.numel(), dtype=real_dtype(value))
            scales[key] = nn.Parameter(scale if config.init_ia3_weights else scale.normal_())
        self.ia3_l[adapter_name] = scales
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def changed(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the scaled weights and biases under these adapters, by dotted name."""
        pieces, biases = [], {}
        for weight in self.form.weights:
            value = weight.of(self.base_layer)
            matrix = to_matrix(value, weight.axes)
            scale = torch.ones((), dtype=computing(value).to_real(), device=value.device)
            for name in names:
                scale = scale * self.ia3_l[name][weight.key]  # type: ignore[index]
            rows = matrix.to(computing(value)) * scale.reshape(*matrix.shape[:2], 1)
            pieces.append((weight, from_matrix(rows, value, weight.axes).to(value.dtype)))
            if weight.bias is not None:
                bias = parameter(self.base_layer, weight.bias)
                biases[weight.bias] = (bias * scale.reshape(bias.shape)).to(bias.dtype)
        return assembled(self.base_layer, pieces) | biases
