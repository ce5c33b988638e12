"""Dynamics of models with scales: what a run measures, saves and predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scionwood import fit, load_run, resolve
from scionwood_pde import api
from scionwood_pde.backbones import bilinear
from scionwood_pde.tasks.dynamics import Dynamics


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run of `pde/dynamics_skill`, with two frames and a condition."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    changes = ["backbone.history=2", "data.history=2", "data.n_frames=5"]
    changes += ["backbone.conditions=[dt]", "data.conditions=[dt]"]
    fit(resolve("pde/dynamics_skill", changes, smoke=True), run_dir=folder)
    return folder


def test_the_scales_are_measured_and_saved(run: Path) -> None:
    scales = load_run(run).backbone.scales
    assert (scales.change > 0).all()
    assert (scales.change != 1).all()
    assert (scales.std != 1).all()
    assert scales.cap[:, 1:4].min() > 0
    assert scales.mean_condition.item() == pytest.approx(0.25)


def test_a_run_rolls_out_from_two_frames(run: Path) -> None:
    states = api.simulate(
        "kolmogorov_flow",
        n=1,
        n_points=16,
        n_steps=3,
        interval=0.25,
        substeps=3,
        skip=1,
        parameters={"viscosity": 0.05, "forcing": 3.0, "forcing_mode": 4},
    )
    with pytest.warns(UserWarning, match="predicting no change"):
        predicted = api.rollout(states, run=run, steps=2)
    assert predicted.sizes["time"] == 4
    np.testing.assert_array_equal(predicted.values[:, :2], states.values[:, :2])
    assert not np.array_equal(predicted.values[:, 2], predicted.values[:, 1])


def test_the_loss_counts_errors_in_units_of_the_change() -> None:
    model = bilinear(fields=2, dims=1, width=2, stencil=3)
    model.scales.change.copy_(torch.tensor([0.1, 2.0]))
    task = Dynamics(model).eval()
    state = torch.randn(3, 2, 16)
    batch = {"state": state, "next": state + torch.tensor([0.1, 2.0])[:, None]}
    assert task.losses(batch)["loss"].item() == pytest.approx(1.0, rel=1e-4)


def test_training_moves_both_states_alike_and_adds_noise() -> None:
    task = Dynamics(bilinear(fields=2, width=2, stencil=3), shifts=["y", "z"], noise=0.5)
    state = torch.randn(2, 2, 16, 16, 16)
    batch = {"state": state, "next": state}
    task.train()
    assert task.losses(batch)["loss"].item() == pytest.approx(0.25, rel=0.1)
    task.eval()
    assert task.losses(batch)["loss"].item() == 0
