"""The runs that the plugin ships: the default, their scores, and a step of the exported model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import zarr

import scionwood
import scionwood_pde as pde
from scionwood import find_run, load_run, resolve
from scionwood.authoring import read_origin
from scionwood.cli import main
from scionwood.runs import reference
from scionwood_pde import backbones, ship


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", score)]


def test_rollout_works_without_training_and_records_which_run_it_uses(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "_announced", set())
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


def test_a_shipped_run_states_that_it_is_better_than_what_is_simpler():
    for name in ship.RUNS:
        origin = read_origin(ship.folder_of(name))
        assert origin is not None
        ours, persistence, best = numbers(origin.score)
        assert ours < persistence
        assert ours < best or name != "burgers", "the default run is better than linear filters"


@pytest.mark.slow
@pytest.mark.parametrize("name", ship.RUNS)
def test_a_shipped_run_has_the_score_that_it_states(name):
    folder = find_run(f"pde/{name}", quiet=True)
    origin = read_origin(folder)
    ours, persistence, _ = numbers(origin.score)
    small = resolve(folder / "recipe.yaml", ["data.n_test=2", "data.n_train=4"])
    values = scionwood.test(folder, small)
    assert values["test_vrmse"] == pytest.approx(ours, abs=0.01)
    assert values["test_vrmse_persistence"] == pytest.approx(persistence, abs=0.02)


RUN = "pde/dynamics"


def test_the_numbers_of_the_run_make_a_step_of_a_rollout():
    folder = find_run(RUN, quiet=True)
    deployed = load_run(folder).deploy(folder)
    check_step(deployed.module, deployed.normalisation.numbers)


def check_step(model: Any, numbers: Any) -> None:
    states = pde.simulate(equation="burgers", n=1, n_points=32, n_steps=2, seed=3)
    expected = pde.rollout(states, options=pde.RolloutOptions(run=RUN, steps=1))
    names = [str(name) for name in states.coords["channel"].values]
    assert names == list(numbers["fields"])
    mean, std = (np.array(numbers[key])[:, None, None, None] for key in ("mean", "std"))
    x = ((states[0, 0].values - mean) / std).astype(np.float32)
    with torch.no_grad():
        given = model(torch.from_numpy(x)[None])[0].numpy() * std + mean
    reference = expected[0, 1].values
    assert np.abs(given - reference).max() <= 1e-5 * np.abs(reference).max()


@pytest.mark.parametrize("name", ["BilinearForecast", "FNOForecast"])
def test_a_graph_serves_batches_of_every_size(name):
    options = {"dims": 2, "fields": 2, "solenoidal": [0, 1], "forced_axis": "y", "width": 4}
    own = {"BilinearForecast": {}, "FNOForecast": {"modes": 4, "layers": 1, "grid": True}}[name]
    model = getattr(backbones, name)(**options, **own).eval()
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.1)
        free = ({0: torch.export.Dim("batch")},)
        graph = torch.export.export(model, (torch.randn(2, 2, 16, 16),), dynamic_shapes=free)
        x = torch.randn(3, 2, 16, 16)
        torch.testing.assert_close(graph.module()(x), model(x))
