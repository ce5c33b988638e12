"""Mean, deviation, skewness and kurtosis from one read of x; the gradient needs only x.

The operators `scionwood_seismic::moments` and `moments_backward` have one implementation per kind
of device, listed in `TABLE`. The dispatcher of torch selects it by the device of the tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from scionwood.authoring import obstacle
from scionwood_seismic.kernels import reference

OBSTACLE = obstacle()

TABLE = {
    "CPU": "cpu",
    "CompositeExplicitAutograd": "reference",  # every device without an entry of its own
    **({} if OBSTACLE else {"CUDA": "triton_kurtosis"}),
}
"""Dispatch key -> module of the implementation."""


@final
class Moments(NamedTuple):
    """The moments of rows; each has the shape of the batch.

    All are population moments (divided by n). `kurtosis` is the excess kurtosis, 0 for Gaussian
    samples. For a constant row, `std`, `skewness` and `kurtosis` are 0 and have no gradient.
    """

    mean: Tensor
    std: Tensor
    skewness: Tensor
    kurtosis: Tensor

    @property
    def log_std(self) -> Tensor:
        """Natural logarithm of `std`; minus infinity, without a gradient, for a constant row."""
        return self.std.log()


def moments(x: Tensor, dims: tuple[int, ...] = (-2, -1)) -> Moments:
    """Return the first four moments of x over some axes; they are differentiable once.

    The moments are computed from deviations, so a mean much larger than the deviation costs no
    accuracy. Rows are standardised before powers are taken. Amplitudes may therefore have any unit
    in which their square is a normal float32 (1e-18 to 1e18).

    Args:
        x: a tensor of any floating dtype; it is not copied if its last axes are `dims`.
        dims: the axes of one row, for instance trace and time.

    Returns:
        Moments over `dims`, with the shape of the other axes: float64 for float64, otherwise
        float32.

    Raises:
        ValueError: x is not floating-point, or a row has no samples.
    """
    if not x.is_floating_point():
        raise ValueError(f"x is {x.dtype}: moments need floating samples. Convert it first")
    rows = x.movedim(dims, tuple(range(-len(dims), 0))).flatten(-len(dims))
    if rows.shape[-1] == 0:
        raise ValueError(f"x is {tuple(x.shape)}: a row over axes {dims} has no samples")
    values: Tensor = _Moments.apply(rows.reshape(-1, rows.shape[-1]))  # type: ignore[no-untyped-call, unused-ignore]
    return Moments(*values.reshape(4, *rows.shape[:-1]))


def kurtosis(x: Tensor, dims: tuple[int, ...] = (-2, -1)) -> Tensor:
    """Return the excess kurtosis of x over some axes, 0 for Gaussian samples; see `moments`."""
    return moments(x, dims).kurtosis


def report(device: torch.device | str = "cpu") -> str:
    """Return which implementation computes the moments on a device, and why."""
    device = torch.device(device)
    module = TABLE.get(device.type.upper(), "reference")
    reason = _unfit(device) if device.type == "cuda" else "nothing faster for this device"
    if module != "reference" and not (device.type == "cuda" and reason):
        return f"moments on {device.type}: {module}"
    return f"moments on {device.type}: reference ({reason})"


@lru_cache(maxsize=64)
def _unfit(device: torch.device) -> str:
    """Return why the Triton kernels cannot run on a CUDA device; an old card is a reason."""
    return obstacle(device)


@final
class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        x = x.contiguous()
        values: Tensor
        values, offset = torch.ops.scionwood_seismic.moments(x)
        ctx.save_for_backward(x, values, offset)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, values, offset = ctx.saved_tensors
        operator = torch.ops.scionwood_seismic.moments_backward
        by_x: Tensor = operator(grad.contiguous(), x, values, offset)
        return by_x


def _implementation(module: str, function: str) -> Callable[..., Any]:
    """Return a function that imports its module on the first call: triton takes a second.

    The reference runs on a card that cannot run the kernels.
    """

    def call(*args: Tensor) -> Any:
        unfit = module == TABLE.get("CUDA") and _unfit(args[0].device)
        name = "reference" if unfit else module
        return getattr(import_module(f"scionwood_seismic.kernels.{name}"), function)(*args)

    return call


def _register() -> Any:
    library: Any = torch.library.Library("scionwood_seismic", "FRAGMENT")
    library.define("moments(Tensor x) -> (Tensor, Tensor)")
    arguments = "Tensor grad, Tensor x, Tensor values, Tensor offset"
    library.define(f"moments_backward({arguments}) -> Tensor")
    for key, module in TABLE.items():
        for function in ("moments", "moments_backward"):
            library.impl(function, _implementation(module, function), key)
    return library


_LIBRARY = _register()  # the registrations live as long as this object


def _fake_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    dtype = reference.wide(x)
    return x.new_empty((4, x.shape[0]), dtype=dtype), x.new_empty(x.shape[0], dtype=dtype)


def _fake_backward(grad: Tensor, x: Tensor, values: Tensor, offset: Tensor) -> Tensor:
    return torch.empty_like(x)


torch.library.register_fake("scionwood_seismic::moments", _fake_moments, lib=_LIBRARY)
torch.library.register_fake("scionwood_seismic::moments_backward", _fake_backward, lib=_LIBRARY)
