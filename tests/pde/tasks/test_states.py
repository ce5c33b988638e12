"""The tasks: they learn, log their metrics, and their recipes run."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scionwood import RecipeError, fit
from scionwood.cli import main
from scionwood.recipes.recipe import resolve
from scionwood_pde.backbones import Tadpole, TadpoleDynamics, TadpoleFlow
from scionwood_pde.data.trajectories import Trajectories
from scionwood_pde.tasks.adversarial import Critic, adversarial_loss
from scionwood_pde.tasks.dynamics import Dynamics
from scionwood_pde.tasks.states import Autoencode, Generate


@pytest.fixture(scope="module")
def batch() -> dict[str, Tensor]:
    data = Trajectories(
        equation="gray_scott", n_points=16, n_frames=3, n_train=2, n_val=1, n_test=1
    )
    pairs: dict[str, Tensor] = next(iter(data.train_dataloader()))
    return {name: x[:2] for name, x in pairs.items()}


def test_the_autoencoders_loss_is_error_plus_weighted_divergence(batch):
    """Of sampled latents in training, and of their means in evaluation."""
    model = Tadpole()
    task = Autoencode(model, kl_weight=0.1)
    assert len({task.train().losses(batch)["mse"].item() for _ in range(2)}) == 2
    losses = task.eval().losses(batch)
    x, latents = batch["state"], model.encode(batch["state"])
    mse = (model.decode(latents.mean, x.shape[2:]) - x).square().mean()
    assert torch.allclose(losses["loss"], mse + 0.1 * latents.kl().mean())


def test_the_critic_is_inactive_above_the_gate(batch):
    shut, opened = (
        Autoencode(Tadpole(), adversarial_weight=1e-4, gate=gate) for gate in (1e-9, 1e9)
    )
    assert shut.losses(batch)["adversarial"] == 0
    assert opened.losses(batch)["adversarial"] > 0
    assert Autoencode(Tadpole()).critic is None


def test_the_adversarial_gradient_is_reversed():
    torch.manual_seed(0)
    critic = Critic(4)
    real, made = torch.randn(2, 2, 2, 16, 16, 16).unbind()
    made.requires_grad_()
    adversarial_loss(critic, real, made, 0.5).backward()
    plain = made.detach().clone().requires_grad_()
    own = [p.grad.clone() for p in critic.parameters() if p.grad is not None]
    critic.zero_grad()
    adversarial_loss(critic, real, plain, -1.0).backward()  # the sign of a plain gradient
    assert made.grad is not None
    assert plain.grad is not None
    assert torch.allclose(made.grad, -0.5 * plain.grad)
    for parameter, grad in zip(critic.parameters(), own, strict=True):
        assert torch.allclose(parameter.grad, grad)


def test_dynamics_reports_its_error_and_that_of_persistence(batch):
    task = Dynamics(TadpoleDynamics(fields=2))
    same = {"state": batch["state"], "next": batch["state"]}
    assert task.metrics(same)["vrmse_persistence"] == 0
    assert task.metrics(batch)["vrmse_persistence"] > 0
    assert task.metrics(batch)["vrmse"] > 0


def test_the_generator_measures_its_latents_before_training(tmp_path):
    from safetensors.torch import load_file

    assert main(["fit", "pde/generate", "--smoke", "--run", str(tmp_path / "run")]) == 0
    head = load_file(tmp_path / "run/head.safetensors")
    (mean,) = (x for name, x in head.items() if name.endswith("standard.mean"))
    assert mean.abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 4])
def test_a_resumed_online_run_equals_an_uninterrupted_one(tmp_path, stop):
    def run(steps: int, **where: Path) -> None:
        options = [f"trainer.max_steps={steps}", "data.n_batches=4", "task.schedule=constant"]
        fit(resolve("pde/autoencode", options, smoke=True), **where)

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(8, run_dir=whole)
    run(stop, run_dir=cut)
    run(8, resume=cut)
    assert _losses(cut) == _losses(whole)
    assert len(_losses(cut)) == 8


def _losses(folder: Path) -> list[str]:
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        return [row["train_loss"] for row in csv.DictReader(lines) if row["train_loss"]]


def test_the_term_of_the_decoder_reaches_only_the_decoder(batch):
    torch.manual_seed(0)
    plain = Generate(TadpoleFlow(fields=2, weights="shipped"))
    task = Generate(TadpoleFlow(fields=2, weights="shipped"), decoder_weight=0.5)
    torch.manual_seed(1)
    alone = plain.losses(batch)["loss"]
    torch.manual_seed(1)
    both = task.losses(batch)
    assert torch.equal(both["velocity"], alone)
    assert torch.allclose(both["loss"], alone + 0.5 * both["reconstruction"])
    both["reconstruction"].backward()
    reached = {name for name, p in task.backbone.named_parameters() if p.grad is not None}
    assert reached
    assert all(name.startswith("decoder.") for name in reached)


def test_the_label_of_the_task_fits_the_backbone(batch):
    task = Generate(TadpoleFlow(fields=2, labels=2), label=1)
    assert task.losses(batch)["loss"].isfinite()
    assert task.metrics(batch)["spectral_distance"].isfinite()
    # A network that generates nothing is far from the data, and no number is infinite.
    with torch.no_grad():
        for parameter in task.backbone.parameters():
            parameter.zero_()
    assert 100 < task.metrics(batch)["spectral_distance"] < 1000
    for labels, label in ((2, None), (2, 2), (0, 0), (2, -1)):
        with pytest.raises(RecipeError, match=f"the backbone has {labels} labels"):
            Generate(TadpoleFlow(labels=labels), label=label)
    with pytest.raises(RecipeError, match="decoder_weight"):
        Generate(TadpoleFlow(), decoder_weight=-1.0)
