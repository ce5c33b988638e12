"""How the kernels of the solver are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]
"""An array argument of a kernel; the docstrings give its shape and unit."""


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a part of a kernel into it: arrays as arguments of a call cost more than the call."""
    return njit(error_model="numpy", forceinline=True)(function)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with numba when first called, and keep the machine code for the next process.

    Floating point stays in the order that is written (no `fastmath`), so that the same input gives
    the same bits. A kernel calls only kernels of its own file: numba looks at that file alone to
    see whether its cache is stale.
    """
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(error_model="numpy")(function)
