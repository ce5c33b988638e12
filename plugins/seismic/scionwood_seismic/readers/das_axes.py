"""Read the axes of a DAS patch from the summary that DASCore gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scionwood import ReadError

LENGTHS = {"m": 1.0, "ft": 0.3048, "km": 1000.0, "unknown": 1.0}
"""Unit of positions -> m; DASCore takes positions without a unit as m."""


def other_axis(path: Path, summary: Any) -> str:
    """Return the name of the axis that is not time."""
    dims = summary.dim_tuple
    if len(dims) != 2 or "time" not in dims:
        rule = f"a DAS patch with the axes {', '.join(dims)}, not distance and time"
        raise ReadError(str(path), rule, "Select two axes with DASCore first")
    return str(dims[dims[0] == "time"])


def identity(attrs: Any) -> tuple[Any, ...]:
    """Return what distinguishes the patches of a file."""
    ranges = tuple(str((attrs.coords[d].min, attrs.coords[d].max)) for d in attrs.dim_tuple)
    return attrs.dim_tuple, attrs.tag, ranges


def seconds(step: Any) -> float:
    """Return a time step, s."""
    if isinstance(step, np.timedelta64):
        return float(step / np.timedelta64(1, "ns")) / 1e9
    return float(step)


def unit_of(quantity: Any) -> str:
    """Return the name of a unit of DASCore."""
    from dascore.units import get_quantity_str

    return get_quantity_str(quantity) or "unknown"


def count_steps(coord: Any) -> int:
    """Return the number of values of an evenly spaced coordinate."""
    gaps: float = (coord.max - coord.min) / coord.step
    return round(gaps) + 1


def is_forward(coord: Any) -> bool:
    """Return whether a coordinate is evenly spaced and ascends."""
    return bool(coord.step) and seconds(coord.step) > 0


def spacing(coord: Any, unit: str) -> float | None:
    """Return the spacing of a coordinate, m; None if it is uneven, or not a length."""
    metres = LENGTHS.get(unit)
    if not coord.step or metres is None or isinstance(coord.step, np.timedelta64):
        return None
    return abs(float(coord.step)) * metres
