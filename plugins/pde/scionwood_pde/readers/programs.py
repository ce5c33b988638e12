"""HDF5 layouts that state their axes in attributes: The Well, Dedalus, Athena++, FLASH."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood_pde.readers.layout import AXES, UNKNOWN
from scionwood_pde.readers.lazy import (
    ARRAY,
    COMPONENT,
    SPREAD,
    components,
    dataset_of,
    gathered,
    line,
    on_grid,
    spread,
    variable_of,
)
from scionwood_pde.readers.series import Variables, check_stored, points, text_of


def well(path: Path, file: h5py.File) -> xr.Dataset | None:
    """Return the fields of The Well: scalars, vectors and tensors, with the components last.

    Source: https://github.com/PolymathicAI/the_well, docs/data_format.md.
    """
    if "dimensions" not in file:
        return None
    if file.attrs.get("grid_type", "cartesian") != "cartesian":
        rule = f"its grid is {file.attrs['grid_type']}; only cartesian grids are read"
        raise ReadError(str(path), rule, "Resample it onto a regular grid")
    places = file["dimensions"]
    axes = [axis for axis in ("time", *AXES) if axis in places]
    variables = {axis: points(path, places[axis], axis) for axis in axes}
    for axis, kinds in _boundaries(file.get("boundary_conditions", {})).items():
        if axis in variables:
            variables[axis].attrs["boundary"] = "/".join(sorted(kinds))
    sizes = {"sample": int(file.attrs["n_trajectories"])}
    sizes |= {axis: variables[axis].size for axis in axes}
    for order in range(3):
        for name, array in file.get(f"t{order}_fields", {}).items():
            check_stored(path, array)
            variables |= _of_well(path, name, array, order, sizes)
    for name, array in file.get("scalars", {}).items():
        if array.shape in ((), (sizes["sample"],)) and name not in variables:
            variables[name] = variable_of(array, ("sample",)[: array.ndim])
    return dataset_of(path, variables, dict(file.attrs))


def _of_well(
    path: Path, name: str, array: h5py.Dataset, order: int, sizes: dict[str, int]
) -> Variables:
    """Return the components of a field; axes along which it is constant are not stored."""
    space = [axis for axis in sizes if axis in AXES]
    varies = [array.attrs.get(f"{axis}_varying", True) for axis in ("sample", "time")]
    varies += list(array.attrs.get("dim_varying", [True] * len(space)))
    stored = [axis for axis, varying in zip(sizes, varies, strict=True) if varying]
    expected = (*(sizes[axis] for axis in stored), *[len(space)] * order)
    if array.shape != expected:
        rule = f"field {name!r} has shape {array.shape}; its axes {stored} require {expected}"
        raise ReadError(str(path), rule, f"Correct the attributes of {array.name}")
    attrs = {str(k): v for k, v in array.attrs.items() if isinstance(v, str)}
    ends = [f"component {i}" for i in range(order)]
    field = variable_of(array, [*stored, *ends], {"units": UNKNOWN, **attrs})
    missing = {axis: n for axis, n in sizes.items() if axis in space and axis not in stored}
    variables = {}
    for index in product(range(len(space)), repeat=order):
        label = "_" + "".join(space[i] for i in index) if index else ""
        part = field.isel(dict(zip(ends, index, strict=True)))
        part = spread(part, missing) if missing else part
        part.encoding = {ARRAY: array.name, COMPONENT: index, SPREAD: tuple(missing)}
        variables[name + label] = part
    return variables


def _boundaries(group: Any) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for condition in group.values():
        for axis in condition.attrs.get("associated_dims", []):
            kind = str(condition.attrs.get("bc_type", UNKNOWN)).lower()
            kinds.setdefault(str(axis), set()).add(kind)
    return kinds


def dedalus(path: Path, file: h5py.File) -> xr.Dataset | None:
    """Return the tasks of Dedalus 3, whose axes have scales; the first of them is the time.

    Raises:
        ReadError: a task holds coefficients, and not values on the grid.

    Source: https://github.com/DedalusProject/dedalus, dedalus/core/evaluator.py.
    """
    if "tasks" not in file or "scales/sim_time" not in file:
        return None
    variables = {"time": points(path, file["scales/sim_time"], "time")}
    for name, array in file["tasks"].items():
        check_stored(path, array)
        if not np.all(array.attrs.get("grid_space", True)):
            rule = f"task {name} holds coefficients of its bases, and no values on a grid"
            raise ReadError(str(path), rule, "Add the task with layout='g'")
        dims = ["time"]
        for axis in list(array.dims)[1:]:
            dims.append(str(axis.label) or "component")
            if len(axis) and axis.label not in ("", "constant", *variables):
                variables[str(axis.label)] = points(path, axis[0], str(axis.label))
        variable = variable_of(array, dims).isel({d: 0 for d in dims if d == "constant"})
        if dims.count("component") > 1 or variable.ndim < 2:
            continue
        parts = components(variable, "component", name) if "component" in dims else {name: variable}
        variables |= parts
    return dataset_of(path, variables)


def athena(path: Path, file: h5py.File) -> xr.Dataset | None:
    """Return the fields of Athena++ (`.athdf`), if the cells of its blocks form one regular grid.

    Source: https://github.com/PrincetonUniversity/athena, vis/python/athena_read.py.
    """
    if "VariableNames" not in file.attrs or "LogicalLocations" not in file:
        return None
    geometry = text_of(file.attrs.get("Coordinates", "cartesian"))
    if geometry not in ("cartesian", "minkowski"):
        rule = f"its coordinates are {geometry}; only cartesian grids are read"
        raise ReadError(str(path), rule, "Resample it onto a regular grid")
    centres = [file[f"x{i}v"][()] for i in (1, 2, 3)]
    names = [text_of(name) for name in file.attrs["VariableNames"]]
    variables: Variables = {}
    lines, order = _blocks(path, centres, "Athena++")
    counts = zip(file.attrs["DatasetNames"], file.attrs["NumVariables"], strict=True)
    for dataset, count in ((text_of(name), int(count)) for name, count in counts):
        array = file[dataset]
        check_stored(path, array)
        for row, name in enumerate(names[:count]):
            variables[name] = on_grid(lines, order, array.dtype, partial(_row, array, row))
        names = names[count:]
    return _with_lines(path, variables, lines, float(file.attrs.get("Time", 0.0)))


def flash(path: Path, file: h5py.File) -> xr.Dataset | None:
    """Return the fields of FLASH, if the cells of its leaf blocks form one regular grid.

    Source: https://flash.rochester.edu, user's guide, section on HDF5 output.
    """
    if not all(name in file for name in ("unknown names", "bounding box", "node type")):
        return None
    leaves = np.flatnonzero(file["node type"][()] == 1)
    names = [text_of(name).strip() for name in np.ravel(file["unknown names"][()])]
    box, shape = file["bounding box"][()][leaves], file[names[0]].shape[1:]
    steps = [(np.arange(n) + 0.5) / n for n in reversed(shape)]
    centres = [
        box[:, i, :1] + (box[:, i, 1:] - box[:, i, :1]) * step for i, step in enumerate(steps)
    ]
    lines, order = _blocks(path, centres, "FLASH")
    variables: Variables = {}
    for name in names:
        array = file[name]
        check_stored(path, array)
        variables[name] = on_grid(lines, order, array.dtype, partial(_row, array, leaves))
    scalars = {text_of(n).strip(): value for n, value in file.get("real scalars", [])}
    return _with_lines(path, variables, lines, float(scalars.get("time", 0.0)))


def _row(array: h5py.Dataset, places: Any) -> np.ndarray:
    """Return the values of a variable of all blocks, or of a variable of some blocks."""
    values: np.ndarray = array[places] if isinstance(places, int) else array[()][places]
    return values.ravel()


def _blocks(
    path: Path, centres: list[np.ndarray], program: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the grid of blocks whose centres of cells along x, y, z are (block, cell)."""
    x, y, z = (np.asarray(part, np.float64) for part in centres)
    steps = [part[:, 1] - part[:, 0] for part in (x, y, z) if part.shape[1] > 1]
    if any(np.ptp(step) > 1e-6 * abs(step[0]) for step in steps):
        rule = f"its blocks of {program} are refined: their cells differ in size"
        raise ReadError(str(path), rule, "Make a covering grid of one level with yt")
    shape = (len(x), z.shape[1], y.shape[1], x.shape[1])
    field = (z[:, :, None, None], y[:, None, :, None], x[:, None, None, :])
    zs, ys, xs = (np.broadcast_to(part, shape).ravel() for part in field)
    try:
        return gathered(path, np.stack([xs, ys, zs], 1), "blocks")
    except ReadError as error:
        rule = f"its blocks of {program} do not fill a box: {error.rule}"
        raise ReadError(str(path), rule, "Make a covering grid of one level with yt") from None


def _with_lines(
    path: Path, variables: Variables, lines: dict[str, np.ndarray], time: float
) -> xr.Dataset:
    """Return fields at one time with the points of their axes."""
    used = {axis: line(values, axis) for axis, values in lines.items() if len(values) > 1}
    return dataset_of(path, variables | used | {"time": line([time], "time")})
