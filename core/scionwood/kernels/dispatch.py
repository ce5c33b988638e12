"""Choose the implementation of a LoRA linear layer by device and shape."""

from __future__ import annotations

import os
import re
import sysconfig
import warnings
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Literal, NamedTuple, final

import torch

from scionwood.kernels import addmm
from scionwood.kernels.cards import OLDEST, card
from scionwood.kernels.reference import LOW

Implementation = Literal["addmm", "triton"]
TRITON = (3, 6)
"""The oldest version of Triton whose compiler the kernels were compiled with."""
FAR = 0.03
"""The largest distance from the library, relative to the largest entry."""
ROWS, WIDTH, RANK = 512, 8192, 256
"""Bounds of Triton: the least tokens, the largest side of a weight and the most rows of A.

Memory traffic decides on a GPU: fusing helps if the layer is narrow and tokens are many. The bounds
are computed and not yet measured on a card. Below 512 rows, a tile of the fused GEMM is half empty.
Beyond width 8192, the two passes saved are under 3 % of the layer.
"""


@final
class Choice(NamedTuple):
    """An implementation and the reason for it."""

    implementation: Implementation
    why: str


@lru_cache(maxsize=4096)
def choose(
    device: str,
    dtype: torch.dtype,
    rows: int,
    width: int,
    rank: int,
    index: int = 0,
    tf32: bool = False,
) -> Choice:
    """Return the implementation for a layer.

    Args:
        device: The type of the device, such as `cpu` or `cuda`.
        dtype: The dtype of the computation.
        rows: The number of tokens, m.
        width: The larger side of the weight, max(n, k).
        rank: The number of rows of A, those of a gate included.
        index: The index of the device.
        tf32: Whether torch may round float32 operands to TF32; see `triton_plan.allows_tf32`.
    """
    if device != "cuda":
        return Choice("addmm", "compute-bound: library GEMMs are the fastest")
    if rows < ROWS or width > WIDTH or rank > RANK:
        return Choice("addmm", "few rows, a wide layer or a high rank")
    if dtype not in (*LOW, torch.float32):
        return Choice("addmm", f"{dtype} uses the GEMMs of the library")
    if reason := obstacle() or unfit(index):
        return Choice("addmm", reason)
    if dtype == torch.float32 and not tf32:
        return Choice("addmm", "float32 without TF32 uses the GEMMs of the library")
    return Choice("triton", "rank-r work fused into the GEMM's epilogue")


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
    """Run a small layer forward and backward, and compare it with the products of the library.

    Raises:
        RuntimeError: A result is wrong. The errors of compiler and driver pass through.
    """
    from scionwood.kernels import triton_lora  # needs Triton

    rng = torch.Generator(device).manual_seed(0)  # a user's random numbers stay as they are
    x, grad, weight, a, b = (
        torch.randn(16, 16, generator=rng, device=device).div(4).to(torch.bfloat16)
        for _ in range(5)
    )
    plain = (None, None, 0.7, 0.0)  # without a gate and without dropout
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        y, z = addmm.lora_linear(x, weight, None, a, b, *plain)
        gradients = (grad, x, weight, a, b, z, *plain, True)
        expected = (y, z, *addmm.lora_linear_backward(*gradients))
        outputs = (
            *triton_lora.lora_linear(x, weight, None, a, b, *plain),
            *triton_lora.lora_linear_backward(*gradients),
        )
    for output, right in zip(outputs, expected, strict=True):
        if output is None or right is None:  # of the gate
            continue
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
