"""DISeL: LoRA with a gate for each rank component that depends on the input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import lora_linear, peft_method
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.generated import convolve
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner
from scionwood_methods.shared.support import CONVOLUTIONS, is_linear


@final
class DiselLayer(AdapterLayer):
    """`y = base(x) + s B (g(x) * A x')`, `g(x) = sigmoid(W_g x' + b_g)`, `x' = dropout(x)`.

    For a convolution, A and W_g are convolutions with the same geometry (in one group), and B is
    a convolution of size 1, so that each position has its own gate.
    """

    disel_A: Any
    disel_B: Any
    disel_gate: Any
    adapter_layer_names = ("disel_A", "disel_B", "disel_gate")
    other_param_names = (*AdapterLayer.other_param_names, "gate_scale", "fused")
    not_mergeable = "the gates of DISeL depend on the input, so that no single weight equals them"

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.disel_A, self.disel_B = nn.ModuleDict(), nn.ModuleDict()
        self.disel_gate = nn.ModuleDict()
        self.gate_scale: dict[str, float] = {}
        self.fused: dict[str, bool] = {}

    def build(self, name: str, config: DiselConfig) -> None:
        """Initialise A and W_g as torch does, B to zero, and b_g to `gate_bias`."""
        base = self.base_layer
        out = self.slices[name].chosen
        self.disel_A[name] = _reading(base, config.r, bias=False)
        self.disel_B[name] = _mixing(base, config.r, out, bias=False)
        width = config.gate_width
        if width is None:
            gate = last = _reading(base, config.r, bias=True)
        else:
            last = _mixing(base, width, config.r, bias=True)
            gate = nn.Sequential(_reading(base, width, bias=False), last)
        self.disel_gate[name] = gate
        nn.init.zeros_(self.disel_B[name].weight)
        nn.init.constant_(last.bias, config.gate_bias)
        # For a convolution the fan-in counts the positions of the kernel, as for any inner product.
        fan_in = self.disel_A[name].weight[0].numel()
        self.gate_scale[name] = 1 / math.sqrt(fan_in) if config.normalize else 1.0
        self.fused[name] = config.fused

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        x = self.dropout[name](x)
        gate = torch.sigmoid(self.gate_scale[name] * self._run(self.disel_gate[name], x))
        hidden = gate * self._run(self.disel_A[name], x)
        return self.scaling[name] * self._run(self.disel_B[name], hidden)

    def delta(self, name: str) -> Tensor:
        """Raise `NotImplementedError`; see `not_mergeable`."""
        raise NotImplementedError(self.not_mergeable)

    def adapted(self, x: Tensor, names: list[str]) -> Tensor:
        """Return the output; one adapter on a plain linear layer runs as one operator."""
        base = self.base_layer
        # The operator computes the base, one adapter and one gate in one go.
        if len(names) != 1 or not self.fused[names[0]] or not _is_plain(base):
            return super().adapted(x, names)
        (name,) = names
        b = self.disel_B[name].weight
        if self.slices[name].chosen != self.slices[name].features:
            # The operator writes all outputs, so B gets zero rows for those that the adapter leaves
            # alone.
            b = self.slices[name].add(b.new_zeros(base.weight.shape[0], b.shape[1]), b, 0)
        drop = self.dropout[name]
        return lora_linear(
            x,
            base.weight,
            base.bias,
            self.disel_A[name].weight,
            b,
            scaling=self.scaling[name],
            gate=self._gate(name),
            dropout=drop.p if drop.training else 0.0,
        )

    def _gate(self, name: str) -> tuple[Tensor, Tensor]:
        """Return W_g and b_g of a linear layer, with the light gate and the scale multiplied in."""
        gate, scale = self.disel_gate[name], self.gate_scale[name]
        parts: list[Any] = list(gate) if isinstance(gate, nn.Sequential) else [gate]
        # U V x = (U V) x: the inner layer has no bias, so the light gate is one linear layer.
        weight = parts[0].weight if len(parts) == 1 else parts[1].weight @ parts[0].weight
        return scale * weight, scale * parts[-1].bias

    def _run(self, part: Any, x: Tensor) -> Tensor:
        """Run a layer of the adapter with its parameters cast to the dtype of x."""
        if isinstance(part, nn.Sequential):
            for layer in part:
                x = self._run(layer, x)
            return x
        # peft holds the parameters in float32, and x comes in the dtype of the base or of autocast.
        weight = part.weight.to(x.dtype)
        bias = None if part.bias is None else part.bias.to(x.dtype)
        if isinstance(part, nn.Linear):
            return F.linear(x, weight, bias)
        return convolve(part, x, weight, bias)


@final
class DiselModel(MethodTuner):
    """The tuner of DISeL."""

    prefix = "disel_"
    tuner_layer_cls = DiselLayer


@peft_method("disel", tuner=DiselModel)
@final
@dataclass
class DiselConfig(LowRankConfig):
    """Dynamic input-sensitive LoRA: a sigmoid gate for each rank and token. It cannot be merged.

    For tokens that the base model predicts well, the gates stay closed, which reduces forgetting.
    The gates train with their own learning rate and without weight decay, because weight decay
    would make them constant. `scionwood.parameter_groups` and `scionwood fit` apply both.

    Trainable parameters of a linear layer: r (2 in + out) + r. With `gate_width` w there are
    r (in + out) + w (in + r) + r. For a convolution, `in` includes the kernel positions. Dropout
    acts on x before the gates and A.

    Shapes: x (..., in) or (batch, in, *size), float; A and W_g (r, in), B (out, r), b_g (r,).

    Args:
        gate_bias: the initial b_g; sigmoid(-3) = 0.047. Lower values start closer to the base.
        gate_width: width of the light gate `sigmoid(U V x + b_g)`, 8 to 32; `None` means the full
            gate.
        normalize: multiply the logits of the gates by 1 / sqrt(in).
        gate_lr_scale: the learning rate of the gates divided by that of A and B.
        fused: run a plain linear layer as one operator that stores less for the backward pass. It
            can be differentiated only once; use false if second derivatives are needed.

    Source: arXiv 2605.19028; equations, initialisation and groups as in the authors' code
    (alizindari/DISeL, Apache-2.0). Convolutions are an extension of this package.
    """

    gate_bias: float = -3.0
    gate_width: int | None = None
    normalize: bool = False
    gate_lr_scale: float = 5.0
    fused: bool = True

    def __post_init__(self) -> None:
        """Check the width of the gate.

        Raises:
            AdapterError: gate_width is below 1.
        """
        super().__post_init__()
        if self.gate_width is not None and self.gate_width < 1:
            rule = "the width of a light gate must be at least 1"
            raise AdapterError(f"gate_width={self.gate_width}", rule, "None means the full gate")

    def parameter_groups(self) -> Mapping[str, Mapping[str, float]]:
        """Return the learning rate and the weight decay of the gates."""
        return {"disel_gate": {"lr_scale": self.gate_lr_scale, "weight_decay": 0.0}}


def _reading(base: Any, out: int, *, bias: bool) -> Any:
    """Return a layer with `out` outputs that reads its input in the same way as the base."""
    if is_linear(base):
        return nn.Linear(base.weight.shape[1], out, bias=bias)
    return CONVOLUTIONS[base.weight.dim()](
        base.in_channels,
        out,
        base.kernel_size,
        base.stride,
        base.padding,
        base.dilation,
        bias=bias,
        padding_mode=base.padding_mode,
    )


def _mixing(base: Any, width: int, out: int, *, bias: bool) -> Any:
    """Return a layer from `width` to `out` features at each position."""
    if is_linear(base):
        return nn.Linear(width, out, bias=bias)
    return CONVOLUTIONS[base.weight.dim()](width, out, 1, bias=bias)


def _is_plain(base: Any) -> bool:
    """Whether a base layer is exactly `x W^T + b` with a frozen W and has no hooks."""
    # The operator reads W itself, so it would skip hooks and give a trained W no gradient.
    hooks = (base._forward_hooks, base._forward_pre_hooks)
    backward = (base._backward_hooks, base._backward_pre_hooks)
    return (
        type(base).forward is nn.Linear.forward
        and not base.weight.requires_grad
        and not any((*hooks, *backward))
    )
