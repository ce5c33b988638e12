"""Stress in the loss: of structures that have one, and as the slope of the energy by strain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

import scionwood
from scionwood_atoms.backbones import chgnet
from scionwood_atoms.data.replay import shaken as strained
from scionwood_atoms.model.graph import Labelled, joined, no_stress
from scionwood_atoms.model.potential import Potential
from scionwood_atoms.tasks.potential import PotentialTask

pytestmark = pytest.mark.filterwarnings("ignore")


def labelled(model: Potential, atoms: Atoms, stress: torch.Tensor) -> Labelled:
    found = model(*model.graph(atoms))
    return Labelled(model.graph(atoms), found.energy.detach(), found.forces, stress)


def silicon(seed: int = 0) -> Atoms:
    return strained(bulk("Si"), np.random.default_rng(seed))


def test_the_loss_is_a_mean_over_structures_and_unknown_stresses_are_no_error(tiny):
    task = PotentialTask(tiny, energy_weight=0.0, force_weight=0.0, stress_weight=2.0).eval()
    solid, molecule = silicon(), Atoms("OH", [(0, 0, 0), (0, 0, 1)])
    virial = tiny(*tiny.graph(solid)).virial / solid.get_volume()
    wrong = labelled(tiny, solid, virial + 0.03)
    others = [labelled(tiny, one, no_stress()) for one in (molecule, silicon(1))]
    assert float(task.losses(joined([wrong, *others]))["loss"]) == pytest.approx(2 * 0.03**2 / 3)
    assert float(task.losses(joined(others))["loss"]) == 0
    assert float(task.metrics(joined([wrong, *others]))["stress_mae_gpa"]) == pytest.approx(
        160.21766 * 0.03
    )


@pytest.mark.parametrize("name", ["sevennet", "chgnet"])
def test_the_gradient_of_the_stress_loss_is_its_slope(name, tiny):
    model = tiny if name == "sevennet" else chgnet()
    task = PotentialTask(model, energy_weight=0.0, force_weight=0.0, stress_weight=1.0)
    one = labelled(model, silicon(), torch.full((1, 3, 3), 0.2))
    model.train()
    weight = max(model.parameters(), key=torch.numel)
    (gradient,) = torch.autograd.grad(task.losses(one)["loss"], weight)
    at, ends = int(gradient.abs().argmax()), []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight.view(-1)[at] += step
        ends.append(float(task.losses(one)["loss"]))
        with torch.no_grad():
            weight.view(-1)[at] -= step
    model.eval()
    assert float(gradient.view(-1)[at]) == pytest.approx((ends[0] - ends[1]) / 2e-2, rel=0.05)


def test_a_weight_without_stress_is_refused(tmp_path):
    change = ["task.stress_weight=1"]
    recipe = scionwood.resolve("atoms/few_shot", change, smoke=True)
    with pytest.raises(scionwood.RecipeError, match=r"task\.stress_weight 1: no training"):
        scionwood.fit(recipe, run_dir=tmp_path / "run")
