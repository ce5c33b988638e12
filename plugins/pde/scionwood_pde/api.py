"""The Python interface of the plugin: simulate, read, write, encode, decode, predict, compare.

States are an `xarray.DataArray` with the dims `sample`, `time`, `channel`, `x`, `y`, `z`; see
`scionwood_pde.readers.states`. Every function that takes states also takes the path of a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast

import torch
import xarray as xr

from scionwood import RecipeError, find_run, load_run, read_origin, weights_digest
from scionwood_pde import inference, solvers
from scionwood_pde.backbones import tadpole
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation import compare
from scionwood_pde.model import Coder, SizeName
from scionwood_pde.readers.cache import Cache, write_cache
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import from_simulation, layout_of
from scionwood_pde.readers.write import writer_for
from scionwood_pde.solvers.registry import equation_class

States: TypeAlias = xr.DataArray | str | Path
"""States in memory, or the path of a file of them: Zarr, NetCDF, HDF5 of The Well or PDEBench."""


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

    Returns:
        States (sample, time, channel, *space), float32, in the units L, T and U of the equation.

    Raises:
        RecipeError: the equation is unknown, a size does not fit, or no sample is finite.

    Example:
        >>> states = simulate("burgers", n=1, n_points=16, n_steps=2)
        >>> dict(states.sizes)
        {'sample': 1, 'time': 3, 'channel': 3, 'x': 16, 'y': 16, 'z': 16}
    """
    generator = torch.Generator().manual_seed(seed)
    try:
        dt = equation_class(equation).INTERVAL if interval is None else interval
        sizes = (n_points, dims, n_steps, dt, n)
        return from_simulation(solvers.simulate(equation, *sizes, generator, substeps, order=order))
    except ValueError as error:
        raise RecipeError(str(error)) from error


def open_states(path: str | Path, *, fields: Sequence[str] | None = None) -> xr.DataArray:
    """Open a file of states; values are read when they are used.

    Args:
        path: a file, or a folder of Zarr. The format is recognised by the content.
        fields: names of the channels, in the order wanted. `None` means all channels.

    Raises:
        ReadError: the file is damaged, has an unknown format, or lacks a field.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "opened.zarr")
        >>> open_states("opened.zarr", fields=["u_x"]).channel.values.tolist()
        ['u_x']
    """
    return open_reader(path, fields=fields).to_xarray()


def write_states(states: xr.DataArray, target: str | Path, *, overwrite: bool = False) -> None:
    """Write states to a file; it appears complete or not at all.

    Args:
        states: the states to write.
        target: the file. The suffix selects the format: `.zarr` and `.zarr.zip` are Zarr v3,
            `.hdf5` is HDF5 of The Well, `.nc` is NetCDF-4.
        overwrite: replace an existing file.

    Raises:
        RecipeError: the suffix is unknown.
        ReadError: the array does not follow the conventions of `readers.states`.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the file cannot be written.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "written.nc")
    """
    writer_for(target)(states, Path(target), overwrite=overwrite)


def convert(
    states: str | Path,
    cache: str | Path,
    *,
    stride: int = 1,
    fields: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Cache:
    """Convert a file of states to a cache, which is mapped into memory when it is read.

    Args:
        states: the file to read.
        cache: the folder to write.
        stride: keep every `stride`-th time, starting with the first.
        fields: names of the channels to keep. `None` means all channels.
        overwrite: replace an existing folder.

    Raises:
        ReadError: the file is damaged, lacks a field, or holds NaN.
        RecipeError: the stride is not positive.
        OutputExistsError: `cache` exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "source.zarr")
        >>> convert("source.zarr", "cache", stride=2).states.shape
        (1, 2, 3, 16, 16, 16)
    """
    if stride < 1:
        raise RecipeError(f"stride {stride}", "it is 1 or more", "Give 1 to keep every time")
    with open_reader(states, fields=fields) as reader:
        return write_cache([reader], Path(cache), stride=stride, overwrite=overwrite)


def encode(
    states: States,
    latents: str | Path,
    *,
    run: str | Path | None = None,
    size: SizeName = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    fields: Sequence[str] | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Compress states to latents, whose sides are a 16th of the grid's, and write them as Zarr v3.

    Args:
        states: the states, or their file.
        latents: the folder to write.
        run: the run folder of an autoencoder that `scionwood fit` wrote. `None` means the model
            without an adapter, described by the next four options.
        size: size of that model.
        weights: weights of that model; see `backbones.tadpole`.
        tile: tile of that model in voxels. `None` means the whole domain.
        halo: halo of that model in voxels.
        fields: names of the channels to encode. `None` means all channels, or those of the run.
        device: where to compute, such as `cpu` or `cuda`.
        overwrite: replace an existing folder.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model.
        WeightsError: the weights are missing.
        OutputExistsError: `latents` exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> encode(simulate(n=1, n_points=16, n_steps=1), "encoded.zarr")
    """
    scale = None if run is None else Normaliser.read(find_run(run))
    opened = _opened(states, fields or (scale and scale.fields))
    if scale is not None:
        scale = scale.of_fields([channel.name for channel in layout_of(opened).channels])
    model = _autoencoder(run, size, weights, tile, halo)
    inference.encode(
        model, opened, Path(latents), normaliser=scale, device=device, overwrite=overwrite
    )


def decode(
    latents: str | Path,
    *,
    run: str | Path | None = None,
    size: SizeName = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    device: str = "cpu",
) -> xr.DataArray:
    """Reconstruct states from latents with the model and the options that encoded them.

    Args:
        latents: the folder that `encode` wrote.
        run: see `encode`.
        size: see `encode`.
        weights: see `encode`.
        tile: see `encode`.
        halo: see `encode`.
        device: where to compute, such as `cpu` or `cuda`.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded the latents.
        WeightsError: the weights are missing.

    Example:
        >>> encode(simulate(n=1, n_points=16, n_steps=1), "latents.zarr")
        >>> decode("latents.zarr").shape
        (1, 2, 3, 16, 16, 16)
    """
    model = _autoencoder(run, size, weights, tile, halo)
    return inference.decode(model, Path(latents), device=device)


def rollout(
    states: States,
    *,
    run: str | Path = "pde/dynamics",
    statistics: str | Path | None = None,
    steps: int | None = None,
    fields: Sequence[str] | None = None,
    device: str = "cpu",
) -> xr.DataArray:
    """Predict later states from the first state of each sample, one step after another.

    The run supplies the names of the fields, their normalisation, and the time of a step.

    Args:
        states: the states, or their file. Only the first time of each sample is used.
        run: a run of `pde/dynamics`, as a folder or by another reference; see `find_run`. The
            default run is shipped, and it knows Burgers' equation only.
        statistics: a cache whose means and standard deviations replace those of the run.
        steps: number of steps. `None` means as many as `states` has after its first time.
        fields: names of the channels, in the order of the training. `None` means those of the run.
        device: where to compute, such as `cpu` or `cuda`.

    Returns:
        The first states and the predictions, (sample, steps + 1, channel, x, y, z). The attribute
        `run` names the run and the SHA-256 of its weights. Every file format keeps it.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or the steps do not fit the file.
        AdapterFileError: the run's adapter is damaged, or was made for another base.
        WriteError: a prediction is not finite.

    Example:
        >>> predicted = rollout(simulate(n=1), steps=2)
        >>> predicted.shape
        (1, 3, 3, 32, 32, 32)
    """
    folder = find_run(run)
    kept = Normaliser.read(folder)
    opened = _opened(states, fields or (kept and kept.fields))
    scale = inference.normaliser_for(kept, opened, statistics)
    count = inference.steps_of(layout_of(opened), scale, steps)
    step = load_run(folder, device).backbone
    predicted = inference.rollout(step, opened, count, normaliser=scale, device=device)
    name = read_origin(folder) or folder.resolve().name
    return predicted.assign_attrs(run=f"{name}, SHA-256 {weights_digest(folder)}")


def evaluate(
    predicted: States,
    reference: States,
    *,
    given: int = 1,
    fields: Sequence[str] | None = None,
    figures: str | Path | None = None,
    overwrite: bool = False,
) -> list[Mapping[str, str | float]]:
    """Compare predicted states with reference states, by field and horizon.

    Args:
        predicted: the predicted states, or their file.
        reference: the reference states of the same samples and times, or their file.
        given: number of states at the start that were not predicted.
        fields: names of the channels to compare. `None` means all channels of `predicted`.
        figures: a folder for slices, spectra, the growth of the error, and an animation. `None`
            means no figures.
        overwrite: replace an existing folder of figures.

    Returns:
        A row for each field and horizon: the errors that `evaluation.compare.errors` defines. One
        of them is `persistence`, the error of predicting no change. Rows named `enstrophy ...`
        follow for each velocity in a periodic box.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the two differ in samples, channels or sides, or the reference lacks a time.
        OutputExistsError: `figures` exists and `overwrite` is false.

    Example:
        >>> states = simulate(n=1, n_points=16, n_steps=2)
        >>> evaluate(states, states)[0]["vrmse"]
        0.0
    """
    mine = _opened(predicted, fields)
    names = [channel.name for channel in layout_of(mine).channels]
    wanted = compare.at_times_of(mine, _opened(reference, names))
    errors = compare.errors(mine, wanted, given=given)
    rows: list[Mapping[str, str | float]] = [*compare.table(errors, names)]
    rows += compare.enstrophy_rows(compare.enstrophy_errors(mine, wanted, given=given))
    if figures is not None:
        compare.draw(mine, wanted, errors, Path(figures), overwrite=overwrite)
    return rows


def _opened(states: States, fields: Sequence[str] | None) -> xr.DataArray:
    """Return states of the given channels, from a file if a path is given."""
    if not isinstance(states, xr.DataArray):
        return open_states(states, fields=fields)
    layout_of(states).selected(Path("states"), fields)
    return states if fields is None else states.sel(channel=list(fields))


def _autoencoder(
    run: str | Path | None, size: SizeName, weights: str, tile: int | None, halo: int
) -> Coder:
    """Return the autoencoder of a run, or a model without an adapter."""
    if run is not None:
        return cast(Coder, load_run(run).backbone)
    try:
        return tadpole(size=size, weights=weights, tile=tile, halo=halo)
    except ValueError as error:
        raise RecipeError(str(error)) from error
