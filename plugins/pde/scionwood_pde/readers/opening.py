"""Open a file of states with the reader of its format."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py

from scionwood import ReadError
from scionwood.authoring import call_in_child, check_hdf5, reading
from scionwood_pde.readers.arrays import NumpyReader, SceneReader
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.hdf5 import GridReader, PDEBenchReader, WellReader, kind_of
from scionwood_pde.readers.labelled import NetCDF3Reader, NetCDFReader, ZarrReader
from scionwood_pde.readers.meshes import SUFFIXES, VtkReader

STARTS = {
    b"GRIB": ("GRIB", "Open it with cfgrib in xarray, and use the accessor: ds.scionwood"),
    b"MATLAB 5": ("a file of MATLAB 5", "Save it in MATLAB with -v7.3, or convert it with scipy"),
    b"#std": ("Nek5000, whose elements are no regular grid", "Interpolate it onto a regular grid"),
    b"CDF\x05": ("CDF-5, NetCDF with 64-bit data", "Convert it: nccopy -k nc4 IN.nc OUT.nc"),
}
"""What a file that is not read is by its first bytes, and the remedy."""

PICKLE = "Load it where it was made, and save its arrays as .npy"


def open_reader(
    path: str | Path,
    *,
    fields: Sequence[str] | None = None,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    axes: Mapping[str, str] | None = None,
) -> StatesReader:
    """Open a file with the reader that fits its content.

    Args:
        path: a file, or a folder of Zarr.
        fields: names of the channels to read, in the order wanted. `None` means all channels.
        solids: NaN marks solid points. Without it, a state that holds NaN is refused.
        dims: the dimension of the file for `sample`, `time`, `x`, `y` or `z`; see `StatesReader`.
        rename: new names of channels by their names in the file.
        axes: the axes of the arrays of a file without names; see `readers.hdf5`.

    Raises:
        ReadError: the format is unknown, or the file is damaged.
    """
    names = {reader.__name__: reader for reader in _READERS}
    reader = names[call_in_child(_reader_of, path, bool(axes))]
    return reader(path, fields=fields, solids=solids, dims=dims, rename=rename, axes=axes)


_READERS: tuple[type[StatesReader], ...] = (
    *(ZarrReader, WellReader, PDEBenchReader, NetCDFReader, NetCDF3Reader, GridReader),
    *(NumpyReader, SceneReader, VtkReader),
)


def _reader_of(path: Path, has_axes: bool) -> str:
    """Return the name of the reader of the content."""
    if path.suffix.lower() in SUFFIXES:
        return VtkReader.__name__
    with reading(path, "states"):  # `is_zipfile` raises BadZipFile on some damaged archives
        if path.is_dir() and any(path.glob("*_[0-9][0-9][0-9][0-9][0-9][0-9].npz")):
            return SceneReader.__name__
        _check_readable(path)
        if path.is_dir() or (path.is_file() and zipfile.is_zipfile(path)):
            return (NumpyReader if path.is_file() and _is_npz(path) else ZarrReader).__name__
        with path.open("rb") as head:
            start = head.read(6)
    if start[:3] == b"CDF":
        return NetCDF3Reader.__name__
    if start == b"\x93NUMPY":
        return NumpyReader.__name__
    with reading(path, "HDF5"), h5py.File(path) as file:
        check_hdf5(path, file)
        return (kind_of(path, file, has_axes=has_axes) or NetCDFReader).__name__


def _check_readable(path: Path) -> None:
    """Refuse a file of a known format that is not read, with its name and a remedy.

    Raises:
        ReadError: the file is GRIB, MATLAB 5, Nek5000, CDF-5, raw numbers of MITgcm, ADIOS, or a
            pickle of torch.
    """
    if path.suffix == ".data" and path.with_suffix(".meta").exists():
        rule = "it holds raw numbers of MITgcm"
        raise ReadError(str(path), rule, "Open it with xmitgcm, and use the accessor: ds.scionwood")
    if path.is_dir() and path.name.endswith((".bp", ".bp4", ".bp5")):
        raise ReadError(str(path), "it is a folder of ADIOS", "Convert it to HDF5")
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(8)
    for signature, (what, remedy) in STARTS.items():
        if start.startswith(signature):
            raise ReadError(str(path), f"it is {what}", remedy)
    if start.startswith(b"\x80") and path.suffix in (".pt", ".pth", ".pkl", ".pickle"):
        raise ReadError(str(path), "it is a pickle, which is never read", PICKLE)
    if start.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/data.pkl") for name in archive.namelist()):
                raise ReadError(str(path), "it is a pickle of torch, which is never read", PICKLE)


def _is_npz(path: Path) -> bool:
    """Return whether a zip file holds arrays of numpy and nothing else."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)
