"""The names of arrays in VTK files: what describes the mesh, and times in names."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

TIMED = re.compile(r"(.+)_t(-?[0-9.]+(?:e[+-]?[0-9]+)?)")
"""The name of a field and its time, as in PhysicsNeMo's `displacement_t0.005`."""
MESH_ARRAYS = ("node_id", "initial_coordinates", "displacement", "thickness")
"""Point arrays that describe the mesh."""
STATIC = ("part_id", "element_id", "thickness", "alive")
"""Cell arrays that describe the mesh."""


def timed(names: Iterable[str], field: str) -> tuple[list[str], np.ndarray]:
    """Return the times in the names of a field's arrays, in order, as text and as numbers.

    Args:
        names: the names of all arrays.
        field: such as `displacement`.

    Returns:
        The labels and their numbers; without any, no label and the time 0.
    """
    matches = [TIMED.fullmatch(name) for name in names]
    labels = sorted((m[2] for m in matches if m and m[1] == field), key=float)
    return labels, np.array([float(label) for label in labels]) if labels else np.zeros(1)
