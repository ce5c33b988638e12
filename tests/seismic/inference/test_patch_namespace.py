"""`patch.scionwood`, which DASCore loads through its entry point."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import dascore as dc
import numpy as np
import pytest

from scionwood import RecipeError, load_run
from scionwood_seismic.api import GateOptions, denoise

OFF = GateOptions(action="off")
"""A run of two steps does not pass the harm gate."""


@pytest.fixture
def patch() -> dc.Patch:
    data = np.random.default_rng(0).standard_normal((60, 12)).astype(np.float32)
    time = np.datetime64("2020-01-01", "ns") + np.timedelta64(4, "ms") * np.arange(60)
    coords = {"time": time, "distance": np.arange(12) * 5.0}
    return dc.Patch(data=data, coords=coords, dims=("time", "distance"))


def test_dascore_loads_the_namespace_through_its_entry_point() -> None:
    (entry,) = entry_points(group="dascore.patch_namespace", name="scionwood")
    assert entry.value == "scionwood_seismic.inference.patch_namespace:ScionwoodNamespace"


def test_the_patch_method_equals_the_function(run: Path, patch: dc.Patch) -> None:
    denoised = patch.scionwood.denoise(run=run, gate=OFF)
    assert denoised.equals(denoise(patch, run, gate=OFF))
    assert denoised.dims == patch.dims
    assert not np.array_equal(denoised.data, patch.data)


def test_options_are_passed_on(run: Path, patch: dc.Patch) -> None:
    task = load_run(run)
    denoised = patch.scionwood.denoise(task, tile=16, overlap=4, gate=OFF)
    assert denoised.equals(denoise(patch, task, tile=16, overlap=4, gate=OFF))
    with pytest.raises(RecipeError, match="at most half"):
        patch.scionwood.denoise(task, tile=16, overlap=12)


def test_a_patch_has_the_namespace_before_torch_is_imported() -> None:
    code = (
        "import sys, dascore as dc\n"
        "patch = dc.get_example_patch('random_das')\n"
        "print(callable(patch.scionwood.denoise), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
