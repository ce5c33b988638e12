"""Files of arrays without named axes, and of simulations in HDF5: fluidsim, openPMD, yt, MATLAB."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from made import SPACE, Layout, Maker, by, states

RANDOM = np.random.default_rng(0)
SIDES = (8, 6, 4)


def fluidsim(folder: Path) -> Layout:
    """Four steps of the solver ns3d in a box of unequal lengths; its last state."""
    os.environ["FLUIDSIM_PATH"] = str(folder / "fluidsim")
    from fluidsim.solvers.ns3d.solver import Simul

    params = Simul.create_default_params()
    params.oper.nx, params.oper.ny, params.oper.nz = 12, 10, 8
    params.oper.Lx, params.oper.Ly, params.oper.Lz = 6, 5, 4
    params.time_stepping.USE_T_END = params.time_stepping.USE_CFL = False
    params.time_stepping.it_end, params.time_stepping.deltat0 = 4, 0.01
    params.nu_2, params.init_fields.type = 0.1, "noise"
    params.output.periods_save.phys_fields, params.output.HAS_TO_SAVE = 0.04, True
    with contextlib.redirect_stdout(io.StringIO()):
        run = Simul(params)
        run.time_stepping.start()
    last = sorted(Path(run.output.path_run).glob("state_phys*"))[-1]
    shutil.copy(last, folder / last.name)
    values = {f"v{a}": states(run.state.get_var(f"v{a}"), "z y x") for a in SPACE}
    grids = run.oper.get_XYZ_loc()
    points = {a: np.unique(grid) for a, grid in zip(SPACE, grids, strict=True)}
    points["time"] = np.array([run.time_stepping.t])
    boundary = dict.fromkeys(SPACE, "periodic")
    return Layout(last.name, "fluidsim, ns3d", by("fluidsim"), values, points, boundary=boundary)


def giverny(folder: Path) -> Layout:
    """A cutout as giverny writes it: `to_netcdf` of its dataset, with its dims and attributes."""
    import xarray

    run = RANDOM.random((2, 4, 6, 8, 3), np.float32)
    dims = ("zcoor", "ycoor", "xcoor", "values")
    names = [f"velocity_{i:04d}" for i in (1, 3)]
    data = {name: (dims, item) for name, item in zip(names, run, strict=True)}
    points = {a: 0.1 * np.arange(n) for a, n in zip(SPACE, SIDES, strict=True)}
    coords = {f"{a}coor": points[a] for a in SPACE}
    attrs = {"dataset": "isotropic1024coarse", "t_start": 1, "t_end": 3, "t_step": 2}
    dataset = xarray.Dataset(data, coords, attrs | {"filterWidth": 1})
    dataset.to_netcdf(folder / "giverny.h5", format="NETCDF4", mode="w")
    values = {f"velocity_{a}": states(run[..., i], "time z y x") for i, a in enumerate(SPACE)}
    points["time"] = np.array([1.0, 3.0])
    writer = f"the call of {by('givernylocal')}"
    return Layout("giverny.h5", "cutout of giverny", writer, values, points)


def _openpmd(path: Path, staggered: bool) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Write two iterations with a vector and a scalar; return values and points."""
    import openpmd_api as pmd

    series = pmd.Series(str(path), pmd.Access.create)
    runs: dict[str, list[np.ndarray]] = {}
    shape = SIDES[::-1]
    for step in range(2):
        iteration = series.iterations[100 * step]
        iteration.time, iteration.dt, iteration.time_unit_SI = 0.5 * step, 0.5, 1.0
        for name, components in (("E", SPACE), ("rho", (pmd.Mesh_Record_Component.SCALAR,))):
            mesh = iteration.meshes[name]
            mesh.geometry, mesh.axis_labels = pmd.Geometry.cartesian, ["z", "y", "x"]
            mesh.grid_spacing, mesh.grid_global_offset = [0.5, 0.25, 0.1], [1.0, 0.0, 0.0]
            mesh.grid_unit_SI = 1e-6
            for component in components:
                record = mesh[component]
                record.position = [0.0, 0.0, 0.5 if staggered and component == "x" else 0.0]
                array = RANDOM.random(shape)
                record.reset_dataset(pmd.Dataset(array.dtype, array.shape))
                record.store_chunk(array)
                full = name if name == "rho" else f"{name}_{component}"
                runs.setdefault(full, []).append(array)
                series.flush()
    series.close()
    values = {name: states(np.array(run), "time z y x") for name, run in runs.items()}
    points = {"x": 0.1 * np.arange(8), "y": 0.25 * np.arange(6), "z": 1 + 0.5 * np.arange(4)}
    points = {axis: 1e-6 * line for axis, line in points.items()}
    return values, points | {"time": 0.5 * np.arange(2)}


def openpmd(folder: Path) -> Layout:
    """Meshes of openPMD in HDF5, all at the same points."""
    values, points = _openpmd(folder / "openpmd.h5", staggered=False)
    units = {"x": "m", "time": "s"}
    return Layout("openpmd.h5", "openPMD, HDF5", by("openpmd-api"), values, points, units)


def openpmd_staggered(folder: Path) -> Layout:
    """Meshes of openPMD, one component of which lies on faces."""
    values, points = _openpmd(folder / "openpmd_yee.h5", staggered=True)
    fields = {name: values[name] for name in ("E_y", "E_z", "rho")}
    options, reason = {"fields": list(fields)}, "E_x"
    name, layout = "openpmd_yee.h5", "openPMD, staggered"
    return Layout(name, layout, by("openpmd-api"), fields, points, {}, {}, options, reason)


def covering_grid(folder: Path) -> Layout:
    """A covering grid of yt, saved as its dataset."""
    import yt

    yt.set_log_level("error")
    data = {"density": RANDOM.random(SIDES), "heat": RANDOM.random(SIDES)}
    box = np.array([[0, 1], [0, 1], [0, 1]])
    loaded = yt.load_uniform_grid({k: (v, "") for k, v in data.items()}, SIDES, bbox=box)
    grid = loaded.covering_grid(0, loaded.domain_left_edge, SIDES)
    fields: list[Any] = [("stream", name) for name in data]
    grid.save_as_dataset(str(folder / "yt_grid.h5"), fields=fields)
    axes = {f"grid/{name}": "x y z" for name in data}
    values = {f"grid_{n}": states(np.asarray(grid["stream", n]), "x y z") for n in data}
    options = {"axes": axes}
    return Layout("yt_grid.h5", "yt, covering grid", by("yt"), values, {}, {}, {}, options, "axes")


def py_pde(folder: Path) -> Layout:
    """The storage of py-pde: one array over time, with the times beside it."""
    import pde

    path = folder / "py_pde.h5"
    path.unlink(missing_ok=True)
    grid = pde.CartesianGrid([[0, 2], [0, 1], [0, 1]], SIDES, periodic=True)
    field = pde.ScalarField.random_uniform(grid)
    storage = pde.FileStorage(str(path), write_mode="truncate")
    with contextlib.redirect_stdout(io.StringIO()):
        pde.DiffusionPDE(0.01).solve(field, t_range=0.2, dt=0.01, tracker=storage.tracker(0.1))
    storage.close()
    with pde.FileStorage(str(path), write_mode="read_only") as read:
        data, times = np.array(read.data), np.array(read.times)
    options = {"axes": {"data": "time x y z", "times": "time"}}
    values, points = {"data": states(data, "time x y z")}, {"time": times}
    return Layout(path.name, "py-pde", by("py-pde"), values, points, {}, {}, options, "axes")


def matlab_hdf5(folder: Path) -> Layout:
    """MATLAB 7.3, which is HDF5 with the axes reversed, as sets of Navier-Stokes have it."""
    import hdf5storage

    run = RANDOM.random((2, *SIDES, 3))
    path = folder / "navier_stokes.mat"
    path.unlink(missing_ok=True)
    hdf5storage.savemat(str(path), {"u": run, "t": 0.1 * np.arange(3)}, format="7.3")
    read = hdf5storage.loadmat(str(path))["u"]
    options = {"axes": {"u": "time z y x sample"}}
    values = {"u": states(read, "sample x y z time")}
    written = by("hdf5storage")
    return Layout(path.name, "MATLAB 7.3", written, values, {}, {}, {}, options, "axes")


def matlab_5(folder: Path) -> Layout:
    """MATLAB 5, a format of its own."""
    import scipy.io

    scipy.io.savemat(folder / "matlab5.mat", {"u": RANDOM.random((3, 8, 6, 4))})
    return Layout("matlab5.mat", "MATLAB 5", by("scipy"), reason="MATLAB")


def npz(folder: Path) -> Layout:
    """Two fields and times in one archive of numpy."""
    run = RANDOM.random((2, 3, *SIDES), np.float32)
    np.savez(folder / "fields.npz", u=run[0], v=run[1], t=0.1 * np.arange(3))
    options = {"axes": {"u": "time x y z", "v": "time x y z", "t": "time"}}
    values = {n: states(item, "time x y z") for n, item in zip("uv", run, strict=True)}
    points = {"time": 0.1 * np.arange(3)}
    return Layout("fields.npz", "npz", by("numpy"), values, points, {}, {}, options, "axes")


def mitgcm(folder: Path) -> Layout:
    """Raw numbers of MITgcm with a text that describes them."""
    from MITgcmutils import wrmds

    wrmds(str(folder / "T"), RANDOM.random((4, 6, 8)).astype(">f4"), itr=10)
    return Layout("T.0000000010.data", "MITgcm, raw", by("MITgcmutils"), reason="MITgcm")


def nek(folder: Path) -> Layout:
    """Spectral elements of Nek5000."""
    from pymech.core import HexaData
    from pymech.neksuite import writenek

    data = HexaData(3, 1, (3, 3, 3), (3, 3, 1, 0, 0))
    data.wdsz, data.endian, data.time, data.istep = 4, "little", 0.0, 0
    writenek(str(folder / "nek0.f00001"), data)
    return Layout("nek0.f00001", "Nek5000", by("pymech"), reason="Nek5000")


MAKERS: tuple[Maker, ...] = (
    fluidsim,
    giverny,
    openpmd,
    openpmd_staggered,
    covering_grid,
    py_pde,
    matlab_hdf5,
    matlab_5,
    npz,
    mitgcm,
    nek,
)
