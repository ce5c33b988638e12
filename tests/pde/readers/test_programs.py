"""Files of simulation programs, in the layouts that their sources write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

import scionwood_pde as pde
from scionwood import ReadError

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.standard_normal((3, 4, 5, 6), np.float32)
"""(time, x, y, z)."""

BACK = VALUES.transpose(0, 3, 2, 1)
FACES = RANDOM.standard_normal((3, 6, 5, 5), np.float32)
"""(time, z, y, faces along x)."""

CENTRED = ((FACES[..., 1:] + FACES[..., :-1]) / 2).transpose(0, 3, 2, 1)
BLOCKS = RANDOM.standard_normal((2, 4, 8, 4), np.float32)
"""Two fields (x, y, z), in two blocks along y."""


def grid(names: dict[str, str], step: float, unit: str) -> dict[str, Any]:
    """Return the centres of the cells of z, y, x by name, each with its dim."""
    return {
        name: (dim, step * (np.arange(n) + 0.5), {"units": unit})
        for (name, dim), n in zip(names.items(), (6, 5, 4), strict=True)
    }


def labelled(path: Path, dims: tuple[str, ...], faces: str, lines: Any, **attrs: Any) -> Path:
    """Write a temperature on cells, and a velocity on the faces along the last dim."""
    data = {"T": (dims, BACK, {"units": "K"}), "U": ((*dims[:3], faces), FACES)}
    data = {name.lower() if name in dims else name: field for name, field in data.items()}
    xr.Dataset(data, lines, attrs).to_netcdf(path, engine="h5netcdf")
    return path


def check(states: xr.DataArray, unit: str, spacing: float) -> None:
    np.testing.assert_array_equal(states.sel(channel="T").values[0], VALUES)
    np.testing.assert_allclose(states.sel(channel="U").values[0], CENTRED, rtol=1e-6, atol=1e-6)
    assert states.x.attrs["units"] == unit
    assert states.x.attrs["spacing"] == pytest.approx(spacing)


def test_faces_of_cm1_and_mitgcm_are_averaged_with_a_warning(tmp_path):
    lines = grid({d: d for d in ("zh", "yh", "xh")}, 0.5, "km")
    path = labelled(tmp_path / "cm1out.nc", ("time", "zh", "yh", "xh"), "xf", lines)
    with pytest.warns(UserWarning, match=r"^U of cm1out.nc are averaged from the faces"):
        check(pde.open_states(path), "km", 0.5)
    lines = grid({"z": "nk", "yh": "nj", "xh": "ni"}, 0.5, "km")
    path = labelled(tmp_path / "before.nc", ("time", "nk", "nj", "ni"), "nip1", lines)
    with pytest.warns(UserWarning, match="averaged"):
        check(pde.open_states(path), "km", 0.5)
    lines = grid({d: d for d in "ZYX"}, 9.0, "m")
    path = labelled(tmp_path / "state.nc", ("T", "Z", "Y", "X"), "Xp1", lines)
    with pytest.warns(UserWarning, match="averaged"):
        assert pde.open_states(path, fields=["U"]).sizes["x"] == 4


WRF = ("Time", "bottom_top", "south_north", "west_east")


def test_levels_of_wrf_and_roms_are_no_heights_unless_all_dims_are_named(tmp_path):
    angles = {"XLAT": (("Time", *WRF[2:]), BACK[:, 0], {"units": "degree_north"})}
    path = labelled(tmp_path / "wrfout", WRF, "west_east_stag", angles, DX=500.0, DY=500.0)
    with pytest.raises(ReadError, match="vertical axis bottom_top has levels of pressure that fol"):
        pde.open_states(path)
    dims = dict(zip("xyz", WRF[:0:-1], strict=True))
    with pytest.warns(UserWarning, match="averaged"):
        check(pde.open_states(path, dims=dims), "cell", 1.0)
    path = labelled(tmp_path / "globe", WRF, "west_east_stag", angles, MAP_PROJ=6, DX=1.0, DY=1.0)
    with pytest.raises(ReadError, match="curvilinear: the coordinate XLAT"):
        pde.open_states(path)


def test_a_plane_of_roms_has_the_points_of_its_equal_rows(tmp_path):
    x, y = np.meshgrid(50.0 * np.arange(4), 50.0 * np.arange(5))
    plane = ("eta_rho", "xi_rho")
    data = {"zeta": (("ocean_time", *plane), BACK[:, 0]), "s_rho": ("s_rho", np.arange(6.0))}
    lines = {"x_rho": (plane, x, {"units": "meter"}), "y_rho": (plane, y, {"units": "meter"})}
    xr.Dataset(data | lines).to_netcdf(tmp_path / "his.nc", engine="h5netcdf")
    states = pde.open_states(tmp_path / "his.nc")
    np.testing.assert_array_equal(states.values[0, :, 0], VALUES[..., 0])
    assert states.x.attrs == {"units": "meter", "spacing": 50.0, "boundary": "unknown"}


def exodus(path: Path, bend: float) -> Path:
    """Write fields on the nodes of a box, as Exodus II does."""
    grid = np.meshgrid(*(0.1 * np.arange(n) for n in (4, 5, 6)), indexing="ij")
    x, y, z = (line.ravel() for line in grid)
    names = np.array([[b"p", b"\0"]], "S1")
    data: dict[str, Any] = {
        "coordx": ("num_nodes", x + bend * np.sin(9 * y)),
        "coordy": ("num_nodes", y),
        "coordz": ("num_nodes", z),
        "time_whole": ("time_step", np.arange(3.0)),
        "name_nod_var": (("num_nod_var", "len_string"), names),
        "vals_nod_var1": (("time_step", "num_nodes"), VALUES.reshape(3, -1)),
        "eb_prop1": ("num_dim", np.arange(3)),
    }
    xr.Dataset(data).to_netcdf(path, engine="scipy")
    return path


def test_nodes_of_exodus_are_read_if_they_form_a_grid(tmp_path):
    states = pde.open_states(exodus(tmp_path / "a.e", 0.0))
    np.testing.assert_array_equal(states.values[0, :, 0], VALUES)
    assert states.channel.values.tolist() == ["p"]
    with pytest.raises(ReadError, match="it is Exodus, an unstructured mesh: the 120 places"):
        pde.open_states(exodus(tmp_path / "b.e", 0.03))


def dedalus(path: Path, z: np.ndarray) -> Path:
    """Write a scalar and a vector, as the file handler of Dedalus 3 does."""
    with h5py.File(path, "w") as file:
        scales = {"constant": [0.0], "sim_time": [0.0, 0.5, 1.0], "z_hash_b": z}
        scales |= {"x_hash_a": 0.5 * np.arange(4), "y_hash_c": 0.5 * np.arange(5)}
        for name, values in scales.items():
            file[f"scales/{name}"] = values
            file[f"scales/{name}"].make_scale(name.partition("_hash")[0])
        for name, array, rank in (("b", VALUES, 0), ("u", np.stack([VALUES, 2 * VALUES], 1), 1)):
            task = file.create_dataset(f"tasks/{name}", data=array.astype(float))
            task.attrs["grid_space"] = [True] * 3
            for axis, scale in ((0, "sim_time"), (1, "x_hash_a"), (2, "y_hash_c"), (3, "z_hash_b")):
                place = task.dims[axis + rank * (axis > 0)]
                place.label = "t" if axis == 0 else scale[0]
                place.attach_scale(file[f"scales/{scale}"])
    return path


def test_tasks_of_dedalus_have_the_points_of_their_scales(tmp_path):
    states = pde.open_states(dedalus(tmp_path / "a_s1.h5", 0.25 * np.arange(6)))
    assert states.channel.values.tolist() == ["b", "u_x", "u_y"]
    np.testing.assert_array_equal(states.values[0, :, 2], 2 * VALUES.astype(float))
    assert (states.time.values.tolist(), states.z.attrs["spacing"]) == ([0, 0.5, 1], 0.25)
    chebyshev = -np.cos(np.pi * (np.arange(6) + 0.5) / 6)
    with pytest.raises(ReadError, match=r"the points of axis z lie 0\.25.* apart"):
        pde.open_states(dedalus(tmp_path / "b_s1.h5", chebyshev))


def cut() -> np.ndarray:
    """Return the two blocks, (field, block, z, y, x)."""
    return np.stack([BLOCKS[:, :, i : i + 4].transpose(0, 3, 2, 1) for i in (0, 4)], 1)


def test_blocks_of_athena_are_joined(tmp_path):
    with h5py.File(tmp_path / "a.athdf", "w") as file:
        file["prim"], file["LogicalLocations"] = cut(), np.array([[0, 0, 0], [0, 1, 0]])
        for i, starts in ((1, (0, 0)), (2, (0, 4)), (3, (0, 0))):
            file[f"x{i}v"] = np.array(starts)[:, None] + np.arange(4) + 0.5
        file.attrs.update(Time=1.5, Coordinates=np.bytes_("cartesian"), NumVariables=[2])
        file.attrs.update(DatasetNames=[b"prim"], VariableNames=[b"rho", b"press"])
    states = pde.open_states(tmp_path / "a.athdf")
    np.testing.assert_array_equal(states.values[0, 0], BLOCKS)
    assert (states.time.item(), states.y.values[0]) == (1.5, 0.5)
    with h5py.File(tmp_path / "a.athdf", "a") as file:
        file.attrs["Coordinates"] = np.bytes_("spherical_polar")
    with pytest.raises(ReadError, match="coordinates are spherical_polar; only cartesian"):
        pde.open_states(tmp_path / "a.athdf")


def test_leaves_of_flash_are_joined_and_refined_blocks_are_refused(tmp_path):
    path = tmp_path / "flash_hdf5_chk_0001"
    box = np.array([[[0, 4], [0, 4], [0, 4]], [[0, 4], [4, 8], [0, 4]], [[0, 4], [0, 8], [0, 4]]])
    with h5py.File(path, "w") as file:
        file["bounding box"], file["node type"] = box.astype(float), [1, 1, 2]
        file["unknown names"] = np.array([[b"dens"], [b"pres"]])
        for name, leaves in zip(("dens", "pres"), cut(), strict=True):
            file[name] = np.concatenate([leaves, np.zeros((1, 4, 4, 4), np.float32)])
        kind = [("name", "S80"), ("value", "f8")]
        file["real scalars"] = np.array([(b"time".ljust(80), 2.5)], kind)
    states = pde.open_states(path)
    np.testing.assert_array_equal(states.values[0, 0], BLOCKS)
    assert (states.time.item(), states.channel.values.tolist()) == (2.5, ["dens", "pres"])
    with h5py.File(path, "a") as file:
        file["bounding box"][1, 1] = [4, 6]
    with pytest.raises(ReadError, match="its blocks of FLASH are refined"):
        pde.open_states(path)


def test_arrays_of_zarr_without_names_of_dims_are_read_with_axes(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("u", data=VALUES)
    with pytest.raises(ReadError, match=r"no names of dims; it holds u \(3, 4, 5, 6\).*axes={'u'"):
        pde.open_states(tmp_path / "a.zarr")
    states = pde.open_states(tmp_path / "a.zarr", axes={"u": "time x y z"})
    np.testing.assert_array_equal(states.values[0, :, 0], VALUES)
