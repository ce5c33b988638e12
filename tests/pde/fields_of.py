"""A dataset with one random field, under any dims."""

from __future__ import annotations

import numpy as np
import xarray as xr

FIELD = np.random.default_rng(0).standard_normal((3, 4, 5, 6), np.float32)


def dataset(*dims: str, **attributes: dict[str, str]) -> xr.Dataset:
    """A field over four dims, with a coordinate for each attribute that is given."""
    sizes = dict(zip(dims, FIELD.shape, strict=True))
    lines = {dim: (dim, np.arange(sizes[dim]) * 0.5, own) for dim, own in attributes.items()}
    return xr.Dataset({"q": (dims, FIELD, {"units": "K"})}, lines)
