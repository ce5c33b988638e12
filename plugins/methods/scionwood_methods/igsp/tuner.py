"""iGSP: a mixture of LoRA experts in each layer; experts that are rarely used are pruned."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, final

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import peft_method
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.generated import convolve
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner
from scionwood_methods.shared.support import channel_axis, is_linear


@final
class IgspLayer(AdapterLayer):
    """`y = base(x) + s sum_e p_e(x') B_e A_e x'`, `p = softmax(W_r x' + b_r)`, `x' = dropout(x)`.

    The factors of all experts lie in one A (experts r, in) and one B (out, experts r), so that a
    layer runs two products whatever the number of experts. For a convolution, A and W_r are
    convolutions with the same geometry (in one group), so that each position has its own routes.

    `b_r = -inf` closes a route: the expert then has no share and no gradient, but the parameters
    keep their sizes for the optimiser. `compact` removes such experts.
    """

    igsp_A: Any
    igsp_B: Any
    igsp_router: Any
    igsp_bias: Any
    adapter_layer_names = ("igsp_A", "igsp_B", "igsp_router", "igsp_bias")
    other_param_names = (*AdapterLayer.other_param_names, "watched")
    not_mergeable = "the routes of iGSP depend on the input, so that no single weight equals them"

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        for parameter_name in self.adapter_layer_names:
            self.add_module(parameter_name, nn.ParameterDict())
        self.counts: dict[str, int] = {}
        self.watched: dict[str, Tensor] = {}

    def build(self, name: str, config: IgspConfig) -> None:
        """Initialise A and W_r (Kaiming uniform, a = sqrt 5); B and b_r are zero."""
        count = self.counts.pop(name)
        out = self.slices[name].chosen
        for parameter_name in self.adapter_layer_names:
            shape = (out, 0) if parameter_name == "igsp_B" else (0, *self._fan())
            shape = (0,) if parameter_name == "igsp_bias" else shape
            getattr(self, parameter_name)[name] = nn.Parameter(torch.empty(shape))
        self.extend(name, count, config.r)

    def extend(self, name: str, count: int, r: int, bias: float = 0.0) -> None:
        """Add new experts after the existing ones.

        Args:
            name: the name of the adapter.
            count: the number of new experts.
            r: the rank of each.
            bias: their initial b_r; a negative bias takes less from the other experts.
        """
        out = self.slices[name].chosen
        new = {
            "igsp_A": _uniform((count * r, *self._fan())),
            "igsp_B": torch.zeros(out, count * r),
            "igsp_router": _uniform((count, *self._fan())),
            "igsp_bias": torch.full((count,), bias),
        }
        for parameter_name, new_part in new.items():
            old = getattr(self, parameter_name)[name]
            parameter = torch.cat(
                [old.detach(), new_part.to(old)], 1 if parameter_name == "igsp_B" else 0
            )
            getattr(self, parameter_name)[name] = nn.Parameter(parameter, old.requires_grad)

    def experts(self, name: str) -> int:
        """Return the number of an adapter's experts in this layer, including closed ones."""
        return len(self.igsp_bias[name])

    @torch.no_grad()
    def close(self, name: str, closed: Tensor) -> None:
        """Close routes in place.

        Args:
            name: the name of the adapter.
            closed: (experts,) bool.
        """
        self.igsp_bias[name].masked_fill_(closed.to(self.igsp_bias[name].device), -torch.inf)

    def compact(self, name: str) -> int:
        """Remove the experts whose routes are closed; the output does not change.

        Returns:
            The number of remaining experts.
        """
        bias = self.igsp_bias[name].detach()
        # A closed route has b_r = -inf, hence a softmax of exactly 0: removing it changes no
        # output.
        alive = bias.isfinite()
        rows = alive.repeat_interleave(self._rank(name))
        chosen = {"igsp_A": rows, "igsp_router": alive, "igsp_bias": alive}
        for parameter_name in self.adapter_layer_names:
            old = getattr(self, parameter_name)[name]
            part = (
                old.detach()[:, rows]
                if parameter_name == "igsp_B"
                else old.detach()[chosen[parameter_name]]
            )
            getattr(self, parameter_name)[name] = nn.Parameter(part, old.requires_grad)
        return int(alive.sum())

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        x, axis = self.dropout[name](x), channel_axis(self.base_layer)
        share = self._read(x, self.igsp_router[name], self.igsp_bias[name]).softmax(axis)
        if name in self.watched:
            # In float64, because the sum runs over all tokens of a phase.
            flat = share.detach().movedim(axis, -1).flatten(0, -2)
            self.watched[name] = self.watched[name] + flat.double().sum(0)
        gate = share.repeat_interleave(self._rank(name), axis)
        hidden = gate * self._read(x, self.igsp_A[name], None)
        return self.scaling[name] * self._mix(hidden, self.igsp_B[name].to(x.dtype))

    def delta(self, name: str) -> Tensor:
        """Raise `NotImplementedError`; see `not_mergeable`."""
        raise NotImplementedError(self.not_mergeable)

    def _rank(self, name: str) -> int:
        return len(self.igsp_A[name]) // self.experts(name)

    def _fan(self) -> tuple[int, ...]:
        """Return the shape of the input of one output: (in,), or (in, *kernel) over all groups."""
        base = self.base_layer
        if is_linear(base):
            return (base.weight.shape[1],)
        return (base.in_channels, *base.kernel_size)

    def _read(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
        if is_linear(self.base_layer):
            return F.linear(x, weight, bias)
        return convolve(self.base_layer, x, weight, bias)

    def _mix(self, hidden: Tensor, b: Tensor) -> Tensor:
        """Apply B at each position by a convolution of size 1, which rounds alike in both modes."""
        if is_linear(self.base_layer):
            return F.linear(hidden, b)
        pointwise = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[self.base_layer.weight.dim()]
        return pointwise(hidden, b.view(*b.shape, *(1 for _ in self.base_layer.kernel_size)))


@final
class IgspModel(MethodTuner):
    """The tuner of iGSP."""

    prefix = "igsp_"
    tuner_layer_cls = IgspLayer

    def fill(self, layer: Any, config: Any, name: str, key: str) -> None:
        """Add an adapter; a pruned layer has as many experts as its config records."""
        layer.counts[name] = (config.kept or {}).get(key, config.experts)
        super().fill(layer, config, name, key)


@peft_method("igsp", tuner=IgspModel)
@final
@dataclass
class IgspConfig(LowRankConfig):
    """A mixture of LoRA experts whose rarely used experts are pruned. It cannot be merged.

    Train some steps, measure the routes, drop the experts below a threshold, and train the rest.
    `scionwood_methods.igsp.pruning` does this for one task, and
    `scionwood_methods.continual.Igsp` for sequences of tasks. `scionwood fit` does not prune.
    Dropout acts on x before the routes and A.

    Trainable parameters of a linear layer with E experts: E r (in + out) + E (in + 1). For a
    convolution, `in` includes the kernel positions of all groups. Pruned experts are not saved.

    Shapes: x (..., in) or (batch, in, *size), float; A (E r, in), B (out, E r), W_r (E, in).

    Args:
        r: the rank of each expert.
        experts: the initial number E of experts in each layer.
        kept: the number of experts by layer if it differs from E. Leave it out: pruning writes
            it, and loading reads it.

    Source: a reconstruction from the abstract of arXiv 2605.19301 (experts expand, routing
    probabilities prune); equations and defaults are ours, not the authors'.
    """

    experts: int = 4
    kept: dict[str, int] | None = None

    def __post_init__(self) -> None:
        """Check the number of experts.

        Raises:
            AdapterError: there are too few experts.
        """
        super().__post_init__()
        if self.experts < 2:
            rule = "a router needs at least 2 experts"
            raise AdapterError(f"experts={self.experts}", rule, "For one expert use peft's lora")
        for key, count in (self.kept or {}).items():
            if count < 1:
                raise AdapterError(f"kept={count} of {key}", "each layer keeps at least 1 expert")


def _uniform(shape: tuple[int, ...]) -> Tensor:
    """Return a tensor initialised as torch initialises a layer (Kaiming uniform, a = sqrt 5)."""
    tensor = torch.empty(shape)
    return nn.init.kaiming_uniform_(tensor, a=sqrt(5)) if tensor.numel() else tensor
