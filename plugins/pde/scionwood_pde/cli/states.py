"""The commands that make and convert files of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from scionwood.authoring import InputPath, OutputPath
from scionwood_pde.cli.words import numbers_of, print_rows, words_of


def simulate(
    target: OutputPath,
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
    parameters: list[str] | None = None,
    skip: int = 0,
    force: bool = False,
) -> None:
    """Simulate trajectories of an equation on a periodic box and write them to a file.

    Samples that leave the solver's bound or become NaN are dropped and counted.

    Args:
        target: the file to write. The suffix selects the format: `.zarr` and `.zarr.zip` are
            Zarr v3, `.hdf5` is HDF5 of The Well, `.nc` is NetCDF-4.
        equation: name of the equation. Its parameters are drawn from their ranges for each sample.
        n: number of samples (trajectories).
        n_points: grid points along each axis.
        dims: number of space dimensions.
        n_steps: states after the initial one.
        interval: time between states, in the equation's unit T; by default the equation's own.
        substeps: time steps between two states.
        order: order of the time stepping scheme.
        seed: seed of the parameters and the initial states.
        parameters: parameters of the equation that are not drawn, each as NAME=NUMBER.
        skip: states that are computed and left out at the beginning.
        force: replace an existing file.

    Raises:
        RecipeError: the equation or suffix is unknown, a size does not fit, or no sample is finite.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written.
    """
    from scionwood_pde.readers.write import writer_for

    write, fixed = writer_for(target), numbers_of(parameters)  # before torch is imported
    from scionwood_pde import api

    states = api.simulate(
        equation,
        n=n,
        n_points=n_points,
        dims=dims,
        n_steps=n_steps,
        interval=interval,
        substeps=substeps,
        order=order,
        seed=seed,
        parameters=fixed,
        skip=skip,
    )
    write(states, target, overwrite=force)
    kept = states.sizes["sample"]
    print(f"{target}: {kept} of {n} samples are finite, with {n_steps + 1} states each")


def convert(
    states: InputPath,
    cache: OutputPath,
    *,
    stride: int = 1,
    fields: list[str] | None = None,
    dims: list[str] | None = None,
    rename: list[str] | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Convert states to a cache that is read at the speed of memory, and print its statistics.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        cache: the folder to write.
        stride: keep every stride-th time, starting with the first.
        fields: names of the channels to keep; by default all.
        dims: dimensions of the file by their role, such as x=lon; roles are sample, time, x, y, z.
        rename: new names of channels, each as NAME=NEW.
        json: print the statistics as JSON.
        force: replace an existing folder.

    Raises:
        ReadError: the file is damaged, lacks a field, or holds NaN.
        RecipeError: the stride is not positive.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written.
    """
    placing = {"dims": words_of(dims), "rename": words_of(rename)}  # before torch is imported
    from scionwood_pde import api

    made = api.convert(
        states,
        cache,
        stride=stride,
        fields=fields,
        **placing,
        overwrite=force,
    )
    rows: list[Mapping[str, str | float]] = [
        {
            "field": channel.name,
            "mean": made.statistics[channel.name].mean,
            "std": made.statistics[channel.name].std,
            "unit": channel.unit,
        }
        for channel in made.layout.channels
    ]
    if not json:
        print(f"{cache}: shape {made.states.shape}, {made.layout.dtype}")
    print_rows(rows, json)
