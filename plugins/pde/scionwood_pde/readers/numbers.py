"""Numbers of samples that come with a file of states, such as a viscosity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.layout import Layout


def number_of(dataset: xr.Dataset, layout: Layout, path: Path, name: str) -> np.ndarray:
    """Return a number for each sample: a variable of the file, or an attribute of the file.

    Args:
        dataset: the open file.
        layout: the layout of the file.
        path: the file in messages.
        name: name of the variable or attribute.

    Returns:
        (sample,) float64; one number of the file holds for all samples.

    Raises:
        ReadError: the file has nothing of this name, or has no finite number for each sample.
    """
    entry = dataset.variables.get(name, dataset.attrs.get(name))
    if entry is None:
        rule = f"it has no variable or attribute {name!r}, which is a condition of the model"
        raise ReadError(str(path), rule, "Add it, or correct data.conditions")
    shape = getattr(entry, "shape", np.shape(entry))
    dims = getattr(entry, "dims", ())
    channel = layout.channels[0]
    field = dataset.variables[channel.variable]
    sample = channel.axes.index("sample") if "sample" in channel.axes else None
    other = dims not in ((), () if sample is None else (field.dims[sample],))
    if shape not in ((), (1,)) and (other or shape != (layout.samples,)):
        rule = f"{name!r} has the shape {shape}; a condition has one number, or one of each of the "
        rule += f"{layout.samples} samples"
        raise ReadError(str(path), rule, "Choose another, or read it as a field")
    values = np.asarray(entry)
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        rule = f"{name!r} holds {values.dtype}, and a condition is a finite number"
        raise ReadError(str(path), rule, "Correct it")
    return np.broadcast_to(values.astype(np.float64).ravel(), layout.samples)
