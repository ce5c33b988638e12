"""Choose the implementation of a LoRA linear layer by device and shape."""

from __future__ import annotations

import os
import re
import sysconfig
import warnings
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor

Implementation = Literal["addmm", "triton"]
TRITON = (3, 6)
"""The oldest version of Triton whose compiler the kernels were compiled with."""
OLDEST = (8, 0)
"""The oldest compute capability that the Triton kernels are compiled and tested for."""
FAR = 0.03
"""The largest distance from the library, relative to the largest entry."""
ROWS, WIDTH, RANK = 512, 3072, 64
"""Bounds of Triton: the least tokens, the largest side of a weight and the largest rank.

Memory traffic decides on a GPU: the rank term inside the product saves two passes over the output,
if the layer is narrow and tokens are many. The bounds are computed and not measured on a card. In
a layer of width 4096, an own product must reach 0.93 of the speed of the library's to gain
anything, and at 384 only 0.4 of it.
"""
LOW = (torch.float16, torch.bfloat16)


@final
class Choice(NamedTuple):
    """An implementation and the reason for it."""

    implementation: Implementation
    why: str


@final
class Card(NamedTuple):
    """A CUDA card."""

    name: str
    capability: tuple[int, int]


@lru_cache(maxsize=64)
def card(index: int) -> Card:
    """Return the card with an index."""
    about: Any = torch.cuda.get_device_properties(index)
    return Card(about.name, (about.major, about.minor))


@lru_cache(maxsize=4096)
def choose(
    device: str, dtype: torch.dtype, rows: int, width: int, rank: int, index: int = 0
) -> Choice:
    """Return the implementation for a layer on a type of device, for a number of tokens.

    The width is the larger side of the weight, and the rank includes the rows of a gate.
    """
    if device != "cuda":
        return Choice("addmm", "products of the library, which add the rank term in place")
    if rows < ROWS or width > WIDTH or rank > RANK:
        return Choice("addmm", "few rows, a wide layer or a high rank")
    if dtype not in LOW:
        return Choice("addmm", f"{dtype} uses the products of the library")
    if reason := obstacle() or unfit(index):
        return Choice("addmm", reason)
    return Choice("triton", "rank-r work fused into the product's epilogue")


def fused(rows: Tensor, weight: Tensor, rank: int) -> Any:
    """Return the module of the Triton kernels if they shall run, or `None`."""
    about = (rows.device.type, rows.dtype, len(rows), max(weight.shape), rank, rows.get_device())
    if choose(*about).implementation == "addmm":
        return None
    return import_module("scionwood.kernels.triton_lora")  # importing triton takes a second


def unfit(index: int) -> str:
    """Return why a card or its Triton cannot run the kernels; empty without a CUDA device.

    The first call for a card runs a small layer forward and backward. If that fails, the message
    of Triton is the reason, a warning says so once, and training goes on with the library.
    """
    if not torch.cuda.is_available():
        return ""
    return _tried(index)


@lru_cache(maxsize=64)
def _tried(index: int) -> str:
    gpu = card(index)
    if gpu.capability < OLDEST:
        needed = ".".join(map(str, OLDEST))
        capability = ".".join(map(str, gpu.capability))
        return f"{gpu.name} has compute capability {capability}, and the kernels need {needed}"
    try:
        attempt(torch.device("cuda", index))
    except Exception as error:  # any defect of a compiler, a driver or an installation
        text = (str(error).splitlines() or [""])[0][:200]
        reason = f"Triton fails on {gpu.name}: {type(error).__name__}: {text}"
        warnings.warn(f"{reason}. The layers use the GEMMs of the library", stacklevel=2)
        return reason
    return ""


def attempt(device: torch.device) -> None:
    """Run the kernels of a small layer, and compare them with the products of the library."""
    from scionwood.kernels import triton_lora  # needs Triton

    rng = torch.Generator(device).manual_seed(0)  # a user's random numbers stay as they are
    x, grad, weight, a, b = (
        torch.randn(16, 16, generator=rng, device=device).div(4).to(torch.bfloat16)
        for _ in range(5)
    )
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        h = a @ x.t()
        y = triton_lora.product(x, weight.t(), grad[0], h.t(), b.t(), 0.7)
        right = torch.addmm(grad[0], x, weight.t()).addmm_(h.t(), b.t(), alpha=0.7)
        dh, db = triton_lora.by_rank(grad, b, h, 0.7)
        outputs = ((y, right), (dh, 0.7 * (b.t() @ grad.t())), (db, 0.7 * (h @ grad).t()))
    for output, right in outputs:
        if (output - right).abs().max() > FAR * right.abs().max():
            raise RuntimeError("the result of a small layer is wrong")


def obstacle(device: torch.device | None = None) -> str:
    """Return why Triton cannot run kernels on CUDA here, or an empty string if it can.

    The first launch of a Triton kernel builds a C extension of Python. It therefore needs a C
    compiler and Python's headers. A missing GPU is not a reason: the device of the tensors decides.

    Args:
        device: A CUDA device whose card is checked too. It may be too old, and the first call for a
            card runs a small kernel, which shows a compiler or a driver that fails.

    Example:
        >>> from scionwood.kernels import obstacle
        >>> isinstance(obstacle(), str)
        True
    """
    reason = _installed()
    if reason or device is None or device.type != "cuda" or not torch.cuda.is_available():
        return reason
    return unfit(torch.cuda.current_device() if device.index is None else device.index)


def _installed() -> str:
    if find_spec("triton") is None:
        return "triton is not installed: pip install 'triton>=3.7'"
    if (old := _version()) and old < TRITON:
        installed_version, needed = (".".join(map(str, version)) for version in (old, TRITON))
        return f"triton {installed_version} is older than {needed}: pip install 'triton>=3.7'"
    if not (os.environ.get("CC") or which("gcc") or which("clang")):
        return "triton needs a C compiler, gcc or clang"
    header = Path(sysconfig.get_config_var("INCLUDEPY"), "Python.h")
    return "" if header.is_file() else f"triton needs Python's headers, {header}"


def _version() -> tuple[int, ...]:
    """Return the first two numbers of Triton's version, or nothing if it has no metadata."""
    try:
        numbers = re.findall(r"\d+", version("triton"))
    except PackageNotFoundError:
        return ()
    return tuple(int(number) for number in numbers[:2])
