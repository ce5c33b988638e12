"""A solver in the loop: its steps, its gradients, and a training through it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import scionwood_pde as pde
from scionwood import RecipeError, fit, load_run, resolve
from scionwood_pde.backbones import Corrector

FLOW: dict[str, Any] = {
    "equation": "kolmogorov_flow",
    "parameters": {"viscosity": 0.05, "forcing": 3.0, "forcing_mode": 2},
    "interval": 1.0,
    "width": 4,
    "stencil": 3,
}


def flow(n_points: int, n_steps: int) -> torch.Tensor:
    states = pde.simulate(
        equation="kolmogorov_flow",
        n=1,
        n_points=n_points,
        n_steps=n_steps,
        substeps=2,
        skip=4,
        parameters=FLOW["parameters"],
    )
    return torch.from_numpy(states.values)


@torch.no_grad()
def test_before_training_it_is_the_solver():
    states = flow(16, 1)
    model = Corrector(**FLOW, coarse=16)
    torch.testing.assert_close(model(states[:, 0]), states[:, 1], rtol=1e-4, atol=1e-5)
    coarse = Corrector(**FLOW, coarse=12)
    error = (coarse(states[:, 0]) - states[:, 1]).square().mean()
    change = (states[:, 1] - states[:, 0]).square().mean()
    assert 1e-8 < error < 0.2 * change
    coarse.measure([{"state": states[:, 0], "next": states[:, 1]}], std=[1.0] * 3, mean=[0.0] * 3)
    missed = coarse.learned.scales.change.square().mean()
    torch.testing.assert_close(missed, error, rtol=1e-3, atol=0)


def test_gradients_pass_through_the_solver():
    model = Corrector(**FLOW, coarse=12)
    x = flow(16, 1)[:, 0].requires_grad_()
    model(model(x)).square().mean().backward()
    assert float(x.grad.abs().max()) > 0


def test_what_does_not_fit_is_refused_by_name():
    with pytest.raises(RecipeError, match="parameter 'mass': kolmogorov_flow has"):
        Corrector(equation="kolmogorov_flow", parameters={"mass": 0.1})
    with pytest.raises(RecipeError, match="no equation has this name"):
        Corrector(equation="stokes")
    with pytest.raises(RecipeError, match="beyond the de-aliasing limit"):
        Corrector(**FLOW | {"parameters": FLOW["parameters"] | {"forcing_mode": 6}}, coarse=12)
    with pytest.raises(ValueError, match="at least the 24 of the coarse grid"):
        Corrector(**FLOW, coarse=24)(torch.zeros(1, 3, 16, 16, 16))


def test_a_run_trains_through_the_solver_and_rolls_out(tmp_path):
    small = {
        "task.measured": 2,
        "backbone.width": 4,
        "backbone.stencil": 3,
        "backbone.coarse": 16,
        "data.n_points": 16,
        "data.n_frames": 6,
        "data.skip": 1,
        "data.n_train": 2,
        "data.n_val": 1,
        "data.n_test": 1,
        "trainer.max_steps": 1,
    }
    with pytest.raises(RecipeError, match=r"a history of 2; this needs 3"):
        fit(resolve("pde/corrector", small | {"task.unroll": 3}), run_dir=tmp_path / "no")
    small |= {"task.unroll": 2, "task.ramp": 0.5, "data.history": 2}
    run = fit(resolve("pde/corrector", small), run_dir=tmp_path / "run")
    model = load_run(tmp_path / "run").backbone
    assert isinstance(
        model.get_base_model() if hasattr(model, "get_base_model") else model, Corrector
    )
    assert run is not None
    states = pde.simulate(
        equation="kolmogorov_flow",
        n=1,
        n_points=16,
        n_steps=2,
        interval=0.25,
        substeps=3,
        parameters={"viscosity": 0.05, "forcing": 3.0, "forcing_mode": 4},
    )
    rolled = pde.rollout(states, options=pde.RolloutOptions(run=tmp_path / "run"))
    assert rolled.shape == (1, 3, 3, 16, 16, 16)
