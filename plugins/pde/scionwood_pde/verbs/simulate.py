"""Simulate trajectories of an equation: `scionwood pde simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import RecipeError
from scionwood.authoring import prints
from scionwood_pde.verbs.options import Numbers, Target
from scionwood_pde.verbs.words import numbers_of

if TYPE_CHECKING:
    import xarray as xr


def _print_count(states: xr.DataArray, target: Path, n: int, n_steps: int) -> None:
    count = states.sizes["sample"]
    print(f"{target}: {count} of {n} samples are finite, with {n_steps + 1} states each")


@prints(_print_count)
def simulate(
    target: Target = None,
    *,
    equation: str = "burgers",
    n: int = 4,
    n_points: int = 32,
    dims: int = 3,
    n_steps: int = 20,
    interval: float | None = None,
    substeps: int = 1,
    order: Literal[2, 4] = 2,
    seed: int = 0,
    parameters: Numbers = None,
    skip: int = 0,
    force: bool = False,
) -> xr.DataArray:
    """Simulate trajectories of an equation on a periodic box and write them to a file.

    Samples that leave the solver's bound or become NaN are dropped, so that the result may hold
    fewer than `n` samples.

    Args:
        target: the file to write. The suffix selects the format: `.zarr` and `.zarr.zip` are
            Zarr v3, `.hdf5` is HDF5 of The Well, `.nc` is NetCDF-4. In Python `None` keeps the
            states in memory.
        equation: name of the equation. Its parameters are drawn from their ranges for each sample.
        n: number of samples (trajectories).
        n_points: grid points along each axis.
        dims: number of space dimensions.
        n_steps: states after the initial one.
        interval: time between states, in the equation's unit T; by default the equation's own.
        substeps: time steps between two states.
        order: order of the time stepping scheme.
        seed: seed of the parameters and the initial states.
        parameters: parameters of the equation that are not drawn, such as viscosity=0.05, or by
            name in Python.
        skip: states that are computed and left out at the beginning.
        force: replace an existing file.

    Returns:
        States (sample, time, channel, *space), float32, in the units L, T and U of the equation.

    Raises:
        RecipeError: the equation or suffix is unknown, a size does not fit, or no sample is finite.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written.

    Example:
        >>> states = simulate(equation="burgers", n=1, n_points=16, n_steps=2)
        >>> dict(states.sizes)
        {'sample': 1, 'time': 3, 'channel': 3, 'x': 16, 'y': 16, 'z': 16}
    """
    from scionwood_pde.readers.write import save_states, writer_for

    if target is not None:
        writer_for(target)
    numbers = numbers_of(parameters)  # a wrong suffix or word is refused before torch is imported
    if n < 1 or skip < 0:
        rule = "there is one sample or more, and no negative number is skipped"
        raise RecipeError(f"n: {n}, skip: {skip}", rule, "Raise them")
    import torch

    from scionwood_pde import solvers
    from scionwood_pde.readers.states import from_simulation
    from scionwood_pde.solvers.registry import drawn_equation, equation_class

    generator = torch.Generator().manual_seed(seed)
    try:
        dt = equation_class(equation).INTERVAL if interval is None else interval
        system = drawn_equation(equation, generator, n, numbers)
        sizes = (n_points, dims, n_steps + skip, dt, n)
        trajectories = solvers.simulate(system, *sizes, generator, substeps, order=order)
        states = from_simulation(trajectories).isel(time=slice(skip, None))
    except ValueError as error:
        raise RecipeError(str(error)) from error
    if target is not None:
        save_states(states, target, overwrite=force)
    return states
