"""An exported model, normalised as its sidecar says, gives the next state of a rollout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import scionwood_pde as pde
from scionwood import find_run, load_run
from scionwood_export import export_run
from scionwood_pde import backbones

RUN = "pde/dynamics"


@pytest.mark.slow
def test_the_numbers_of_the_sidecar_make_a_step_of_a_rollout(tmp_path: Path) -> None:
    assert export_run(RUN, tmp_path / "next.pt2").reached <= 1e-5
    card = json.loads((tmp_path / "next.pt2.json").read_text())
    model = torch.export.load(tmp_path / "next.pt2").module()
    check_step(model, card["normalisation"]["numbers"])


def test_the_numbers_of_the_run_make_a_step_of_a_rollout() -> None:
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
def test_a_graph_serves_batches_of_every_size(name: str) -> None:
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
