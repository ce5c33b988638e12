"""Arrays of xarray and patches of DASCore keep what they carry; `patch.scionwood`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import dascore as dc
import numpy as np
import pytest
import xarray as xr
from case_table import table

from scionwood import RecipeError, Task, load_run
from scionwood_seismic import DenoiseOptions, denoise_data, denoise_gather

UNGATED = DenoiseOptions(gate="off")
"""A run of two steps does not pass the harm gate."""


def denoise(data: Any, task: Task, dt: float | None = None) -> Any:
    return denoise_data(data, replace(UNGATED, dt=dt), task=task)


@pytest.fixture(scope="module")
def task(run: Path) -> Task:
    return load_run(run)


def array(order: tuple[str, ...] = ("channel", "time"), step: float = 0.004) -> xr.DataArray:
    """Return 24 channels of 60 samples with coordinates, attributes, a name and an encoding."""
    data = np.random.default_rng(0).standard_normal((24, 60)).astype(np.float32)
    coords = {
        "time": 2.0 + step * np.arange(60),
        "channel": np.arange(24) * 10,
        "depth_of": ("channel", np.linspace(0, 5, 24)),
        "well": "A-1",
    }
    given = xr.DataArray(data, coords, ("channel", "time"), "strain", {"units": "1/s", "n": 3})
    return given.transpose(*order)


@table(
    ("order", "kind"),
    list(product([("channel", "time"), ("time", "channel")], ["seconds", "datetime64", "none"])),
)
def test_the_result_is_that_of_the_array_and_keeps_all_else(task, order, kind):
    given = array(order)
    if kind == "datetime64":
        times = np.datetime64("2024-05-01", "ns") + (given.time.values * 1e9).astype("m8[ns]")
        given = given.assign_coords(time=times)
    if kind == "none":
        given = given.drop_vars("time")
    before = given.copy(deep=True)
    result = denoise(given, task, dt=0.004 if kind == "none" else None)
    xr.testing.assert_identical(given, before)
    values = given.transpose("channel", "time").values
    wanted = denoise(values, task, dt=0.004)
    assert not np.array_equal(wanted, values)
    same = given.transpose("channel", "time").copy(data=wanted).transpose(*order)
    xr.testing.assert_identical(result, same)
    assert result.dims == order


def test_what_cannot_be_denoised_is_refused_by_name(task):
    given = array()
    uneven = given.assign_coords(time=given.time**2)
    for wrong, text in (
        (given.chunk(channel=8), r"dask array.*data\.compute\(\)"),
        (given.expand_dims(shot=2), r"isel\(shot=0\)"),
        (given.rename(time="t"), "time or depth"),
        (given > 0, "not real numbers"),
        (uneven, "steps of"),
        (given.isel(time=slice(None, None, -1)), "steps that rise"),
        (given.assign_coords(time=[f"s{i}" for i in range(60)]), "neither numbers nor times"),
    ):
        with pytest.raises(RecipeError, match=text):
            denoise(wrong, task)
    with pytest.raises(RecipeError, match="carries its own sample interval"):
        denoise(given, task, dt=0.002)
    with pytest.raises(RecipeError, match="its axes have names"):
        denoise_gather(given, replace(UNGATED, dt=0.004), task=task)


"""A run of two steps does not pass the harm gate."""


@pytest.fixture
def patch() -> dc.Patch:
    data = np.random.default_rng(0).standard_normal((60, 12)).astype(np.float32)
    time = np.datetime64("2020-01-01", "ns") + np.timedelta64(4, "ms") * np.arange(60)
    coords = {"time": time, "distance": np.arange(12) * 5.0}
    return dc.Patch(data=data, coords=coords, dims=("time", "distance"))


def test_the_patch_method_equals_the_function_and_passes_options_on(run, patch):
    task, options = load_run(run), replace(UNGATED, tile=16)
    denoised = patch.scionwood.denoise(options, task=task)
    assert denoised.equals(denoise_data(patch, replace(options, run=run)))
    assert denoised.dims == patch.dims
    assert not np.array_equal(denoised.data, patch.data)
    with pytest.raises(RecipeError, match="the data are in memory"):
        patch.scionwood.denoise(DenoiseOptions(samples=16), task=task)


def test_a_patch_has_the_namespace_before_torch_is_imported():
    code = (
        "import sys, dascore as dc\n"
        "patch = dc.get_example_patch('random_das')\n"
        "print(callable(patch.scionwood.denoise), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
