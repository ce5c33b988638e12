"""The run that the plugin ships: it is the default, and it can be trained again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import scionwood
import scionwood_pde as pde
from scionwood import find_run, resolve
from scionwood.authoring import read_origin, weights_digest
from scionwood_pde import ship

ROLLOUT = """
import sys
from scionwood.cli import main
small = ["--n", "1", "--n-points", "32", "--n-steps", "4"]
assert main(["pde", "simulate", "states.zarr", *small]) == 0
sys.stderr = open("said.txt", "w")
assert main(["pde", "rollout", "states.zarr", "predicted.zarr"]) == 0
assert main(["pde", "rollout", "states.zarr", "predicted.nc", "--run", "pde/dynamics"]) == 0
"""
REFUSED = (
    "pde simulate there -> there: it exists already",
    "pde convert nope cache -> nope: there is no such file",
    "pde encode nope latents -> nope: there is no such file",
    "pde decode nope states.nc -> nope: there is no such file",
    "pde rollout nope states.nc -> nope: there is no such file",
    "pde rollout there there -> there: it exists already",
    "pde rollout there states.nc --statistics nope -> nope: there is no such file",
    "pde rollout there states.nc --run pde/dinamics -> Did you mean 'dynamics'",
    "pde evaluate there nope -> nope: there is no such file",
)


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", score)]


def test_rollout_works_without_training_and_records_which_run_it_uses(
    python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    python("-c", ROLLOUT)
    # The steps are those of the run, not of the file.
    expected = {"burgers": ("zarr", 0.02 * np.arange(5)), "dynamics": ("nc", 0.04 * np.arange(3))}
    stored = {"zarr": dict(zarr.open_group(tmp_path / "predicted.zarr", mode="r").attrs)}
    with xr.open_dataset("predicted.nc") as dataset:
        stored["nc"] = dict(dataset.attrs)
    for name, (suffix, times) in expected.items():
        origin = read_origin(ship.folder_of(name))
        assert origin is not None
        assert (tmp_path / "said.txt").read_text().count(f"using {origin}\n") == 1
        assert stored[suffix]["run"] == f"{origin}, SHA-256 {origin.digest}"
        np.testing.assert_allclose(pde.open_states(f"predicted.{suffix}").time.values, times)


def test_wrong_paths_and_runs_are_refused_before_torch_is_imported(
    refused_without_torch: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("a file")
    refused_without_torch(*REFUSED)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("name", ship.RUNS)
def test_a_shipped_run_has_the_score_and_the_digest_that_it_states(name: str) -> None:
    folder = find_run(f"pde/{name}", quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    assert weights_digest(folder) == origin.digest
    ours, persistence, best = numbers(origin.score)
    assert ours < persistence
    assert ours < best or name != "burgers", "the default run is better than linear filters"
    small = resolve(folder / "recipe.yaml", ["data.n_test=2", "data.n_train=4"])
    values = scionwood.test(folder, small)
    assert values["test_vrmse"] == pytest.approx(ours, abs=0.01)
    assert values["test_vrmse_persistence"] == pytest.approx(persistence, abs=0.02)


@pytest.mark.parametrize("name", ship.RUNS)
def test_a_shipped_run_names_no_place_of_the_machine_that_trained_it(name: str) -> None:
    folder = ship.folder_of(name)
    texts = [path for path in folder.rglob("*") if path.suffix in {".json", ".yaml", ".md"}]
    assert len(texts) > 4
    for path in texts:
        assert not re.search(r"/(tmp|home|work|root)/", path.read_text("utf-8")), path
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 2.1e6


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ship.RUNS)
def test_training_again_gives_the_shipped_run(name: str, tmp_path: Path) -> None:
    folder = ship.folder_of(name)
    made, shipped = ship.train(name, tmp_path / name), read_origin(folder)
    assert shipped is not None
    if made.machine == shipped.machine:
        assert made.digest == shipped.digest
    assert numbers(made.score) == pytest.approx(numbers(shipped.score), abs=0.02)
    names = {path.name for path in (tmp_path / name).iterdir()}
    assert names == {path.name for path in folder.iterdir()}
