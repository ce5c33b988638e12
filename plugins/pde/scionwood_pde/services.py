"""What a server offers of this plugin: files of states in, predictions and latents out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import ReadError, RecipeError, find_run
from scionwood.authoring import LoadedRun, Served, reading

if TYPE_CHECKING:
    import xarray as xr

ARRAY = ".npy"
"""The ending of an array, which a server makes of JSON."""


def rollout(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    steps: int | None = None,
    fields: list[str] | None = None,
    conditions: list[str] | None = None,
    format: Literal["nc", "hdf5", "zip"] = "nc",
) -> Served:
    """Predict later states from the first state of each sample, as `scionwood pde rollout` does.

    An array is one state, (channel, x, y, z). The answer is (time, channel, x, y, z), from this
    state on, and it needs `steps`.

    Args:
        loaded: a run of `pde/dynamics`.
        source: NetCDF, HDF5 of The Well or PDEBench, a zipped Zarr folder, or an array.
        out: the folder of the results.
        steps: number of steps; by default as many as the file has after its first time.
        fields: names of the channels, in the order of the training; by default those of the run.
        conditions: numbers that the model needs, each as NAME=NUMBER.
        format: the format of the answer: NetCDF, HDF5 of The Well, or Zarr in a zip archive.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or the steps do not fit the file.
        WriteError: a prediction is not finite.
    """
    from scionwood_pde import api
    from scionwood_pde.cli.words import numbers_of
    from scionwood_pde.readers.write import writer_for

    array = source.suffix == ARRAY
    target = out / f"{source.stem}_predicted{ARRAY if array else f'.{format}'}"
    made = api.rollout(
        _state(source, loaded, fields, steps) if array else source,
        run=loaded.folder,
        steps=steps,
        fields=fields,
        conditions=numbers_of(conditions),
        device=loaded.device,
    )
    if array:
        import numpy as np

        np.save(target, made.values[0])
    else:
        writer_for(target)(made, target)
    return Served(target)


def encode(
    loaded: LoadedRun, source: Path, out: Path, *, fields: list[str] | None = None
) -> Served:
    """Compress states to latents, as `scionwood pde encode` does; the answer is a zipped Zarr.

    An array is one state, (channel, x, y, z), or (x, y, z) of one field. The answer is the array of
    its latents, (latent, i, j, k), without units.

    Args:
        loaded: a run of `pde/autoencode`.
        source: NetCDF, HDF5 of The Well or PDEBench, a zipped Zarr folder, or an array.
        out: the folder of the results.
        fields: names of the channels to encode; by default those of the run.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or the run is no autoencoder.
    """
    from scionwood_pde import api

    target = out / f"{source.stem}_latents.zarr"
    given = _state(source, loaded, fields) if source.suffix == ARRAY else source
    api.encode(given, target, run=loaded.folder, fields=fields, device=loaded.device)
    if source.suffix != ARRAY:
        return Served(target)
    import numpy as np
    import zarr

    group = zarr.open_group(target, mode="r")
    np.save(out / f"latents{ARRAY}", np.asarray(group["latents"])[0, 0])
    return Served(out / f"latents{ARRAY}", values={"units": "1"})


def _state(
    source: Path, loaded: LoadedRun, fields: list[str] | None, steps: int | None = 1
) -> xr.DataArray:
    """Return the state in an array, on a grid of unknown units."""
    import numpy as np

    from scionwood_pde.data.normaliser import Normaliser
    from scionwood_pde.readers.layout import AXES, UNKNOWN, Channel, Layout
    from scionwood_pde.readers.states import labelled

    if steps is None:
        raise RecipeError("steps", "an array has one state, which says no number", "Give steps")
    with reading(source, "array"):
        values = np.load(source, allow_pickle=False)
    values = values[None] if values.ndim == len(AXES) else values
    if values.ndim != len(AXES) + 1 or min(values.shape[1:]) < 2:
        rule = f"a state is (channel, x, y, z), or (x, y, z) of one field, not {values.shape}"
        raise ReadError(source.name, rule, "Send one state at a time, or a NetCDF file")
    known = Normaliser.read(find_run(loaded.folder))
    names = fields or (known.fields if known else [f"field_{n}" for n in range(len(values))])
    if len(names) != len(values):
        rule = f"it has {len(values)} channels, and the fields are {', '.join(names)}"
        raise ReadError(source.name, rule, "Name the channels with fields, in their order")
    layout = Layout(
        1,
        np.zeros(1),
        {axis: np.arange(n, dtype=float) for axis, n in zip(AXES, values.shape[1:], strict=True)},
        tuple(Channel(name, UNKNOWN, name, ("sample", "time", *AXES)) for name in names),
        dict.fromkeys(("time", *AXES), UNKNOWN),
        dict.fromkeys(AXES, UNKNOWN),
        np.dtype(np.float64 if values.dtype == np.float64 else np.float32),
    )
    return labelled(values[None, None].astype(layout.dtype), layout)
