"""Files that are recognised and refused: what they are, and what opens them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from scionwood import ReadError

STARTS = {
    b"GRIB": ("GRIB", "Open it with cfgrib in xarray, and use the accessor: ds.scionwood"),
    b"MATLAB 5": ("a file of MATLAB 5", "Save it in MATLAB with -v7.3, or convert it with scipy"),
    b"#std": ("Nek5000, whose elements are no regular grid", "Interpolate it onto a regular grid"),
    b"CDF\x05": ("CDF-5, NetCDF with 64-bit data", "Convert it: nccopy -k nc4 IN.nc OUT.nc"),
}
"""What a file is by its first bytes, and the remedy."""

PICKLE = "Load it where it was made, and save its arrays as .npy"


def check_readable(path: Path) -> None:
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


def is_npz(path: Path) -> bool:
    """Return whether a zip file holds arrays of numpy and nothing else."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return bool(names) and all(name.endswith(".npy") for name in names)
