"""The commands `scionwood pde simulate | convert | encode | decode | rollout | evaluate`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from scionwood import RecipeError


def simulate(
    target: Path,
    *,
    equation: str = "burgers",
    n_samples: int = 4,
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

    Samples that left their bound or met NaN are left out, and counted.

    Args:
        target: the file: `.zarr` or `.zarr.zip` is Zarr v3, `.hdf5` is HDF5 of The Well, `.nc` is
            NetCDF-4.
        equation: its name; its parameters are drawn from its ranges, one set a sample.
        n_samples: trajectories.
        n_points: points an axis.
        dims: dimensions of space.
        n_steps: states after the first.
        interval: time between states, in the equation's T; the equation's own where null.
        substeps: time steps between states.
        order: of the scheme.
        seed: of parameters and first states.
        force: replace the file if it exists.

    Raises:
        RecipeError: no such equation or suffix, a size that does not fit, or no sample that held.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written whole.
    """
    import torch

    from scionwood_pde.readers.states import from_simulation
    from scionwood_pde.readers.write import writer_for
    from scionwood_pde.solvers import simulate as run
    from scionwood_pde.solvers.registry import equation as by_name

    write = writer_for(target)
    generator = torch.Generator().manual_seed(seed)
    try:
        dt = by_name(equation).INTERVAL if interval is None else interval
        sizes = (n_points, dims, n_steps, dt, n_samples)
        result = run(equation, *sizes, generator, substeps, order=order)
        states = from_simulation(result)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    write(states, Path(target), overwrite=force)
    kept = states.sizes["sample"]
    print(f"{target}: {kept} of {n_samples} samples held, {n_steps + 1} states each")


def convert(
    states: Path,
    cache: Path,
    *,
    stride: int = 1,
    fields: list[str] | None = None,
    force: bool = False,
) -> None:
    """Convert states to a cache that is read as fast as memory, and print its statistics.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        cache: the folder to write.
        stride: keep every so many times, from the first.
        fields: the channels to keep; all where null.
        force: replace the folder if it exists.

    Raises:
        ReadError: the file is damaged, lacks a field, or holds NaN.
        RecipeError: the stride is not positive.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written whole.
    """
    from scionwood_pde.readers import cache as caches
    from scionwood_pde.readers.opening import open_reader

    if stride < 1:
        raise RecipeError(f"stride {stride}", "it is 1 or more", "Give 1 to keep every time")
    with open_reader(Path(states), fields=fields) as reader:
        made = caches.convert([reader], Path(cache), stride=stride, overwrite=force)
    print(f"{cache}: {made.states.shape} {made.layout.dtype}")
    for channel in made.layout.channels:
        found = made.statistics[channel.name]
        print(f"{channel.name:>12} {found.mean:12.4g} +- {found.std:.4g} {channel.unit}")


def encode(
    states: Path,
    latents: Path,
    *,
    run: Path | None = None,
    size: Literal["tiny", "S", "B", "L"] = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    fields: list[str] | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Compress states to latents of a 16th of the sides, a Zarr v3 folder.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        latents: the folder to write.
        run: the run folder of an autoencoder that `scionwood fit` wrote, whose normaliser is taken
            where it has one; else the plain model.
        size: of the plain model.
        weights: of the plain model; see `scionwood show pde/tadpole`.
        tile: of the plain model, voxels; the whole domain where null.
        halo: of the plain model, voxels.
        fields: the channels to encode; all where null.
        device: where to compute, such as cpu or cuda.
        force: replace the folder if it exists.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model.
        WeightsError: the weights are not there.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written whole.
    """
    from scionwood_pde import inference
    from scionwood_pde.data.normaliser import Normaliser
    from scionwood_pde.readers.opening import open_reader

    scale = None if run is None else Normaliser.read(Path(run))
    with open_reader(Path(states), fields=fields or (scale and scale.fields)) as reader:
        if scale is not None:
            scale = scale.of_fields([channel.name for channel in reader.layout.channels])
        model = _coder(run, size, weights, tile, halo)
        options: Any = {"normaliser": scale, "device": device, "overwrite": force}
        inference.encode(model, reader.to_xarray(), Path(latents), **options)


def decode(
    latents: Path,
    states: Path,
    *,
    run: Path | None = None,
    size: Literal["tiny", "S", "B", "L"] = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Restore states from latents, with the model and options that encoded them.

    Args:
        latents: the folder that `encode` wrote.
        states: the file to write; its suffix chooses the format, see `simulate`.
        run: as given to `encode`.
        size: as given to `encode`.
        weights: as given to `encode`.
        tile: as given to `encode`.
        halo: as given to `encode`.
        device: where to compute, such as cpu or cuda.
        force: replace the file if it exists.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded them, or no such suffix.
        WeightsError: the weights are not there.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written whole.
    """
    from scionwood_pde import inference
    from scionwood_pde.readers.write import writer_for

    write = writer_for(states)
    restored = inference.decode(_coder(run, size, weights, tile, halo), latents, device=device)
    write(restored, Path(states), overwrite=force)


def rollout(
    states: Path,
    predicted: Path,
    *,
    run: Path,
    statistics: Path | None = None,
    steps: int | None = None,
    fields: list[str] | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Predict the states after the first one of each sample, each from the one before.

    Args:
        states: the file with the first states: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        predicted: the file to write; its suffix chooses the format, see `simulate`.
        run: the run folder of `pde/dynamics` that `scionwood fit` wrote; what normalised its
            training data, and how far it steps, are read there.
        statistics: a cache whose means and standard deviations normalise the fields instead.
        steps: how many to predict; as many as `states` has after the first where null.
        fields: the channels, in the order of the training; those of the run where null.
        device: where to compute, such as cpu or cuda.
        force: replace the file if it exists.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, the steps not the file, or no such suffix.
        AdapterFileError: the run's adapter is damaged, or made for another base.
        OutputExistsError: the file exists and `force` is false.
        WriteError: a prediction is not finite, or the file cannot be written whole.
    """
    from scionwood import load_run
    from scionwood_pde import inference
    from scionwood_pde.data.normaliser import Normaliser
    from scionwood_pde.readers.opening import open_reader
    from scionwood_pde.readers.write import writer_for

    write = writer_for(predicted)
    kept = Normaliser.read(Path(run))
    with open_reader(Path(states), fields=fields or (kept and kept.fields)) as reader:
        source = reader.to_xarray()
        scale = inference.normaliser_for(kept, source, statistics)
        count = inference.steps_of(reader.layout, scale, steps)
        step = load_run(Path(run), device).backbone
        found = inference.rollout(step, source, count, normaliser=scale, device=device)
    write(found, Path(predicted), overwrite=force)


def evaluate(
    predicted: Path,
    true: Path,
    *,
    given: int = 1,
    fields: list[str] | None = None,
    figures: Path | None = None,
    as_json: bool = False,
    force: bool = False,
) -> None:
    """Print errors by field and horizon beside those of persistence, which predicts no change.

    Args:
        predicted: a file that `rollout` wrote, or any of the formats that are read.
        true: the states that came about, of the same samples and times.
        given: states at the start that were not predicted.
        fields: the channels to compare; all where null.
        figures: also draw slices, spectra, the growth of the error and an animation into this
            folder.
        as_json: print JSON.
        force: replace the folder of figures if it exists.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, or the truth lacks a time.
        OutputExistsError: the folder of figures exists and `force` is false.
    """
    from scionwood_pde.evaluation import compare as measure
    from scionwood_pde.readers.opening import open_reader

    with ExitStack() as stack:
        here = stack.enter_context(open_reader(Path(predicted), fields=fields))
        names = [channel.name for channel in here.layout.channels]
        there = stack.enter_context(open_reader(Path(true), fields=names))
        found = here.to_xarray()
        wanted = measure.at_times_of(found, there.to_xarray())
        errors = measure.errors(found, wanted, given=given)
        rows = measure.table(errors, names)
        rows += measure.enstrophy_rows(measure.enstrophy_errors(found, wanted, given=given))
        if figures is not None:
            measure.draw(found, wanted, errors, Path(figures), overwrite=force)
    print(json.dumps(rows, indent=1) if as_json else measure.text(rows))


def _coder(run: Path | None, size: Any, weights: str, tile: int | None, halo: int) -> Any:
    """The autoencoder of a run, or a plain one."""
    if run is not None:
        from scionwood import load_run

        return load_run(Path(run)).backbone
    from scionwood_pde.backbones import tadpole

    try:
        return tadpole(size=size, weights=weights, tile=tile, halo=halo)
    except ValueError as error:
        raise RecipeError(str(error)) from error
