"""The runs that the plugin ships: one is the default, and they have the scores they state."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import scionwood
import scionwood_pde as pde
from scionwood import find_run, resolve
from scionwood.authoring import read_origin
from scionwood.cli import main
from scionwood.runs import reference
from scionwood_pde import ship


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", score)]


def test_rollout_works_without_training_and_records_which_run_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "_told", set())
    small = ["--n", "1", "--n-points", "32", "--n-steps", "4"]
    assert main(["pde", "simulate", "states.zarr", *small]) == 0
    assert main(["pde", "rollout", "states.zarr", "predicted.zarr"]) == 0
    assert main(["pde", "rollout", "states.zarr", "predicted.nc", "--run", "pde/dynamics"]) == 0
    said = capsys.readouterr().err
    # The steps are those of the run, not of the file.
    expected = {"burgers": ("zarr", 0.02 * np.arange(5)), "dynamics": ("nc", 0.04 * np.arange(3))}
    stored = {"zarr": dict(zarr.open_group(tmp_path / "predicted.zarr", mode="r").attrs)}
    with xr.open_dataset("predicted.nc") as dataset:
        stored["nc"] = dict(dataset.attrs)
    for name, (suffix, times) in expected.items():
        origin = read_origin(ship.folder_of(name))
        assert origin is not None
        assert said.count(f"using {origin}\n") == 1
        assert stored[suffix]["run"] == f"{origin}, SHA-256 {origin.digest}"
        np.testing.assert_allclose(pde.open_states(f"predicted.{suffix}").time.values, times)


def test_a_shipped_run_states_that_it_is_better_than_what_is_simpler() -> None:
    for name in ship.RUNS:
        origin = read_origin(ship.folder_of(name))
        assert origin is not None
        ours, persistence, best = numbers(origin.score)
        assert ours < persistence
        assert ours < best or name != "burgers", "the default run is better than linear filters"


@pytest.mark.slow
@pytest.mark.parametrize("name", ship.RUNS)
def test_a_shipped_run_has_the_score_that_it_states(name: str) -> None:
    folder = find_run(f"pde/{name}", quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    ours, persistence, _ = numbers(origin.score)
    small = resolve(folder / "recipe.yaml", ["data.n_test=2", "data.n_train=4"])
    values = scionwood.test(folder, small)
    assert values["test_vrmse"] == pytest.approx(ours, abs=0.01)
    assert values["test_vrmse_persistence"] == pytest.approx(persistence, abs=0.02)
