"""What a server offers of this plugin: files of states in, predictions and latents out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import ReadError, RecipeError, find_run
from scionwood.authoring import LoadedRun, Served, reading
from scionwood_pde.verbs.encode import encode
from scionwood_pde.verbs.options import (
    EncodeOptions,
    Fields,
    Names,
    RolloutOptions,
    RolloutRequest,
)
from scionwood_pde.verbs.rollout import rollout

if TYPE_CHECKING:
    import xarray as xr

ARRAY = ".npy"
"""The ending of an array, which a server makes of JSON."""


def rollout_request(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    options: RolloutRequest = RolloutRequest(),
    format: Literal["nc", "hdf5", "zip"] = "nc",
) -> Served:
    """Predict later states from the first state of each sample, as `scionwood pde rollout` does.

    An array is one state, (channel, x, y, z). The answer is (time, channel, x, y, z), from this
    state on, and it needs `steps`.

    Args:
        loaded: a run of `pde/dynamics`.
        source: NetCDF, HDF5 of The Well or PDEBench, a zipped Zarr folder, or an array.
        out: the folder of the results.
        options: the steps, the channels and the numbers that the model needs.
        format: the format of the answer: NetCDF, HDF5 of The Well, or Zarr in a zip archive.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or the steps do not fit the file.
        WriteError: a prediction is not finite.
    """
    from scionwood_pde.readers.write import save_states

    array = source.suffix == ARRAY
    target = out / f"{source.stem}_predicted{ARRAY if array else f'.{format}'}"
    states = _state(source, loaded, options.fields, options.steps) if array else source
    run = RolloutOptions(**vars(options), run=loaded.folder, device=loaded.device)
    predicted = rollout(states, None, run)
    if array:
        import numpy as np

        np.save(target, predicted.values[0])
    else:
        save_states(predicted, target)
    return Served(target)


def encode_request(
    loaded: LoadedRun, source: Path, out: Path, *, options: Fields = Fields()
) -> Served:
    """Compress states to latents, as `scionwood pde encode` does; the answer is a zipped Zarr.

    An array is one state, (channel, x, y, z), or (x, y, z) of one field. The answer is the array of
    its latents, (latent, i, j, k), without units.

    Args:
        loaded: a run of `pde/autoencode`.
        source: NetCDF, HDF5 of The Well or PDEBench, a zipped Zarr folder, or an array.
        out: the folder of the results.
        options: the channels to encode; by default those of the run.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or the run is no autoencoder.
    """
    target = out / f"{source.stem}_latents.zarr"
    states = _state(source, loaded, options.fields) if source.suffix == ARRAY else source
    run = EncodeOptions(fields=options.fields, run=loaded.folder, device=loaded.device)
    encode(states, target, run)
    if source.suffix != ARRAY:
        return Served(target)
    import numpy as np
    import zarr

    group = zarr.open_group(target, mode="r")
    np.save(out / f"latents{ARRAY}", np.concatenate(np.asarray(group["latents"])[0, 0]))
    return Served(out / f"latents{ARRAY}", values={"units": "1"})


def _state(source: Path, loaded: LoadedRun, fields: Names, steps: int | None = 1) -> xr.DataArray:
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
    scale = Normaliser.read(find_run(loaded.folder))
    names = fields or (scale.fields if scale else [f"field_{n}" for n in range(len(values))])
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
