"""LoRA with the matrix shapes of Tadpole's published code.

A kernel (out, in, k, k, k) is read as a matrix with out k rows and in k^2 columns, in memory order,
and a product B A of rank r is added to it. peft reads it with out rows and in k^3 columns. At the
same rank the two differ in size and in the changes they can represent, and neither can be converted
into the other.

Source: the published code of Tadpole (arXiv:2605.15284) and of its library GIFt; reconstruction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from peft import PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import AdapterError
from scionwood.authoring import LayerTuner, peft_method

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def matrix_shape(weight: Tensor) -> tuple[int, int]:
    """Return the rows and columns of a weight read as a matrix.

    The first side of a kernel counts to the rows, and the others to the columns. For linear layers
    and one-dimensional convolutions, the whole kernel counts to the columns.
    """
    out, _, *kernel = weight.shape
    rows = out * kernel[0] if len(kernel) > 1 else out
    return rows, weight.numel() // rows


@final
class BalancedLayer(nn.Module, BaseTunerLayer):  # type: ignore[misc]  # peft is untyped
    """A linear layer or convolution that computes with `W + s B A` in one operation.

    Args:
        base: the frozen layer.
    """

    adapter_layer_names = ("balanced_A", "balanced_B")
    other_param_names = ("r", "scaling")
    base_layer: Any
    get_base_layer: Callable[[], Any]  # this and the following come from peft, which is untyped
    _move_adapter_to_device_of_base_layer: Callable[[str], None]
    active_adapters: list[str]
    merged_adapters: list[str]

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.balanced_A, self.balanced_B = nn.ParameterDict(), nn.ParameterDict()
        self.r: dict[str, int] = {}
        self.scaling: dict[str, float] = {}
        self._disable_adapters, self.merged_adapters = False, []

    def update_layer(self, name: str, config: BalancedLoraConfig) -> None:
        """Add the factors of an adapter: A uniform as in a linear layer, B zero."""
        weight = self.get_base_layer().weight
        rows, columns = matrix_shape(weight)
        self.r[name] = config.r
        self.scaling[name] = (config.alpha or config.r) / config.r
        self.balanced_A[name] = nn.Parameter(torch.empty(config.r, columns))
        self.balanced_B[name] = nn.Parameter(torch.zeros(rows, config.r))
        nn.init.kaiming_uniform_(self.balanced_A[name], a=math.sqrt(5))
        self._move_adapter_to_device_of_base_layer(name)

    def get_delta_weight(self, name: str) -> Tensor:
        """Return the change of the weight by an adapter, in the shape of the weight."""
        product = self.balanced_B[name] @ self.balanced_A[name]
        delta: Tensor = product.view(self.get_base_layer().weight.shape)
        return self.scaling[name] * delta

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add adapters to the weight of the base layer."""
        for name in check_adapters_to_merge(self, adapter_names):
            if name not in self.balanced_A:
                continue
            base = self.get_base_layer()
            merged = base.weight.data + self.get_delta_weight(name).detach().to(base.weight.dtype)
            if safe_merge and not merged.isfinite().all():
                raise ValueError(f"adapter {name!r} holds NaN or infinity: it cannot be merged")
            base.weight.data = merged
            self.merged_adapters.append(name)

    def unmerge(self) -> None:
        """Subtract merged adapters from the weight of the base layer."""
        while self.merged_adapters:
            weight = self.get_base_layer().weight
            weight.data -= self.get_delta_weight(self.merged_adapters.pop()).to(weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the base layer with the adapted weight."""
        base = self.base_layer
        active = [name for name in self.active_adapters if name in self.balanced_A]
        if self.disable_adapters or self.merged or not active:
            plain: Tensor = base(x)
            return plain
        weight = base.weight
        for name in active:
            weight = weight + self.get_delta_weight(name).to(weight.dtype)
        if isinstance(base, nn.Linear):
            return F.linear(x, weight, base.bias)
        # Not `F.conv3d`: this pads as the layer does, periodic faces included.
        y: Tensor = base._conv_forward(x, weight, base.bias)
        return y


@final
class BalancedModel(LayerTuner):
    """A tuner that replaces the layers that a config targets by `BalancedLayer`."""

    prefix = "balanced_"
    tuner_layer_cls = BalancedLayer

    def wrap(self, target: nn.Module, key: str) -> nn.Module:
        """Return the layer for a target.

        Raises:
            AdapterError: the target is not a linear layer or a convolution.
        """
        if not isinstance(target, (nn.Linear, *CONVOLUTIONS)):
            raise AdapterError(
                f"{key} ({type(target).__name__})",
                "balanced LoRA supports linear layers and convolutions",
                "Target other layers",
            )
        return BalancedLayer(target)


@peft_method("balanced_lora", tuner=BalancedModel)
@dataclass
class BalancedLoraConfig(PeftConfig):  # type: ignore[misc]  # peft is untyped
    """LoRA as in Tadpole's code: kernels are matrices with out k rows and in k^2 columns.

    Args:
        r: rank of each change.
        alpha: the change is multiplied by alpha / r. `None` means r.

    Shapes: a kernel (out, in, k, k, k) takes A (r, in k^2) and B (out k, r); a linear weight
        (out, in) takes A (r, in) and B (out, r).

    Raises:
        AdapterError: the rank or alpha is not positive.

    Source: Hu et al. 2021, arXiv:2106.09685, with the matrices of Tadpole's published code;
        reconstruction.
    """

    r: int = 32
    alpha: float | None = None
    target_modules: list[str] | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.r < 1 or (self.alpha is not None and self.alpha <= 0):
            raise AdapterError(
                f"r={self.r}, alpha={self.alpha}", "both must be positive", "Try r=8 and no alpha"
            )
