"""Mean, standard deviation, skewness and kurtosis in one read, with a gradient that keeps only x.

The operators `scionwood_seismic::moments` and `moments_backward` have an implementation for each
kind of device, listed in `TABLE`; torch's dispatcher takes the one of the tensor's device.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from scionwood_seismic.kernels import reference


def _obstacle() -> str:
    """Why Triton cannot serve CUDA here: its first launch builds a small C extension of Python."""
    if find_spec("triton") is None:
        return "triton is not installed"
    if not (os.environ.get("CC") or which("gcc") or which("clang")):
        return "triton needs a C compiler, gcc or clang"
    header = Path(sysconfig.get_config_var("INCLUDEPY"), "Python.h")
    return "" if header.is_file() else f"triton needs Python's headers, {header}"


OBSTACLE = _obstacle()

TABLE = {
    "CPU": "cpu",
    "CompositeExplicitAutograd": "reference",  # every device that has no line of its own
    **({} if OBSTACLE else {"CUDA": "triton_kurtosis"}),
}
"""The module that serves a dispatch key."""


@final
class Moments(NamedTuple):
    """The moments of rows, each of the shape of the batch.

    `std` and `kurtosis` are the population's (divided by n); `kurtosis` is the excess, 0 for
    Gaussian samples. A constant row has `std`, `skewness` and `kurtosis` 0, without gradient.
    """

    mean: Tensor
    std: Tensor
    skewness: Tensor
    kurtosis: Tensor

    @property
    def log_std(self) -> Tensor:
        """Natural logarithm of `std`: minus infinity, without gradient, for a constant row."""
        return self.std.log()


def moments(x: Tensor, dims: tuple[int, ...] = (-2, -1)) -> Moments:
    """The first four moments of x over some axes, differentiable once.

    They are computed from deviations, so a mean far larger than the deviation costs no accuracy.
    Rows are standardised before powers are taken, so amplitudes of any unit are fine as long as
    their square is a normal float32 (1e-18 to 1e18).

    Args:
        x: a tensor of any floating dtype; an array whose last axes are `dims` is not copied.
        dims: the axes of one row, for instance trace and time.

    Returns:
        Moments over `dims`, of the other axes' shape: float64 for float64, float32 for the rest.

    Raises:
        ValueError: x is not floating, or a row has no samples.
    """
    if not x.is_floating_point():
        raise ValueError(f"x is {x.dtype}: moments need floating samples. Convert it first")
    rows = x.movedim(dims, tuple(range(-len(dims), 0))).flatten(-len(dims))
    if rows.shape[-1] == 0:
        raise ValueError(f"x is {tuple(x.shape)}: a row over axes {dims} has no samples")
    values = _Moments.apply(rows.reshape(-1, rows.shape[-1]))
    return Moments(*values.reshape(4, *rows.shape[:-1]))


def kurtosis(x: Tensor, dims: tuple[int, ...] = (-2, -1)) -> Tensor:
    """Excess kurtosis of x over some axes, 0 for Gaussian samples; see `moments`."""
    return moments(x, dims).kurtosis


def report(device: torch.device | str = "cpu") -> str:
    """Which implementation computes the moments of a tensor on a device, and why."""
    kind = torch.device(device).type
    module = TABLE.get(kind.upper(), "reference")
    if module != "reference":
        return f"moments on {kind}: {module}"
    reason = OBSTACLE if kind == "cuda" else "nothing faster for this device"
    return f"moments on {kind}: reference ({reason})"


@final
class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        x = x.contiguous()
        values, offset = torch.ops.scionwood_seismic.moments(x)
        ctx.save_for_backward(x, values, offset)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, values, offset = ctx.saved_tensors
        return torch.ops.scionwood_seismic.moments_backward(grad.contiguous(), x, values, offset)


def _implementation(module: str, function: str) -> Callable[..., Any]:
    """The function, imported when it is first called: triton takes a second."""

    def call(*args: Tensor) -> Any:
        return getattr(import_module(f"scionwood_seismic.kernels.{module}"), function)(*args)

    return call


def _register() -> torch.library.Library:
    library = torch.library.Library("scionwood_seismic", "FRAGMENT")
    library.define("moments(Tensor x) -> (Tensor, Tensor)")
    arguments = "Tensor grad, Tensor x, Tensor values, Tensor offset"
    library.define(f"moments_backward({arguments}) -> Tensor")
    for key, module in TABLE.items():
        for function in ("moments", "moments_backward"):
            library.impl(function, _implementation(module, function), key)
    return library


_LIBRARY = _register()  # the registrations live as long as this object


@torch.library.register_fake("scionwood_seismic::moments", lib=_LIBRARY)
def _(x: Tensor) -> tuple[Tensor, Tensor]:
    dtype = reference.wide(x)
    return x.new_empty((4, x.shape[0]), dtype=dtype), x.new_empty(x.shape[0], dtype=dtype)


@torch.library.register_fake("scionwood_seismic::moments_backward", lib=_LIBRARY)
def _(grad: Tensor, x: Tensor, values: Tensor, offset: Tensor) -> Tensor:
    return torch.empty_like(x)
