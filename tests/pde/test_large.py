"""Large states: arrays of dask, periodic marks, and a limit of tiles at once."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from case_table import table
from distributed import Client, LocalCluster, get_task_stream

import scionwood_pde as pde
from scionwood_pde import inference
from scionwood_pde.readers.write import active_client


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 1, time 2, channel 3, 32, 32, 32) of Burgers' equation, periodic."""
    return pde.simulate(equation="burgers", n=1, n_points=32, n_steps=1)


def latents_of(folder: Path) -> np.ndarray:
    return np.asarray(zarr.open_group(folder, mode="r")["latents"])


def test_states_of_dask_give_the_same_latents(states, tmp_path):
    one = states[:, :1].sel(channel=["u_x"])
    pde.encode(one, tmp_path / "one", pde.EncodeOptions(tile=16, at_once=3))
    parts = one.chunk({"x": 16, "y": 20, "z": 8})
    pde.encode(parts, tmp_path / "parts", pde.EncodeOptions(tile=16))
    np.testing.assert_allclose(
        latents_of(tmp_path / "parts"), latents_of(tmp_path / "one"), rtol=1e-4, atol=1e-5
    )
    restored = pde.decode(tmp_path / "one", options=pde.DecodeOptions(tile=16, at_once=1))
    assert restored.shape == one.shape
    spread = float((restored - one).std() / one.std())
    assert spread < 1


def rows_on(cluster: Any, states: xr.DataArray, tmp_path: Path) -> None:
    """Encode and decode on a cluster, and compare with the same in this process."""
    one = states[:, :1].sel(channel=["u_x"])
    here = pde.encode(one, options=pde.EncodeOptions(tile=16, halo=0))
    pde.write_states(one, tmp_path / "one.zarr")
    wanted = pde.decode(here, options=pde.DecodeOptions(tile=16))
    with Client(cluster) as client, get_task_stream(client) as done:
        for given in (one.chunk({"x": 20, "y": 16}), tmp_path / "one.zarr"):
            there = pde.encode(given, options=pde.EncodeOptions(tile=16)).compute()
            np.testing.assert_allclose(there.latents, here.latents, rtol=1e-4, atol=1e-5)
        made = pde.decode(there, tmp_path / "back.zarr", pde.DecodeOptions(tile=16))
        np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)
    keys = {str(task["key"]) for task in done.data}
    assert sum("rows-" in key for key in keys) >= 2 * 2 * 2
    assert active_client() is None


def test_workers_of_an_active_client_compute_the_rows(states, tmp_path):
    with LocalCluster(processes=False, n_workers=2, dashboard_address=None) as cluster:
        rows_on(cluster, states, tmp_path)


@pytest.mark.slow
def test_processes_of_an_active_client_compute_the_rows(states, tmp_path):
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        rows_on(cluster, states, tmp_path)


def test_marks_of_a_periodic_file_are_honoured(states, tmp_path):
    one = states[:, :1, :, :16, :16, :16].sel(channel=["u_y"])
    for name, marked in (("edge", "open"), ("periodic", "periodic")):
        each = one.copy()
        for axis in "xyz":
            each[axis].attrs["boundary"] = marked
        pde.encode(each, tmp_path / name, pde.EncodeOptions(tile=16))
        card = dict(zarr.open_group(tmp_path / name, mode="r").attrs["model"])
        assert card["tiles"].endswith(f"boundary {name}")
        assert pde.decode(tmp_path / name, options=pde.DecodeOptions(tile=16)).shape == one.shape


def test_simulations_take_parameters_and_leave_out_the_beginning():
    options = {"n": 1, "n_points": 8, "dims": 2, "seed": 3, "parameters": {"viscosity": 0.02}}
    whole = pde.simulate(equation="navier_stokes", n_steps=4, **options)
    late = pde.simulate(equation="navier_stokes", n_steps=2, skip=2, **options)
    np.testing.assert_array_equal(late.values, whole.values[:, 2:])
    assert late.time.values.tolist() == whole.time.values[2:].tolist()
    with pytest.raises(ValueError, match="parameter 'mass': navier_stokes has"):
        pde.simulate(equation="navier_stokes", n=1, n_points=8, parameters={"mass": 1.0})


@pytest.mark.slow
@table("name", ["a.nc", "a.zarr", "a.zip", "a.hdf5"])
def test_decoded_rows_are_written_as_they_are_made(name, states, tmp_path):
    one = states[:, :1].sel(channel=["u_x", "u_y"])
    latents = pde.encode(one, tmp_path / "latents", pde.EncodeOptions(tile=16))
    whole = pde.decode(latents, options=pde.DecodeOptions(tile=16))
    kept = pde.decode(tmp_path / "latents", tmp_path / name, pde.DecodeOptions(tile=16))
    np.testing.assert_array_equal(kept.values, whole.values)
    xr.testing.assert_identical(kept.load(), pde.open_states(tmp_path / name).load())


@pytest.mark.slow
def test_a_rollout_into_a_file_holds_one_state(states, tmp_path):
    scale = inference.normaliser_for(None, states)

    def peak(steps: int) -> int:
        made = inference.rollout(lambda x: x + 1, states, steps, normaliser=scale)
        tracemalloc.start()
        pde.write_states(made, tmp_path / f"{steps}.hdf5")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # what is imported once
    one_state = 3 * 32**3 * 4
    # The rest is the graph of the steps, 40 kB for each; 28 states would be 11 MB.
    assert peak(30) - peak(2) < 4 * one_state
    assert pde.open_states(tmp_path / "30.hdf5").sizes["time"] == 31


def test_a_rollout_reads_what_it_wrote(states, tmp_path):
    made = pde.rollout(states, tmp_path / "a.hdf5", pde.RolloutOptions(steps=1))
    kept = pde.rollout(states, options=pde.RolloutOptions(steps=1))
    np.testing.assert_array_equal(made.values, kept.values)
    assert made.attrs == kept.attrs
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert file.attrs["run"] == kept.attrs["run"]
