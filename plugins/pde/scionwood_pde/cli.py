"""The commands `scionwood pde simulate | convert | encode | decode | rollout | evaluate`."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Mapping, Sequence
from typing import Literal

from scionwood import InputPath, OutputPath, RunPath, print_table, renamed


@renamed(n_samples="n")
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
        force: replace an existing file.

    Raises:
        RecipeError: the equation or suffix is unknown, a size does not fit, or no sample is finite.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written.
    """
    from scionwood_pde import api
    from scionwood_pde.readers.write import writer_for

    write = writer_for(target)
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
    json: bool = False,
    force: bool = False,
) -> None:
    """Convert states to a cache that is read at the speed of memory, and print its statistics.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        cache: the folder to write.
        stride: keep every stride-th time, starting with the first.
        fields: names of the channels to keep; by default all.
        json: print the statistics as JSON.
        force: replace an existing folder.

    Raises:
        ReadError: the file is damaged, lacks a field, or holds NaN.
        RecipeError: the stride is not positive.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written.
    """
    from scionwood_pde import api

    made = api.convert(states, cache, stride=stride, fields=fields, overwrite=force)
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
    _print_rows(rows, json)


def encode(
    states: InputPath,
    latents: OutputPath,
    *,
    run: RunPath | None = None,
    size: Literal["tiny", "S", "B", "L"] = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    fields: list[str] | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Compress states to latents, whose sides are a 16th of the grid's; write a Zarr v3 folder.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        latents: the folder to write.
        run: the run folder of an autoencoder that `scionwood fit` wrote, whose normalisation is
            used if it has one; by default the model without an adapter.
        size: size of the model without an adapter.
        weights: weights of the model without an adapter; see `scionwood show pde/tadpole`.
        tile: tile of the model without an adapter, in voxels; by default the whole domain.
        halo: halo of the model without an adapter, in voxels.
        fields: names of the channels to encode; by default all.
        device: where to compute, such as cpu or cuda.
        force: replace an existing folder.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model.
        WeightsError: the weights are missing.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written.
    """
    from scionwood_pde import api

    api.encode(
        states,
        latents,
        run=run,
        size=size,
        weights=weights,
        tile=tile,
        halo=halo,
        fields=fields,
        device=device,
        overwrite=force,
    )


def decode(
    latents: InputPath,
    states: OutputPath,
    *,
    run: RunPath | None = None,
    size: Literal["tiny", "S", "B", "L"] = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Reconstruct states from latents with the model and the options that encoded them.

    Args:
        latents: the folder that `encode` wrote.
        states: the file to write; its suffix selects the format, see `simulate`.
        run: the same as for `encode`.
        size: the same as for `encode`.
        weights: the same as for `encode`.
        tile: the same as for `encode`.
        halo: the same as for `encode`.
        device: where to compute, such as cpu or cuda.
        force: replace an existing file.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded the latents, or the suffix is unknown.
        WeightsError: the weights are missing.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written.
    """
    from scionwood_pde import api
    from scionwood_pde.readers.write import writer_for

    write = writer_for(states)
    restored = api.decode(
        latents, run=run, size=size, weights=weights, tile=tile, halo=halo, device=device
    )
    write(restored, states, overwrite=force)


def rollout(
    states: InputPath,
    predicted: OutputPath,
    *,
    run: RunPath = "pde/dynamics",
    statistics: InputPath | None = None,
    steps: int | None = None,
    fields: list[str] | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Predict later states from the first state of each sample, one step after another.

    Args:
        states: the file with the first states: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        predicted: the file to write; its suffix selects the format, see `simulate`.
        run: a run of `pde/dynamics`, as a folder or by its name. It supplies the normalisation and
            the time of a step. The default run is shipped; it knows Burgers' equation only.
        statistics: a cache whose means and standard deviations replace those of the run.
        steps: number of steps; by default as many as `states` has after its first time.
        fields: names of the channels, in the order of the training; by default those of the run.
        device: where to compute, such as cpu or cuda.
        force: replace an existing file.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, the steps do not fit the file, or the suffix
            is unknown.
        AdapterFileError: the run's adapter is damaged, or was made for another base.
        OutputExistsError: the file exists and `force` is false.
        WriteError: a prediction is not finite, or the file cannot be written.
    """
    from scionwood_pde import api
    from scionwood_pde.readers.write import writer_for

    write = writer_for(predicted)
    made = api.rollout(
        states, run=run, statistics=statistics, steps=steps, fields=fields, device=device
    )
    write(made, predicted, overwrite=force)


@renamed(as_json="json")
def evaluate(
    predicted: InputPath,
    reference: InputPath,
    *,
    training: list[InputPath] | None = None,
    given: int = 1,
    fields: list[str] | None = None,
    solids: bool = False,
    figures: OutputPath | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Print errors by field and horizon, next to those of predictions without any network.

    The simplest prediction is persistence, which predicts no change. With the training states,
    linear filters are fitted on them, and the skill is one minus the error over that of the best
    filter. Results that are worse than the mean or than a filter are named below the table.

    Args:
        predicted: a file that `rollout` wrote, or any file of states.
        reference: the reference states of the same samples and times.
        training: files of the states on which the run was trained.
        given: number of states at the start that were not predicted.
        fields: names of the channels to compare; by default all.
        solids: NaN in the files marks solid points, which do not count.
        figures: also write slices, spectra, the growth of the error and an animation to this
            folder.
        json: print JSON.
        force: replace an existing folder of figures.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, the reference lacks a time,
            steps in time are not equal, or the training states do not fit the predicted ones.
        OutputExistsError: the folder of figures exists and `force` is false.
    """
    from scionwood_pde import api
    from scionwood_pde.evaluation.skill import notes, remarks
    from scionwood_pde.readers.opening import open_reader

    rows = api.evaluate(
        predicted,
        reference,
        training=training or (),
        given=given,
        fields=fields,
        solids=solids,
        figures=figures,
        overwrite=force,
    )
    _print_rows(rows, json)
    layout = open_reader(reference, fields=fields, solids=solids).layout
    for line in [*remarks(rows), *notes(layout, bool(training))]:
        print(line, file=sys.stderr if json else sys.stdout)


def _print_rows(rows: Sequence[Mapping[str, str | float]], as_json: bool) -> None:
    """Print rows as JSON, or as a table for people."""
    if as_json:
        print(json_module.dumps(rows, indent=1))
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [name for name in columns if any(isinstance(row.get(name), float) for row in rows)]
    cells = [[_rounded(row.get(name)) for name in columns] for row in rows]
    print_table(columns, cells, numeric=numeric)


def _rounded(value: str | float | None) -> str | None:
    return f"{value:.4g}" if isinstance(value, float) else value
