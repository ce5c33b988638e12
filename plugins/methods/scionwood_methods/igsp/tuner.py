"""iGSP: a mixture of LoRA experts in each layer, whose unused routes are pruned for good."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, final

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from scionwood import AdapterError, peft_method
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.generated import convolve
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner
from scionwood_methods.shared.support import channel_axis, is_linear


@final
class IgspLayer(AdapterLayer):
    """`y = base(x) + s sum_e p_e(x') B_e A_e x'`, `p = softmax(W_r x' + b_r)`, `x' = dropout(x)`.

    The factors of all experts lie in one A (experts r, in) and one B (out, experts r), so that a
    layer runs two products however many there are. Of a convolution, A and W_r are convolutions of
    its geometry (in one group): each position has its own routes.

    A route is closed by `b_r = -inf`: its expert then has no share and no gradient, while the
    parameters keep their sizes for the optimiser that holds them. `compact` removes such experts.
    """

    igsp_A: Any
    igsp_B: Any
    igsp_router: Any
    igsp_bias: Any
    adapter_layer_names = ("igsp_A", "igsp_B", "igsp_router", "igsp_bias")
    other_param_names = (*AdapterLayer.other_param_names, "watched")
    not_mergeable = "the routes of iGSP depend on the input, so that no one weight equals them"

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        for each in self.adapter_layer_names:
            self.add_module(each, nn.ParameterDict())
        self.counts: dict[str, int] = {}
        self.watched: dict[str, Tensor] = {}

    def build(self, name: str, config: IgspConfig) -> None:
        """A and W_r uniform after Kaiming (a = sqrt 5), B and b_r zero."""
        count = self.counts.pop(name)
        out = self.slices[name].chosen
        for each in self.adapter_layer_names:
            shape = (out, 0) if each == "igsp_B" else (0, *self._fan())
            shape = (0,) if each == "igsp_bias" else shape
            getattr(self, each)[name] = nn.Parameter(torch.empty(shape))
        self.extend(name, count, config.r)

    def extend(self, name: str, count: int, r: int, bias: float = 0.0) -> None:
        """Add fresh experts behind those that are there.

        Args:
            name: of the adapter.
            count: how many.
            r: the rank of each.
            bias: their b_r; below zero, they take less from the others at first.
        """
        out = self.slices[name].chosen
        new = {
            "igsp_A": _uniform((count * r, *self._fan())),
            "igsp_B": torch.zeros(out, count * r),
            "igsp_router": _uniform((count, *self._fan())),
            "igsp_bias": torch.full((count,), bias),
        }
        for each, fresh in new.items():
            old = getattr(self, each)[name]
            whole = torch.cat([old.detach(), fresh.to(old)], 1 if each == "igsp_B" else 0)
            getattr(self, each)[name] = nn.Parameter(whole, old.requires_grad)

    def experts(self, name: str) -> int:
        """The number of an adapter's experts here, closed ones included."""
        return len(self.igsp_bias[name])

    @torch.no_grad()
    def close(self, name: str, closed: Tensor) -> None:
        """Close routes, in place.

        Args:
            name: of the adapter.
            closed: (experts,), bool.
        """
        self.igsp_bias[name].masked_fill_(closed.to(self.igsp_bias[name].device), -torch.inf)

    def compact(self, name: str) -> int:
        """Remove the experts whose routes are closed; the output stays as it is.

        Returns:
            How many are left.
        """
        bias = self.igsp_bias[name].detach()
        kept = bias.isfinite()
        rows = kept.repeat_interleave(self._rank(name))
        chosen = {"igsp_A": rows, "igsp_router": kept, "igsp_bias": kept}
        for each in self.adapter_layer_names:
            old = getattr(self, each)[name]
            part = old.detach()[:, rows] if each == "igsp_B" else old.detach()[chosen[each]]
            getattr(self, each)[name] = nn.Parameter(part, old.requires_grad)
        return int(kept.sum())

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        x, axis = self.dropout[name](x), channel_axis(self.base_layer)
        share = self._read(x, self.igsp_router[name], self.igsp_bias[name]).softmax(axis)
        if name in self.watched:
            flat = share.detach().movedim(axis, -1).flatten(0, -2)
            self.watched[name] = self.watched[name] + flat.double().sum(0)
        gate = share.repeat_interleave(self._rank(name), axis)
        hidden = gate * self._read(x, self.igsp_A[name], None)
        return self.scaling[name] * self._mix(hidden, self.igsp_B[name].to(x.dtype))

    def delta(self, name: str) -> Tensor:
        """See `not_mergeable`."""
        raise NotImplementedError(self.not_mergeable)

    def _rank(self, name: str) -> int:
        return len(self.igsp_A[name]) // self.experts(name)

    def _fan(self) -> tuple[int, ...]:
        """What one output reads: (in,), or (in, *kernel) over all groups."""
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
        """B at each position. A convolution of size 1 rounds alike whether B trains or not."""
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
        """See `MethodTuner.fill`; a pruned layer has as many experts as its config records."""
        layer.counts[name] = (config.kept or {}).get(key, config.experts)
        super().fill(layer, config, name, key)


@peft_method("igsp", tuner=IgspModel)
@final
@dataclass
class IgspConfig(LowRankConfig):
    """A mixture of LoRA experts whose little-used routes are pruned, which cannot be merged.

    Train some steps, measure the routes and drop those below a threshold, then train the rest:
    `scionwood_methods.igsp.pruning` for one task, `scionwood_methods.continual.Igsp` for
    sequences. A run of `scionwood fit` prunes nothing. Dropout acts on x, which routes and A see
    alike.

    Trainable parameters of a linear layer with E experts: E r (in + out) + E (in + 1). Of a
    convolution, `in` counts kernel positions of all groups too. Pruned experts are in no file.

    Shapes: x (..., in) or (batch, in, *size), float; A (E r, in), B (out, E r), W_r (E, in).

    Args:
        r: the rank of each expert.
        experts: E, at the start, in each layer.
        kept: the number of experts by layer where it is another. Leave it out: pruning writes it,
            and loading reads it.

    Source: a reconstruction from the abstract of arXiv 2605.19301 (experts expand, routing
    probabilities prune); equations and defaults are ours, not the authors'.
    """

    experts: int = 4
    kept: dict[str, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a mixture that is none.

        Raises:
            AdapterError: there are too few experts.
        """
        super().__post_init__()
        if self.experts < 2:
            rule = "a router chooses among 2 experts or more"
            raise AdapterError(f"experts={self.experts}", rule, "For one expert use peft's lora")
        for key, count in (self.kept or {}).items():
            if count < 1:
                raise AdapterError(f"kept={count} of {key}", "each layer keeps 1 expert or more")


def _uniform(shape: tuple[int, ...]) -> Tensor:
    """Uniform after Kaiming with a = sqrt 5, as torch initialises a layer."""
    fresh = torch.empty(shape)
    return nn.init.kaiming_uniform_(fresh, a=sqrt(5)) if fresh.numel() else fresh
