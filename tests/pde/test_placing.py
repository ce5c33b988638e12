"""Files with other names of dims and fields, from the command line to the results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from case_table import table

import scionwood_pde as pde
from scionwood.cli import main
from scionwood_pde.readers.cache import Cache
from scionwood_pde.readers.parsers import Arrays, Grids, NetCDF3, Scenes, VtkGrids

DIMS = ("--dims", "x=lon", "y=lat", "z=height_level")
RENAME = ("--rename", "U=u_x", "V=u_y", "W=u_z")

# The shipped run does not know these states.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def globe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Burgers' equation with the names of a model of the atmosphere, and latitudes in degrees."""
    path = tmp_path_factory.mktemp("globe") / "globe.nc"
    states = pde.simulate(equation="burgers", n=1, n_points=32, n_steps=2, seed=1)
    flow = pde.as_dataset(states.drop_attrs(deep=False))
    flow = flow.rename(x="lon", y="lat", z="height_level", u_x="U", u_y="V", u_z="W")
    flow["time"].attrs = {"units": "T"}
    for name in ("lon", "lat", "height_level"):
        flow[name].attrs = {"units": "degrees_north" if name == "lat" else "L"}
    flow.to_netcdf(path, engine="h5netcdf")
    return path


def command_line(command: str, *options: object) -> int:
    return main(["pde", command, *map(str, options)])


def test_dims_and_fields_are_named_on_the_command_line(globe, tmp_path, capsys):
    assert command_line("convert", globe, tmp_path / "cache", *RENAME) == 2
    assert "its grid is spherical" in capsys.readouterr().err
    with xr.open_dataset(globe, engine="h5netcdf", decode_times=False) as file:
        file["lat"].attrs = {"units": "L"}
        file.load().to_netcdf(tmp_path / "flat.nc", engine="h5netcdf")
    flat = tmp_path / "flat.nc"
    assert command_line("convert", flat, tmp_path / "cache", *DIMS, *RENAME) == 0
    assert [c.name for c in Cache(tmp_path / "cache").layout.channels] == ["u_x", "u_y", "u_z"]
    predicted = tmp_path / "predicted.zarr"
    assert command_line("rollout", flat, predicted, *DIMS, *RENAME, "--steps", "1") == 0
    assert command_line("evaluate", predicted, flat, *DIMS, *RENAME, "--json") == 0
    assert command_line("encode", flat, tmp_path / "latents", *DIMS, "--fields", "V") == 0
    assert pde.decode(tmp_path / "latents").channel.values.tolist() == ["V"]
    capsys.readouterr()
    assert command_line("convert", flat, tmp_path / "other", "--dims", "lon") == 2
    assert "lon: each word is NAME=WORD" in capsys.readouterr().err
    assert command_line("convert", flat, tmp_path / "other", *DIMS, "--rename", "Q=u_x") == 2
    assert "it has no field 'Q' to rename" in capsys.readouterr().err


@table("parser", [Grids, NetCDF3, Arrays, Scenes, VtkGrids])
def test_layouts_that_are_only_read_declare_a_sample(parser, tmp_path):
    if parser is VtkGrids:
        pytest.importorskip("pyvista")
    path = tmp_path / f"sample{parser.suffixes[0]}"
    parser.write_sample(path)
    *states, layout = parser.parse(path)  # a list
    assert len(states) == layout.samples * len(layout.times)
    assert all(np.isfinite(state).all() for state in states)
