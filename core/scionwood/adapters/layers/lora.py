"""LoRA, rsLoRA and DoRA on the weights of any layer that has a form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn as nn
from peft import LoraConfig
from peft.tuners.lora import layer as lora
from torch import Tensor
from torch.func import functional_call

from scionwood.adapters.layers.matrices import Weight, assembled, from_matrix, parameter, to_matrix
from scionwood.adapters.layers.weights import (
    WeightLayer,
    check_dropout,
    computing,
    known_form,
    real_dtype,
)
from scionwood.errors import AdapterError

INITS = (True, False, "gaussian")
"""The values of `init_lora_weights` that need nothing of the base weight."""


class WeightLora(WeightLayer, nn.Module, lora.LoraLayer):  # type: ignore[misc]  # peft is untyped
    """Low-rank changes of the weights of a module.

    A weight read as matrices W (batch, rows, columns) becomes W + s B A. `lora_A` holds
    A (batch, r, columns) and `lora_B` holds B (batch, rows, r). An axis `batch` of 1 is left out.
    For a complex weight the factors are complex, and are stored as real tensors with a last axis of
    2 for real and imaginary part. DoRA (`lora_magnitude_vector`) scales each row to a trained norm.

    Raises:
        AdapterError: The module has no form, or the config asks for what the form cannot do.
    """

    def __init__(
        self,
        base_layer: nn.Module,
        adapter_name: str,
        config: LoraConfig,
        r: int = 0,
        lora_alpha: int = 1,
        **_: Any,
    ) -> None:
        super().__init__()
        self.form = known_form(base_layer)
        lora.LoraLayer.__init__(self, base_layer)
        self._unmerged = {}
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, r, lora_alpha, config)

    @property
    def lora_variants(self) -> dict[tuple[str, ...], None]:
        """The combinations of options that this layer has; peft refuses the others."""
        return {(): None, ("use_dora",): None}

    def _get_in_out_features(self, module: nn.Module) -> tuple[int, int]:
        weight = self.form.weights[0]
        batch, rows, columns = to_matrix(weight.of(module), weight.axes).shape
        return columns, batch * rows

    def update_layer(
        self, adapter_name: str, r: int, lora_alpha: int, config: LoraConfig, **_: Any
    ) -> None:
        """Add an adapter; see `lora.LoraLayer.update_layer`."""
        _check_options(self, r, config)
        self.r[adapter_name], self.lora_alpha[adapter_name] = r, lora_alpha
        self.use_rslora[adapter_name] = config.use_rslora
        self.use_dora[adapter_name] = config.use_dora
        self.lora_bias[adapter_name] = False
        self.scaling[adapter_name] = lora_alpha / (math.sqrt(r) if config.use_rslora else r)
        p = config.lora_dropout
        self.lora_dropout[adapter_name] = nn.Dropout(p) if p > 0 else nn.Identity()
        down, up, norms = nn.ParameterDict(), nn.ParameterDict(), nn.ParameterDict()
        for key, axes, value in self._weights():
            down[key], up[key] = _factors(to_matrix(value, axes), r, config.init_lora_weights)
            if config.use_dora:
                norm = _norm(to_matrix(value.detach(), axes))
                norms[key] = nn.Parameter(norm.to(real_dtype(value)))
        self.lora_A[adapter_name], self.lora_B[adapter_name] = down, up
        if config.use_dora:
            self.lora_magnitude_vector[adapter_name] = norms
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def changed(self, names: Sequence[str], *, alone: bool = False) -> dict[str, Tensor]:
        """Return the adapted weights by dotted name, or the change `alone` with biases of zero."""
        pieces, biases = [], {}
        with _no_autocast(self):
            for weight in self.form.weights:
                value = weight.of(self.base_layer)
                new = from_matrix(self.change(names, weight), value, weight.axes)
                new = new if alone else value.to(new.dtype) + new
                pieces.append((weight, new.to(value.dtype)))
                if alone and weight.bias is not None:
                    biases[weight.bias] = torch.zeros_like(parameter(self.base_layer, weight.bias))
        return assembled(self.base_layer, pieces) | biases

    def change(self, names: Sequence[str], weight: Weight) -> Tensor:
        """Return what the adapters add to a weight, as matrices (batch, rows, columns)."""
        value = weight.of(self.base_layer)
        total: Tensor | None = None
        for name in names:
            a, b = (
                self._factor(part[name][weight.key], value) for part in (self.lora_A, self.lora_B)
            )
            change = self.scaling[name] * (b @ a)
            if self.use_dora[name]:
                matrix = to_matrix(value, weight.axes)
                change = (
                    _scaled(matrix, change, self.lora_magnitude_vector[name][weight.key]) - matrix
                )
            total = change if total is None else total + change
        if total is None:
            return to_matrix(torch.zeros_like(value, dtype=computing(value)), weight.axes)
        return total

    def get_delta_weight(self, adapter: str) -> Tensor:
        """Return what an adapter adds to the only weight of the layer, in the weight's shape."""
        if len(self.form.weights) > 1:
            raise AdapterError(type(self.base_layer).__name__, "it has several adapted weights")
        (weight,) = self.form.weights
        value = weight.of(self.base_layer)
        return from_matrix(self.change([adapter], weight), value, weight.axes)

    def run(self, names: list[str], *args: Any, **kwargs: Any) -> Any:
        """Run the wrapped module, once if its weights can be summed, else once more for the change.

        In half precision the sum W + s B A would lose a small change to rounding, and dropout
        belongs to the input of the change alone. Both need a second call, and a linear layer.
        """
        dropouts = [self.lora_dropout[name] for name in names]
        drops = any(isinstance(d, nn.Dropout) and d.training for d in dropouts)
        if not self.form.linear or not (drops or self._rounds()):
            return super().run(names, *args, **kwargs)
        total = self.base_layer(*args, **kwargs)
        for name in names:
            x, *extra_inputs = args
            inputs = (self.lora_dropout[name](x), *extra_inputs)
            part = functional_call(
                self.base_layer, self.changed([name], alone=True), inputs, kwargs
            )
            total = total + part.to(total.dtype)
        return total

    def _rounds(self) -> bool:
        value = parameter(self.base_layer, self.form.weights[0].name)
        half = real_dtype(value).itemsize < 4
        return half or torch.is_autocast_enabled(value.device.type)

    def _factor(self, factor: Tensor, weight: Tensor) -> Tensor:
        """Return a factor of a weight as (batch, ..., ...), complex if the weight is."""
        factor = factor.to(computing(factor))
        if weight.is_complex():
            factor = torch.view_as_complex(factor.contiguous())
        return factor if factor.dim() == 3 else factor[None]


class FlatLinear(lora.Linear):  # type: ignore[misc]
    """The LoRA linear layer of peft on the `Linear` of torch_geometric."""

    def _get_in_out_features(self, module: Any) -> tuple[int, int]:
        rows, columns = module.weight.shape
        return columns, rows


def _check_options(layer: WeightLora, r: int, config: LoraConfig) -> None:
    name = type(layer.base_layer).__name__
    layer.resolve_lora_variant(config=config)
    if r <= 0:
        raise AdapterError(f"r={r} on {name}", "a rank is at least 1")
    if config.lora_bias:
        raise AdapterError(
            f"lora_bias=True on {name}", "the bias stays frozen", "Use lora_bias=False"
        )
    if config.init_lora_weights not in INITS:
        raise AdapterError(
            f"init_lora_weights={config.init_lora_weights!r} on {name}",
            "this start is defined for linear layers only",
            "Use True, False or 'gaussian'",
        )
    for weight in layer.form.weights:
        _check_columns(layer.base_layer, weight, r)
    if config.use_dora and not layer.form.dora:
        raise AdapterError(
            f"use_dora=True on {name}",
            "the norms of the rows of its weight are not those of its output channels",
            "Use use_dora=False, or target other layers",
        )
    check_dropout(layer, config)


def _check_columns(module: nn.Module, weight: Weight, r: int) -> None:
    """Refuse a weight without columns, such as a flat one: each number would get r of its own."""
    if set(weight.axes) - set("bo"):
        return
    value = weight.of(module)
    batch, rows, columns = to_matrix(value, weight.axes).shape
    raise AdapterError(
        f"r={r} on {weight.name} of {type(module).__name__}, axes {weight.axes!r}",
        f"without columns its factors have {r * batch * (rows + columns):,} numbers, more than its "
        f"own {value.numel():,}",
        "Name an axis of columns in adapter_weights, use IA3, or train the layer as a whole",
    )


def _factors(matrix: Tensor, r: int, init: bool | str) -> tuple[nn.Parameter, nn.Parameter]:
    """Return new factors A and B for a weight (batch, rows, columns)."""
    batch, rows, columns = matrix.shape
    lead, last = (batch,) * (batch > 1), (2,) * matrix.is_complex()
    down = matrix.new_empty((*lead, r, columns, *last), dtype=real_dtype(matrix))
    up = matrix.new_zeros((*lead, rows, r, *last), dtype=real_dtype(matrix))
    if init == "gaussian":
        nn.init.normal_(down, std=1 / r)
    else:  # what peft does: kaiming_uniform_(a=sqrt(5)) over the inputs of A
        nn.init.uniform_(down, -1 / math.sqrt(columns), 1 / math.sqrt(columns))
    if init is False:
        nn.init.uniform_(up, -1 / math.sqrt(r), 1 / math.sqrt(r))
    return nn.Parameter(down), nn.Parameter(up)


def _scaled(matrix: Tensor, change: Tensor, norms: Tensor) -> Tensor:
    """Return W + s B A with its rows scaled to the trained norms.

    As in DoRA (Liu et al. 2024, section 4.3), no gradient flows through the present norms.
    """
    adapted_matrix = matrix.to(change.dtype) + change
    shape = (*adapted_matrix.shape[:2], 1)
    return adapted_matrix * (norms.reshape(shape) / _norm(adapted_matrix.detach()).reshape(shape))


def _norm(matrix: Tensor) -> Tensor:
    """Return the norm of each row of (batch, rows, columns), flat."""
    norms: Tensor = torch.linalg.vector_norm(matrix.to(computing(matrix)), dim=-1)
    return norms.flatten()


def _no_autocast(layer: WeightLayer) -> AbstractContextManager[None]:
    device = parameter(layer.base_layer, layer.form.weights[0].name).device.type
    return torch.autocast(device if device != "meta" else "cpu", enabled=False)
