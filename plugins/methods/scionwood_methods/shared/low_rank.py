"""Plain LoRA on a layer of any kind, as a base class of methods that extend it."""

from __future__ import annotations

import math
from typing import final

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.generated import Generated, through
from scionwood_methods.shared.layers import AdapterLayer
from scionwood_methods.shared.support import is_linear


class LowRankLayer(AdapterLayer):
    """`y = base(x) + s B A x'`, `x' = dropout(x)`.

    The first two names in `adapter_layer_names` hold A and B. The weight of a convolution is
    treated as the matrix (out, in / groups * kernel).
    """

    adapter_layer_names: tuple[str, ...]

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        for parameter_name in self.adapter_layer_names[:2]:
            self.add_module(parameter_name, nn.ParameterDict())

    def build(self, name: str, config: LowRankConfig) -> None:
        """Initialise A (Kaiming uniform, a = sqrt 5) and B = 0."""
        a = torch.empty(config.r, self.base_layer.weight[0].numel())
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
        values = a, torch.zeros(self.slices[name].chosen, config.r)
        for parameter_name, value in zip(self.adapter_layer_names[:2], values, strict=True):
            getattr(self, parameter_name)[name] = nn.Parameter(value)

    def factors(self, name: str) -> tuple[Tensor, Tensor]:
        """Return A (r, in) and B (out, r) of an adapter."""
        first, last = self.adapter_layer_names[:2]
        return getattr(self, first)[name], getattr(self, last)[name]

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        a, b = self.factors(name)
        x = self.dropout[name](x)
        if not is_linear(self.base_layer):
            return through(self.base_layer, x, self._product(name), a, b)
        return self.scaling[name] * F.linear(F.linear(x, a.to(x.dtype)), b.to(x.dtype))

    def delta(self, name: str) -> Tensor:
        """See `AdapterLayer.delta`."""
        a, b = self.factors(name)
        return self._product(name).build(torch.promote_types(a.dtype, torch.float32), a, b)

    def _product(self, name: str) -> _Product:
        shape = (self.slices[name].chosen, *self.base_layer.weight.shape[1:])
        return _Product(shape, self.scaling[name])


@final
class _Product(Generated):
    """`s B A` as a function of A and B."""

    def __init__(self, shape: tuple[int, ...], scaling: float) -> None:
        self.shape, self.scaling = shape, scaling

    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """Return the change of the weight."""
        a, b = parameters
        return (self.scaling * (b @ a)).view(self.shape).to(dtype)

    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """See `Generated.pull`."""
        a, b = parameters
        flat = self.scaling * gradient.flatten(1).to(a.dtype)
        return b.mT @ flat, flat @ a.mT
