"""Choose the implementation of a LoRA linear layer from a table by device and shape."""

from __future__ import annotations

import os
import sysconfig
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Literal, NamedTuple, final

import torch

Implementation = Literal["addmm", "triton"]


@final
class Rule(NamedTuple):
    """A row of the table. The first row whose bounds are met decides."""

    implementation: Implementation
    rows: int
    """The smallest number of tokens, m."""
    width: int
    """The largest max(k, n)."""
    rank: int
    """The largest number of rows of A, those of a gate included."""
    why: str


TABLE: dict[str, tuple[Rule, ...]] = {
    # Memory traffic decides on a GPU: fusing helps if the layer is narrow and tokens are many.
    # The bounds are computed and not yet measured on a card. Below 512 rows, a tile of the fused
    # GEMM is half empty. Beyond width 8192, the two passes saved are under 3 % of the layer.
    "cuda": (
        Rule("triton", 512, 8192, 256, "rank-r work fused into the GEMM's epilogue"),
        Rule("addmm", 0, 2**31, 2**31, "few rows, a wide layer or a high rank"),
    ),
}
ELSEWHERE = (Rule("addmm", 0, 2**31, 2**31, "compute-bound: library GEMMs are the fastest"),)
LOW = (torch.float16, torch.bfloat16)


@final
class Choice(NamedTuple):
    """An implementation and the reason for it."""

    implementation: Implementation
    why: str


@lru_cache(maxsize=4096)
def choose(device: str, dtype: torch.dtype, rows: int, width: int, rank: int) -> Choice:
    """Return the implementation for a layer.

    Args:
        device: The type of the device, such as `cpu` or `cuda`.
        dtype: The dtype of the computation.
        rows: The number of tokens, m.
        width: max(k, n) of a weight (n, k).
        rank: The number of rows of A.
    """
    for rule in TABLE.get(device, ELSEWHERE):
        if rows < rule.rows or width > rule.width or rank > rule.rank:
            continue
        if rule.implementation != "triton":
            return Choice(rule.implementation, rule.why)
        if dtype not in LOW:
            return Choice("addmm", f"{dtype} uses the GEMMs of the library")
        if reason := obstacle():
            return Choice("addmm", reason)
        return Choice("triton", rule.why)
    raise AssertionError(f"the table of {device} has no row for some shapes")


def obstacle() -> str:
    """Return why Triton cannot run kernels on CUDA here, or an empty string if it can.

    The first launch of a Triton kernel builds a C extension of Python. It therefore needs a C
    compiler and Python's headers. A missing GPU is not a reason: the device of the tensors decides.

    Example:
        >>> from scionwood.kernels import obstacle
        >>> isinstance(obstacle(), str)
        True
    """
    if find_spec("triton") is None:
        return "triton is not installed: pip install 'scionwood[gpu]'"
    if not (os.environ.get("CC") or which("gcc") or which("clang")):
        return "triton needs a C compiler, gcc or clang"
    header = Path(sysconfig.get_config_var("INCLUDEPY"), "Python.h")
    return "" if header.is_file() else f"triton needs Python's headers, {header}"
