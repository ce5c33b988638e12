"""Fields on other points of their cells, as solvers on staggered grids mark them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

KEYS = ("position", "offset")
"""Attributes that hold the place of a field in its cell: of openPMD, and of JAX-CFD."""


def offsets_of(variables: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the place in the cell of each variable that is marked, if the places differ.

    Sources: openPMD 1.1.0, https://github.com/openPMD/openPMD-standard, attribute `position`;
    JAX-CFD, `jax_cfd.data.xarray_utils`, attribute `offset`.
    """
    places = {name: _of(variable) for name, variable in variables.items()}
    marked = {name: place for name, place in places.items() if place}
    if len(set(marked.values())) < 2:
        return {}
    common = max(set(marked.values()), key=list(marked.values()).count)
    alone = list(marked.values()).count(common) == 1
    return {n: (f"offset {p}",) for n, p in marked.items() if alone or p != common}


def _of(variable: Any) -> tuple[float, ...]:
    for key in KEYS:
        place = np.atleast_1d(np.asarray(variable.attrs.get(key, ())))
        space = len(variable.dims)
        if place.dtype.kind in "fiu" and 0 < place.size <= space and variable.dtype.kind == "f":
            return tuple(place.astype(float).tolist())
    return ()
