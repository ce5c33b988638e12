"""Simulate, open, write and convert states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast

import torch
import xarray as xr

from scionwood import RecipeError
from scionwood_pde import solvers
from scionwood_pde.readers.cache import Cache, write_cache
from scionwood_pde.readers.dataset import is_states, states_of
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.regions import Put, regions_for
from scionwood_pde.readers.states import from_simulation, layout_of
from scionwood_pde.readers.write import writer_for
from scionwood_pde.solvers.registry import drawn_equation, equation_class

States: TypeAlias = xr.DataArray | xr.Dataset | str | Path
"""States in memory, or the path of a file of them, in any layout that the readers know.

A dataset or an array whose dims can be placed counts as states; see `readers.dataset`."""


def simulate(
    equation: str = "burgers",
    *,
    n: int = 4,
    n_points: int = 32,
    dims: int = 3,
    n_steps: int = 20,
    interval: float | None = None,
    substeps: int = 1,
    order: Literal[2, 4] = 2,
    seed: int = 0,
    parameters: Mapping[str, float] | None = None,
    skip: int = 0,
) -> xr.DataArray:
    """Simulate trajectories of an equation on a periodic box.

    Samples that leave the solver's bound or become NaN are dropped, so that the result may hold
    fewer than `n` samples.

    Args:
        equation: a name of `scionwood_pde.solvers.EQUATIONS`. Its parameters are drawn from their
            ranges for each sample.
        n: number of samples (trajectories).
        n_points: grid points along each axis.
        dims: number of space dimensions.
        n_steps: states after the initial one.
        interval: time between states, in the equation's unit T. `None` means the equation's own.
        substeps: time steps between two states.
        order: order of the time stepping scheme.
        seed: seed of the parameters and the initial states.
        parameters: parameters of the equation that are not drawn, such as `viscosity`.
        skip: states that are computed and left out at the beginning.

    Returns:
        States (sample, time, channel, *space), float32, in the units L, T and U of the equation.

    Raises:
        RecipeError: the equation is unknown, a size does not fit, or no sample is finite.

    Example:
        >>> states = simulate("burgers", n=1, n_points=16, n_steps=2)
        >>> dict(states.sizes)
        {'sample': 1, 'time': 3, 'channel': 3, 'x': 16, 'y': 16, 'z': 16}
    """
    if n < 1 or skip < 0:
        rule = "there is one sample or more, and no negative number is skipped"
        raise RecipeError(f"n: {n}, skip: {skip}", rule, "Raise them")
    generator = torch.Generator().manual_seed(seed)
    try:
        dt = equation_class(equation).INTERVAL if interval is None else interval
        drawn = drawn_equation(equation, generator, n, parameters or {})
        sizes = (n_points, dims, n_steps + skip, dt, n)
        made = solvers.simulate(drawn, *sizes, generator, substeps, order=order)
        return from_simulation(made).isel(time=slice(skip, None))
    except ValueError as error:
        raise RecipeError(str(error)) from error


def open_states(
    path: str | Path,
    *,
    fields: Sequence[str] | None = None,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    axes: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Open a file of states; values are read when they are used.

    Args:
        path: a file, or a folder of Zarr. The format is recognised by the content.
        fields: names of the channels, in the order wanted. `None` means all channels.
        solids: NaN marks solid points. Without it, NaN is refused.
        dims: the dimension of the file for `sample`, `time`, `x`, `y` or `z`, such as
            `{"x": "lon"}`. `None` means that they are found by names and coordinates.
        rename: new names of channels by their names in the file.
        axes: the axes of each array of a file without names of axes, such as
            `{"flow/u": "time z y x"}`; see `readers.grids`.

    Raises:
        ReadError: the file is damaged, has an unknown format, lacks a field, or has a dimension
            that has no place.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "opened.zarr")
        >>> open_states("opened.zarr", fields=["u_x"]).channel.values.tolist()
        ['u_x']
    """
    return open_reader(
        path, fields=fields, solids=solids, dims=dims, rename=rename, axes=axes
    ).to_xarray()


def write_states(states: States, target: str | Path, *, overwrite: bool = False) -> None:
    """Write states to a file; it appears complete or not at all.

    Args:
        states: the states to write, or their file.
        target: the file. The suffix selects the format: `.zarr` and `.zarr.zip` are Zarr v3,
            `.hdf5` is HDF5 of The Well, `.nc` is NetCDF-4.
        overwrite: replace an existing file.

    Raises:
        RecipeError: the suffix is unknown, `target` is the file that is read, or the name of a
            channel would be a path in the file.
        ReadError: the file is damaged, or a dimension has no place.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the file cannot be written.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "written.nc")
    """
    write = writer_for(target)
    check_apart(states, target)
    write(opened(states, None), Path(target), overwrite=overwrite)


def convert(
    states: str | Path,
    cache: str | Path,
    *,
    stride: int = 1,
    fields: Sequence[str] | None = None,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Cache:
    """Convert a file of states to a cache, which is mapped into memory when it is read.

    Args:
        states: the file to read.
        cache: the folder to write.
        stride: keep every `stride`-th time, starting with the first.
        fields: names of the channels to keep. `None` means all channels.
        dims: the dimension of a file for `sample`, `time`, `x`, `y` or `z`; see `open_states`.
        rename: new names of channels by their names in the file.
        overwrite: replace an existing folder.

    Raises:
        ReadError: the file is damaged, lacks a field, or holds NaN.
        RecipeError: the stride is not positive, or `cache` is the file that is read.
        OutputExistsError: `cache` exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "source.zarr")
        >>> convert("source.zarr", "cache", stride=2).states.shape
        (1, 2, 3, 16, 16, 16)
    """
    if stride < 1:
        raise RecipeError(f"stride {stride}", "it is 1 or more", "Give 1 to keep every time")
    check_apart(states, cache)
    with open_reader(states, fields=fields, dims=dims, rename=rename) as reader:
        return write_cache([reader], Path(cache), stride=stride, overwrite=overwrite)


def check_apart(source: object, target: str | Path | None) -> None:
    """Check that a result does not replace the file from which it is made.

    Raises:
        RecipeError: both are the same file or folder.
    """
    same = isinstance(source, str | Path) and target is not None
    if same and Path(str(source)).resolve() == Path(str(target)).resolve():
        rule = "it is the file that is read, and would be replaced"
        raise RecipeError(f"target {target}", rule, "Choose another name")


def check_device(device: str) -> None:
    """Check that torch can compute on a device of this machine.

    Raises:
        RecipeError: it cannot; the message has torch's reason.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        reason = str(error).splitlines()[0].split(". ")[0]
        raise RecipeError(f"device {device}", reason, "Use cpu, or a GPU of this machine") from None


def opened(
    states: States,
    fields: Sequence[str] | None,
    *,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Return states of the given channels, from a file if a path is given.

    Raises:
        ReadError: see `open_states`, and `readers.dataset`.
        RecipeError: `states` is no array or dataset of xarray, and no path.
    """
    if not isinstance(states, str | Path | xr.DataArray | xr.Dataset):
        rule = "states are an array or a dataset of xarray, or the path of a file"
        raise RecipeError(f"states of the type {type(states).__name__}", rule, "Give one of these")
    if isinstance(states, str | Path):
        return open_states(states, fields=fields, solids=solids, dims=dims, rename=rename)
    if not is_states(states) or dims or rename:
        return states_of(states, fields=fields, solids=solids, dims=dims, rename=rename)
    states = cast(xr.DataArray, states)
    layout = layout_of(states).selected(Path("states"), fields)
    return states if fields is None else states.sel(channel=[c.name for c in layout.channels])


def stored(
    make: Callable[[Put | None], xr.DataArray | None],
    target: str | Path | None,
    layout: Layout,
    attrs: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
    solids: bool = False,
) -> xr.DataArray:
    """Return states that a function makes, in memory or from the file that it fills part by part.

    Args:
        make: called with what stores a part of the states, or with `None` for states in memory.
        target: the file. `None` means memory.
        layout: the layout of the states.
        attrs: attributes of the file.
        overwrite: replace an existing file.
        solids: NaN in the file marks solid points.

    Raises:
        RecipeError: the suffix is unknown.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the file cannot be written.
    """
    if target is None:
        made = make(None)
        assert made is not None
        return made
    with regions_for(target)(target, layout, attrs, overwrite=overwrite) as put:
        make(put)
    return open_states(target, solids=solids)
