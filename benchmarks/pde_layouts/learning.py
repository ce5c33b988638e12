"""Files of data sets and solvers for learning: The Well, PDEBench, PBDL, APEBench, PhiFlow."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from made import SPACE, Layout, Maker, by, states

RANDOM = np.random.default_rng(0)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, quietly, as scripts of others expect it."""
    before = Path.cwd()
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.chdir(before)


def well(folder: Path) -> Layout:
    """The file that The Well makes for its tests, as its own `WellDataset` reads it."""
    from the_well.data import WellDataset
    from the_well.utils.dummy_data import write_dummy_data

    place = folder / "well"
    place.mkdir(exist_ok=True)
    write_dummy_data(str(place / "well.hdf5"))
    steps = {"n_steps_input": 9, "n_steps_output": 1}
    data = WellDataset(str(place), use_normalization=False, return_grid=True, **steps)
    values: dict[str, list[np.ndarray]] = {}
    for _, names in data.metadata.field_names.items():
        values |= {name: [] for name in names if name}
    for i in range(len(data)):
        row = data[i]
        moving = np.concatenate([row["input_fields"], row["output_fields"]])
        names = [name for value in data.metadata.field_names.values() for name in value]
        for k, name in enumerate(names):
            values[name].append(states(moving[..., k], "time x y"))
        still = [n for value in data.metadata.constant_field_names.values() for n in value]
        for k, name in enumerate(still):
            values.setdefault(name, []).append(states(row["constant_fields"][..., k], "x y"))
    grid = np.asarray(data[0]["space_grid"])
    points = {"x": grid[:, 0, 0], "y": grid[0, :, 1]}
    read = {name: np.concatenate(value) for name, value in values.items()}
    boundary = {"x": "periodic", "y": "periodic"}
    return Layout("well/well.hdf5", "The Well", by("the_well"), read, points, boundary=boundary)


def pdebench_flow(folder: Path) -> Layout:
    """Compressible flow in 3D, by the script that merges the arrays of the solver."""
    from pdebench.data_gen.data_gen_NLE.Data_Merge import merge
    from pdebench.models.fno.utils import FNODatasetSingle

    work, sides = folder / "pdebench", (8, 6, 4)
    shutil.rmtree(work, ignore_errors=True)
    with inside(work):
        for name in ("D", "P", "Vx", "Vy", "Vz"):
            run = RANDOM.random((2, 3, *sides), np.float32)
            np.save(f"HD_Sols_Turb_rand_Eta0.1_Zeta0.1_M0.1_{name}.npy", run)
        np.save("t_coordinate.npy", 0.05 * np.arange(4))
        for axis, side in zip(SPACE, sides, strict=True):
            np.save(f"{axis}_coordinate.npy", (np.arange(side) + 0.5) / side)
        merge("CFD", 3, "periodic", 2, ".")
        (written,) = Path.cwd().glob("*.hdf5")
        read = FNODatasetSingle(written.name, saved_folder="./", initial_step=1).data
    shutil.move(work / written.name, folder / "pdebench_flow.hdf5")
    names = ("density", "pressure", "V_x", "V_y", "V_z")
    values = {name: states(read[..., i], "sample x y z time") for i, name in enumerate(names)}
    points = {a: (np.arange(n) + 0.5) / n for a, n in zip(SPACE, sides, strict=True)}
    points["time"] = 0.05 * np.arange(3)
    return Layout("pdebench_flow.hdf5", "PDEBench, 3D flow", by("pdebench"), values, points)


def pdebench_reaction(folder: Path) -> Layout:
    """Diffusion-reaction, by its simulator: rows along y, as its Laplacian counts the points."""
    from omegaconf import OmegaConf
    from pdebench.data_gen.gen_diff_react import simulator
    from pdebench.data_gen.src.sim_diff_react import Simulator

    path = folder / "pdebench_reaction.h5"
    path.unlink(missing_ok=True)
    sim = {"t": 1.0, "tdim": 4, "xdim": 12, "ydim": 10, "seed": 0}
    for seed in range(2):
        simulator(OmegaConf.create({"sim": sim, "output_path": str(path)}), seed)
    runs = [Simulator(**(sim | {"seed": seed})) for seed in range(2)]
    data = np.stack([run.generate_sample() for run in runs]).astype(np.float32)
    values = {f"data_{i}": states(data[..., i], "sample time y x") for i in range(2)}
    points = {"x": runs[0].x, "y": runs[0].y, "time": runs[0].t}
    return Layout(path.name, "PDEBench, groups", by("pdebench"), values, points)


def pdebench_incompressible(folder: Path) -> Layout:
    """The incompressible set, by the store that its solver fills."""
    from omegaconf import OmegaConf
    from pdebench.data_gen.src.data_io import h5_for

    with inside(folder):
        Path("ns-0.h5").unlink(missing_ok=True)
        words = {"sim_name": "ns", "seed": 0, "n_steps": 3, "grid_size": [8, 6], "n_batch": 2}
        store = h5_for(OmegaConf.create(words))
        for name in ("velocity", "particles", "force"):
            store[name][...] = RANDOM.random(store[name].shape)
        store["t"][...] = 0.1 * np.arange(3)
        read = {name: store[name][()] for name in ("velocity", "particles", "force")}
        store.close()
    values = {
        f"velocity_{a}": states(read["velocity"][..., i], "sample time x y")
        for i, a in enumerate("xy")
    }
    values["particles"] = states(read["particles"][..., 0], "sample time x y")
    values |= {
        f"force_{a}": states(read["force"][..., i], "sample x y") for i, a in enumerate("xy")
    }
    points = {"time": np.float32(0.1) * np.arange(3)}
    return Layout("ns-0.h5", "PDEBench, incompressible", by("pdebench"), values, points)


def pbdl(folder: Path) -> Layout:
    """Two runs in the layout of PBDL, as its `Dataset` reads them."""
    import h5py

    with inside(folder / "pbdl"):
        from pbdl.dataset import Dataset

        with h5py.File("runs.hdf5", "w") as file:
            sims = file.create_group("sims")
            sims.attrs.update({"PDE": "incompressible", "Fields Scheme": "VVVp", "Dt": 0.25})
            sims.attrs["Fields"] = ["Velocity X", "Velocity Y", "Velocity Z", "Pressure"]
            sims.attrs["Constants"] = ["Viscosity"]
            for i in range(12):
                sims[f"sim{i}"] = RANDOM.random((3, 4, 8, 6, 5), np.float32)
                sims[f"sim{i}"].attrs["Viscosity"] = 0.1 * i
        data = Dataset("runs", all_time_steps=True, local_datasets_dir="./")
        runs = []
        for i in range(len(data)):
            first, later, *_ = data[i]
            runs.append(np.concatenate([first[None], later]))
    names = ("velocity_x", "velocity_y", "velocity_z", "pressure")
    read = np.stack(runs)
    values = {name: states(read[:, :, i], "sample time x y z") for i, name in enumerate(names)}
    points = {"time": 0.25 * np.arange(3)}
    return Layout("pbdl/runs.hdf5", "PBDL, 3D", f"h5py, read by {by('pbdl')}", values, points)


def apebench(folder: Path) -> Layout:
    """The training data of a scenario in 1D, saved by numpy."""
    import apebench

    scenario = apebench.scenarios.difficulty.Burgers(
        num_points=32, num_train_samples=2, train_temporal_horizon=3
    )
    read = np.asarray(scenario.get_train_data())
    np.save(folder / "apebench.npy", read)
    values = {f"array_{i}": states(read[:, :, i], "sample time x") for i in range(read.shape[2])}
    return Layout("apebench.npy", "APEBench", by("apebench"), values)


def exponax(folder: Path) -> Layout:
    """Burgers in 3D by exponax, saved by numpy."""
    import exponax
    import jax

    stepper = exponax.stepper.Burgers(3, 1.0, 16, 0.01)
    start = jax.random.normal(jax.random.PRNGKey(0), (3, 16, 16, 16))
    run = exponax.rollout(stepper, 3, include_init=True)(start)
    read = np.asarray(run)[None]
    np.save(folder / "exponax.npy", read)
    values = {f"array_{i}": states(read[:, :, i], "sample time x y z") for i in range(3)}
    return Layout("exponax.npy", "exponax, 3D", by("exponax"), values)


def phiflow(folder: Path) -> Layout:
    """A scene of PhiFlow with a scalar at the centres and a velocity on the faces, in 3D."""
    from phi.field import CenteredGrid, Noise, StaggeredGrid
    from phi.flow import Box, Scene, extrapolation

    shutil.rmtree(folder / "phiflow", ignore_errors=True)
    box = Box(x=2.0, y=1.0, z=0.5)
    scene = Scene.create(str(folder / "phiflow"))
    frames = []
    for i in range(3):
        smoke = CenteredGrid(Noise(), extrapolation.PERIODIC, bounds=box, x=8, y=6, z=4)
        flow = StaggeredGrid(Noise(), 0.0, bounds=box, x=8, y=6, z=4)
        scene.write({"smoke": smoke, "velocity": flow}, frame=i)
        read = {n: scene.read(n, frame=i) for n in ("smoke", "velocity")}
        centres = read["velocity"].at_centers().values.numpy("x,y,z,vector")
        frames.append([read["smoke"].values.numpy("x,y,z"), *centres.transpose(3, 0, 1, 2)])
    names = ("smoke", "velocity_x", "velocity_y", "velocity_z")
    stack = np.array(frames)
    values = {name: states(stack[:, i], "time x y z") for i, name in enumerate(names)}
    lengths = zip(SPACE, (2.0, 1.0, 0.5), (8, 6, 4), strict=True)
    points = {a: (np.arange(n) + 0.5) * length / n for a, length, n in lengths}
    name = f"phiflow/{Path(scene.path).name}"
    return Layout(name, "PhiFlow, centres and faces", by("phiflow"), values, points, rounding=1e-6)


def neuraloperator(folder: Path) -> Layout:
    """A set of Darcy flow as neuraloperator stores it: a pickle of tensors."""
    import torch

    torch.save({"x": torch.rand(4, 16, 16), "y": torch.rand(4, 16, 16)}, folder / "darcy.pt")
    reason = r"(?i)pickle"
    return Layout("darcy.pt", "tensors of torch", by("torch"), reason=reason)


def jax_cfd(folder: Path) -> Layout:
    """A run of JAX-CFD as its own function makes a dataset of it: velocities on faces."""
    from jax_cfd.base import grids
    from jax_cfd.data import xarray_utils

    grid = grids.Grid((8, 6, 4), domain=[(0, 2), (0, 1), (0, 0.5)])
    run = tuple(RANDOM.random((2, 3, 8, 6, 4), np.float32) for _ in SPACE)
    times = 0.1 * np.arange(3)
    data = xarray_utils.velocity_trajectory_to_xarray(run, grid, times, samples=True)
    data.to_zarr(folder / "jax_cfd.zarr", mode="w")
    values = {name: states(data[name], "sample time x y z") for name in data.data_vars}
    points = {axis: data[axis].values for axis in ("time", *SPACE)}
    return Layout(
        "jax_cfd.zarr",
        "JAX-CFD, staggered, Zarr 3",
        by("jax-cfd"),
        values,
        points,
        options={"fields": list(values)},
        reason="offset",
    )


MAKERS: tuple[Maker, ...] = (
    well,
    pdebench_flow,
    pdebench_reaction,
    pdebench_incompressible,
    pbdl,
    apebench,
    exponax,
    phiflow,
    neuraloperator,
    jax_cfd,
)
