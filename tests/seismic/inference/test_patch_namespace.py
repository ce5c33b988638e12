"""`patch.scionwood`, which DASCore loads through its entry point."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import dascore as dc
import numpy as np
import pytest

from scionwood import RecipeError, load_run
from scionwood_seismic import DenoiseOptions, denoise_data

UNGATED = DenoiseOptions(gate="off")
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
    options = replace(UNGATED, run=run)
    denoised = patch.scionwood.denoise(options)
    assert denoised.equals(denoise_data(patch, options))
    assert denoised.dims == patch.dims
    assert not np.array_equal(denoised.data, patch.data)


def test_options_are_passed_on(run: Path, patch: dc.Patch) -> None:
    task = load_run(run)
    options = replace(UNGATED, tile=16)
    denoised = patch.scionwood.denoise(options, task=task)
    assert denoised.equals(denoise_data(patch, options, task=task))
    with pytest.raises(RecipeError, match="the data are in memory"):
        patch.scionwood.denoise(DenoiseOptions(samples=16), task=task)


def test_a_patch_has_the_namespace_before_torch_is_imported() -> None:
    code = (
        "import sys, dascore as dc\n"
        "patch = dc.get_example_patch('random_das')\n"
        "print(callable(patch.scionwood.denoise), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
