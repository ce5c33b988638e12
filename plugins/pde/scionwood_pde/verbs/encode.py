"""Compress states to latents: `scionwood pde encode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scionwood_pde.verbs.options import EncodeOptions, States, Target

if TYPE_CHECKING:
    import xarray as xr


def encode(
    states: States,
    latents: Target = None,
    options: EncodeOptions = EncodeOptions(),
    *,
    force: bool = False,
) -> xr.Dataset:
    """Compress states to latents, whose sides are a 16th of the grid's; write a Zarr v3 folder.

    With a tile, states are read and latents are written row by row of tiles, so that memory does
    not depend on the size of the domain. If a client of `dask.distributed` is active, its workers
    compute the rows.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench; in Python also the
            states.
        latents: the folder to write. In Python `None` keeps the latents in memory.
        options: the autoencoder, and how the states are read.
        force: replace an existing folder.

    Returns:
        The latents (sample, time, channel, latent, i, j, k), with the mean and deviation of each
        field; in memory, or read from the folder when they are used. From a dataset they have its
        dims of samples and times, and its coordinates. From arrays of dask they are such arrays.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or `latents` is the file that is read.
        WeightsError: the weights are missing.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> encode(simulate(n=1, n_points=16, n_steps=1)).latents.shape
        (1, 2, 3, 128, 1, 1, 1)
    """
    from scionwood import find_run
    from scionwood_pde import inference
    from scionwood_pde.data.normaliser import Normaliser
    from scionwood_pde.model.presets import STRIDE
    from scionwood_pde.readers.files import check_apart, labelled_states
    from scionwood_pde.readers.states import layout_of
    from scionwood_pde.verbs.coder import coder_of

    check_apart(states, latents)
    inference.check_device(options.device)
    scale = None if options.run is None else Normaliser.read(find_run(options.run))
    names = options.fields or (scale and scale.fields)
    array, source = labelled_states(states, names, **options.places())
    layout = layout_of(array)
    if scale is not None:
        scale = scale.of_fields([channel.name for channel in layout.channels])
    # Beyond the domain lies its other side, if the file says so on all axes and tiles fill them.
    periodic = set(layout.boundary.values()) == {"periodic"}
    fills = all(side % STRIDE == 0 for side in layout.sides)
    wraps = options.tile is not None and periodic and fills
    model = coder_of(options, "periodic" if wraps else "edge")
    return inference.encode(
        model,
        array,
        latents,
        normaliser=scale,
        labels=None if source is None else source.labels,
        device=options.device,
        overwrite=force,
    )
