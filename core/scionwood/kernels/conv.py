"""LoRA for convolutions in weight space: one convolution forward, low rank backward.

LoRA (Hu et al. 2021, arXiv:2106.09685, section 4.1) adds s * (B o A) to a kernel W. A is a
convolution to r channels, and B is a convolution of size 1 from these channels. B o A is therefore
a kernel of the shape of W: the matrix product of B and A, with all axes of A after the first
flattened.

peft runs A and B as two layers, which keeps volumes of r and of all output channels for the
backward pass. Here the forward pass is one convolution with W' = W + s * B A. The backward pass
needs x and the parameters only, and computes the rest again:

    dx = W'^T * dy    dh = s B^T dy    dA = dh * x    h = A * x    dB = s dy h^T

torch.compile may decide to keep W' instead of computing it twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from scionwood.errors import AdapterError
from scionwood.kernels.convolution import Geometry, convolve, geometry_of, gradients, reshaped
from scionwood.kernels.interception import interception

Form = Literal["separate", "merged", "whole"]
MERGED = (torch.float32, torch.float64)
"""The dtypes in which W' is formed. In half precision, W + s B A would lose a small change."""
SUPPORTED = (*MERGED, torch.bfloat16, torch.float16)
PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def lora_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    *,
    scaling: float = 1.0,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Tensor:
    """Convolve with W + s * (B o A) for a frozen W, in one, two or three dimensions.

    If the weight is float32 or float64 and there is one group, the operator forms the merged kernel
    W' in the forward pass and again in the backward pass. In half precision, under autocast, or
    with several groups, A and B run as separate convolutions. They use the dtype of the weight, or
    that of autocast. The volume of r channels between them is computed again in the backward pass.

    The lora_A of peft reads all input channels even if the convolution has groups, so that no
    grouped kernel can represent B o A. A has the dilation of W here, which peft ignores.

    Args:
        x: (batch, in, *size), or (in, *size) without a batch.
        weight: (out, in / groups, *kernel), frozen.
        bias: (out,) or `None`. It may require a gradient.
        a: (r, in, *kernel), lora_A of peft.
        b: (out, r / groups, 1, ...), lora_B of peft, with the dtype of `a`.
        scaling: The factor s, without unit.
        stride: As in torch.nn.Conv2d.
        padding: Zeros on each side, "valid" or "same", as in torch.nn.Conv2d.
        dilation: As in torch.nn.Conv2d.
        groups: As in torch.nn.Conv2d.

    Returns:
        (batch, out, *size'), or (out, *size') without a batch; differentiable once.

    Raises:
        AdapterError: The weight needs a gradient that is recorded, the factors do not fit it, or
            the padding is unknown or impossible. It is a ValueError.

    Example:
        >>> x, weight = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
        >>> a, b = torch.randn(2, 3, 3, 3), torch.zeros(4, 2, 1, 1)
        >>> how = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1}
        >>> y = authoring.lora_conv(x, weight, None, a, b, **how)
        >>> torch.allclose(y, torch.conv2d(x, weight, padding=1), atol=1e-5)  # as B is zero
        True
    """
    if weight.requires_grad and torch.is_grad_enabled():
        rule = "lora_conv gives the base kernel no gradient"
        raise AdapterError("weight.requires_grad is True", rule, "Freeze it: requires_grad_(False)")
    _check_factors(a, b, weight.shape, groups)
    geometry = geometry_of(weight.shape[2:], stride, padding, dilation, groups)
    device, cast = x.device.type, None
    if torch.is_autocast_enabled(device) and x.dtype != torch.float64:
        cast = torch.get_autocast_dtype(device)
        x = x.to(cast)  # outside the Function, so that autograd keeps the smaller copy
    batched = x if x.dim() == weight.dim() else x.unsqueeze(0)
    chosen = _form(weight, x.device, len(a), groups, cast or weight.dtype)
    y: Tensor = _LoraConv.apply(batched, weight, bias, a, b, scaling, geometry, cast, chosen)  # type: ignore[no-untyped-call, unused-ignore]
    return y if x.dim() == weight.dim() else reshaped(y, y.shape[1:])


def _form(weight: Tensor, device: torch.device, rank: int, groups: int, dtype: torch.dtype) -> Form:
    """Return how a layer is computed.

    `separate` runs A and B as convolutions of their own. `merged` forms W' = W + s B A and has a
    backward pass of low rank. `whole` takes the gradient of W' and projects it on A and B.
    """
    if groups > 1 or dtype not in MERGED:
        return "separate"
    # The convolutions of a CPU compute 16 channels at least, and two of them are needed. They were
    # measured at a third of the speed of wide ones.
    return "whole" if device.type == "cpu" and len(weight) <= 6 * max(rank, 16) else "merged"


def merged_delta(a: Tensor, b: Tensor, weight_shape: Sequence[int], groups: int) -> Tensor:
    """Return the kernel B o A, which merging scales and adds to the weight; see `lora_conv`.

    It is in float32 or float64, so that the sum with the weight is rounded only once. Only one
    group can be merged.
    """
    if groups != 1:
        rule = "lora_A of peft reads all input channels, which a grouped kernel cannot represent"
        raise AdapterError(f"groups={groups}", rule, "Keep the adapter unmerged")
    _check_factors(a, b, weight_shape, groups)
    dtype = torch.promote_types(a.dtype, torch.float32)
    return (b.to(dtype).flatten(1) @ a.to(dtype).flatten(1)).reshape(tuple(weight_shape))


def why_not(layer: nn.Module) -> str:
    """Return why `lora_conv` does not support a base layer, or an empty string if it does."""
    # Subclasses may compute something else: parametrised, lazy, standardised or quantised layers.
    if not isinstance(layer, PLAIN) or type(layer) not in PLAIN:
        return f"not a plain Conv1d, Conv2d or Conv3d: {type(layer).__name__}"
    if reason := interception(layer):
        return reason
    weight = layer.weight
    if type(weight) not in (nn.Parameter, Tensor) or weight.dtype not in SUPPORTED:
        return f"a weight that is a {type(weight).__name__} of {weight.dtype}"
    if weight.requires_grad and torch.is_grad_enabled():
        return "a weight that trains"
    if layer.padding_mode != "zeros":
        return f"padding_mode {layer.padding_mode!r}, not zeros"
    dilated = any(d > 1 < k for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    if dilated and (layer.padding == "same" or max(layer.stride) > 1):  # in other cases peft fails
        return "a dilation, which lora_A of peft ignores, so that peft computes something else"
    return ""


def _check_factors(a: Tensor, b: Tensor, weight_shape: Sequence[int], groups: int) -> None:
    out, fan, *kernel = weight_shape
    rank, factor_shape = a.shape[0], (fan * groups, *kernel)
    fits = tuple(a.shape[1:]) == factor_shape and rank % groups == 0
    if not fits or tuple(b.shape) != (out, rank // groups, *[1] * len(kernel)):
        raise AdapterError(
            f"a {tuple(a.shape)} and b {tuple(b.shape)}",
            f"a weight {tuple(weight_shape)} in {groups} group(s) takes a (r, "
            f"{', '.join(map(str, factor_shape))}) and b ({out}, r / {groups}, 1, ...)",
            "Pass lora_A and lora_B of this layer of peft",
        )
    if a.dtype != b.dtype:
        raise AdapterError(f"a is {a.dtype}, b {b.dtype}", "they need one dtype", "Convert one")


def _kernels(
    weight: Tensor, a: Tensor, b: Tensor, scaling: float, cast: torch.dtype | None, chosen: Form
) -> tuple[Tensor, Tensor, Tensor]:
    """Return W' or, for the form `separate`, W, and A and B, in their working dtypes."""
    weight = weight.to(cast or weight.dtype)
    a, b = a.to(weight.dtype), b.to(weight.dtype)
    if chosen == "separate":
        return weight, a, b
    flat = torch.addmm(weight.flatten(1), b.flatten(1), a.flatten(1), alpha=scaling)
    return flat.view(weight.shape), a, b


@final
class _LoraConv(torch.autograd.Function):
    """`lora_conv` for a batch; `how`: the scaling, the geometry, the autocast dtype, the form."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, *how: Any
    ) -> Tensor:
        learns = ctx.needs_input_grad[3] or ctx.needs_input_grad[4]
        ctx.save_for_backward(x if learns else None, weight, bias, a, b)
        ctx.size, ctx.how = x.shape, how
        scaling, geometry, cast, chosen = how
        kernel, low_a, low_b = _kernels(weight, a, b, scaling, cast, chosen)
        x = geometry.pad(x)
        y = convolve(x, kernel, None if bias is None else bias.to(kernel.dtype), geometry)
        if chosen == "separate":
            h = convolve(x, low_a, None, geometry._replace(groups=1))
            y.add_(convolve(h, low_b, None, geometry.point()), alpha=scaling)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, a, b = ctx.saved_tensors
        scaling, geometry, cast, chosen = ctx.how
        of_x, _, of_bias, of_a, of_b = ctx.needs_input_grad[:5]
        dx = dw = da = db = dbias = None
        with torch.autocast(dy.device.type, enabled=False):  # the dtypes of the forward pass
            kernel, low_a, low_b = _kernels(weight, a, b, scaling, cast, chosen)
            x = geometry.pad(_sized(dy, ctx.size) if x is None else x)
            through = of_x and chosen == "separate"  # dx then has a second part, from A and B
            from_dw = (of_a or of_b) and chosen == "whole"
            if of_x or from_dw:
                dx, dw = gradients(dy, x, kernel, geometry, of_x, from_dw)
            low = (low_a, low_b, scaling, geometry)
            low_dx, da, db = _low_rank(
                dy, x, *low, through, of_a and not from_dw, of_b and not from_dw
            )
            if from_dw and dw is not None:
                da, db = _projected(dw, a, b, scaling)
            if dx is not None:
                dx = geometry.crop(dx if low_dx is None else dx.add_(low_dx))
            if of_bias:
                dbias = dy.sum([axis for axis in range(dy.dim()) if axis != 1], dtype=bias.dtype)
        da, db = (grad if grad is None else grad.to(a.dtype) for grad in (da, db))
        return dx, None, dbias, da, db, None, None, None, None


def _projected(dw: Tensor, a: Tensor, b: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    """Return the gradients of A and B from that of W' = W + s B A."""
    dtype = torch.promote_types(a.dtype, torch.float32)
    dw, low_a, low_b = (t.to(dtype).flatten(1) for t in (dw, a, b))
    da, db = low_b.t() @ dw, (low_a @ dw.t()).t()  # in this order up to 8 times as fast
    return da.mul_(scaling).view_as(a), (db * scaling).contiguous().view_as(b)


def _low_rank(
    dy: Tensor, x: Tensor, a: Tensor, b: Tensor, scaling: float, how: Geometry, *needs: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of s B * (A * x) with respect to x, A and B, or `None` for each.

    The scaling is applied to the volumes of r channels. On the small gradients it would cause one
    more rounding.
    """
    of_x, of_a, of_b = needs
    if not any(needs):
        return None, None, None
    single = how._replace(groups=1)
    size = (len(dy), len(a), *dy.shape[2:])
    h = convolve(x, a, None, single).mul_(scaling) if of_b else _sized(dy, size)
    dh, db = gradients(dy, h, b, how.point(), of_x or of_a, of_b)
    dx, da = (None, None) if dh is None else gradients(dh.mul_(scaling), x, a, single, of_x, of_a)
    return dx, da, db


def _sized(like: Tensor, size: Sequence[int]) -> Tensor:
    """Return a tensor of one stored element, of which only the shape is used."""
    return like.new_empty(1).expand(*size)
