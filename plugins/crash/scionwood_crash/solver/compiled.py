"""Compile the kernels of the solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scionwood import PluginError

try:
    from numba import njit
except ImportError as error:
    rule = "simulations need numba, which is not installed"
    remedy = "pip install numba"
    raise PluginError("crash/suite", rule, remedy) from error

Array = np.ndarray[Any, Any]
"""An array argument of a kernel; the docstrings give its shape and unit."""


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function inline into its kernel: passing arrays costs more than the call."""
    return njit(error_model="numpy", forceinline=True)(function)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with numba on the first call, and cache the machine code for later processes.

    Floating-point operations keep their order (no `fastmath`), so the same input gives the same
    bits. A kernel must only call kernels of its own file, because numba checks only that file to
    see whether the cache is outdated.
    """
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(error_model="numpy")(function)
