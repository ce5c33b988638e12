"""What a server offers of this plugin: files of states in, predictions and latents out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import LoadedRun, Served


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

    Args:
        loaded: a run of `pde/dynamics`.
        source: NetCDF, HDF5 of The Well or PDEBench, or a zipped Zarr folder.
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

    target = out / f"{source.stem}_predicted.{format}"
    made = api.rollout(
        source,
        run=loaded.folder,
        steps=steps,
        fields=fields,
        conditions=numbers_of(conditions),
        device=loaded.device,
    )
    writer_for(target)(made, target)
    return Served(target)


def encode(
    loaded: LoadedRun, source: Path, out: Path, *, fields: list[str] | None = None
) -> Served:
    """Compress states to latents, as `scionwood pde encode` does; the answer is a zipped Zarr.

    Args:
        loaded: a run of `pde/autoencode`.
        source: NetCDF, HDF5 of The Well or PDEBench, or a zipped Zarr folder.
        out: the folder of the results.
        fields: names of the channels to encode; by default those of the run.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or the run is no autoencoder.
    """
    from scionwood_pde import api

    target = out / f"{source.stem}_latents.zarr"
    api.encode(source, target, run=loaded.folder, fields=fields, device=loaded.device)
    return Served(target)
