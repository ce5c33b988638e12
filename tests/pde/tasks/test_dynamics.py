"""Dynamics of models with scales: what a run measures, saves and predicts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from plain_figures import undrawn
from torch.utils.data import DataLoader

import scionwood_pde as pde
from scionwood import RecipeError, fit, load_run, resolve
from scionwood_pde import inference
from scionwood_pde.backbones import BilinearForecast
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation.horizons import Horizons
from scionwood_pde.tasks.dynamics import Dynamics
from scionwood_scale.graph import obstacle


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run of `pde/dynamics_skill`, with two frames and a condition."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    changes = ["backbone.history=2", "data.history=2", "data.n_frames=5"]
    changes += ["backbone.conditions=[dt]", "data.conditions=[dt]"]
    with undrawn():
        return fit(resolve("pde/dynamics_skill", changes, smoke=True), run_dir=folder)


def test_the_scales_are_measured_and_saved(run):
    scales = load_run(run).backbone.scales
    assert (scales.change > 0).all()
    assert (scales.change != 1).all()
    assert (scales.std != 1).all()
    assert scales.cap[:, 1:4].min() > 0
    assert scales.mean_condition.item() == pytest.approx(0.25)


def test_a_run_rolls_out_from_two_frames(run):
    states = pde.simulate(
        equation="kolmogorov_flow",
        n=1,
        n_points=16,
        n_steps=3,
        interval=0.25,
        substeps=3,
        skip=1,
        parameters={"viscosity": 0.05, "forcing": 3.0, "forcing_mode": 4},
    )
    with pytest.warns(UserWarning, match="predicting no change"):
        predicted = pde.rollout(states, options=pde.RolloutOptions(run=run, steps=2))
    assert predicted.sizes["time"] == 4
    np.testing.assert_array_equal(predicted.values[:, :2], states.values[:, :2])
    assert not np.array_equal(predicted.values[:, 2], predicted.values[:, 1])
    with pytest.raises(RecipeError, match=r"given: 1: the next 1 equal.*Set given to 2"):
        pde.evaluate(predicted, states)
    assert pde.evaluate(predicted, states, given=2)[0]["vrmse"] > 0


def test_a_calibrated_run_changes_what_a_rollout_shows(tmp_path):
    changes = ["task.calibrate=true", "backbone.name=pde/spectral"]
    with undrawn():
        run = fit(resolve("pde/dynamics_skill", changes, smoke=True), run_dir=tmp_path / "run")
    horizons, model = Horizons.read(run), load_run(run).backbone
    assert horizons is not None
    states = pde.simulate(equation="kolmogorov_flow", n=1, n_points=16, n_steps=1, interval=0.25)
    shown = pde.rollout(states, options=pde.RolloutOptions(run=run, steps=3))
    scale = Normaliser.read(run)
    raw, same = (
        inference.rollout(model, states, 3, normaliser=scale, horizons=h) for h in (None, horizons)
    )
    np.testing.assert_array_equal(shown.values, same.values)
    first = scale.apply(torch.from_numpy(states.values[0, 0])[None])
    for step in (1, 3):  # the third state too comes from the raw second one
        state = scale.apply(torch.from_numpy(raw.values[0, step])[None])
        wanted = scale.undo(horizons.apply(state, first, step))[0]
        np.testing.assert_allclose(shown.values[0, step], wanted.numpy(), atol=1e-4)
    assert not np.allclose(shown.values[:, 1:], raw.values[:, 1:], atol=1e-3)
    with pytest.raises(RecipeError, match=r"calibrate: true.*no conditions"):
        Dynamics(BilinearForecast(conditions=["dt"]), calibrate=True)


def test_the_loss_counts_errors_in_units_of_the_change():
    model = BilinearForecast(fields=2, dims=1, width=2, stencil=3)
    model.scales.change.copy_(torch.tensor([0.1, 2.0]))
    task = Dynamics(model).eval()
    state = torch.randn(3, 2, 16)
    batch = {"state": state, "next": state + torch.tensor([0.1, 2.0])[:, None]}
    assert task.losses(batch)["loss"].item() == pytest.approx(1.0, rel=1e-4)


def test_training_moves_both_states_alike_and_adds_noise():
    task = Dynamics(BilinearForecast(fields=2, width=2, stencil=3), shifts=["y", "z"], noise=0.5)
    state = torch.randn(2, 2, 16, 16, 16)
    batch = {"state": state, "next": state}
    task.train()
    assert task.losses(batch)["loss"].item() == pytest.approx(0.25, rel=0.1)
    task.eval()
    assert task.losses(batch)["loss"].item() == 0


@pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers"
)
def test_the_steps_of_a_training_sample_rise_from_one():
    class Gain(torch.nn.Module):
        """A model of one number, which notes the training step of each call."""

        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.ones(1))

        def forward(self, state: torch.Tensor) -> torch.Tensor:
            if self.training:
                calls[trainer.global_step] += 1
            return self.gain * state

    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    options: dict[str, Any] = {"accelerator": "cpu"} | dict.fromkeys(off, False)
    trainer = L.Trainer(max_steps=16, **options)
    calls = Counter[int]()
    task = Dynamics(Gain(), unroll=4, ramp=0.5)
    batch = {"state": torch.randn(1, 8, 4, 4, 4), "next": torch.randn(1, 2, 4, 4, 4)}
    loaders = [DataLoader([batch] * count, batch_size=None) for count in (16, 1)]
    trainer.fit(task, *loaders)
    assert [calls[step] for step in range(16)] == [1, 1, 2, 2, 3, 3, *[4] * 10]
    assert obstacle(trainer, task, "auto") == "Dynamics takes other steps later in the training"
    with pytest.raises(RecipeError, match=r"ramp: 0.5.*Set trainer.max_steps"):
        L.Trainer(max_epochs=-1, **options).fit(task, *loaders)
    with pytest.raises(RecipeError, match=r"ramp: 1.5.*share of the training"):
        Dynamics(Gain(), ramp=1.5)


def test_a_training_over_several_steps_holds_states_below_the_cap():
    model = BilinearForecast(fields=2, width=2, stencil=3)
    state = torch.randn(1, 2, 16, 16, 16)
    task = Dynamics(model, unroll=6).train()
    for weights in model.network.parameters():
        torch.nn.init.constant_(weights, 10.0)
    batch = {"state": state.repeat(1, 6, 1, 1, 1), "next": state}
    assert not task.losses(batch)["loss"].isfinite()
    model.measure([{"state": state, "next": state + 1}])
    loss = task.losses(batch)["loss"]
    loss.backward()
    assert loss.isfinite()
    assert all(weights.grad.isfinite().all() for weights in model.network.parameters())
