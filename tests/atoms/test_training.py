"""Odd labels in training: sizes, lone atoms, zero forces, huge totals, mixed batches."""

from __future__ import annotations

import copy

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from scionwood_atoms.data.files import Files
from scionwood_atoms.data.replay import replay_structures
from scionwood_atoms.model.graph import Labelled, joined, no_stress
from scionwood_atoms.model.potential import Potential, predictions
from scionwood_atoms.tasks.potential import PotentialTask

pytestmark = pytest.mark.filterwarnings("ignore")


def labelled(model: Potential, atoms: Atoms) -> Labelled:
    found = predictions(model, [model.graph(atoms)])
    forces = torch.tensor(found.forces[0]).float()
    return Labelled(model.graph(atoms), torch.tensor(found.energies).float(), forces, no_stress())


ODD = {
    "a lone atom": Atoms("O"),
    "a lone atom in a cell": Atoms("Si", cell=[12, 12, 12], pbc=True),
    "atoms that see no other": Atoms("OO", [(0, 0, 0), (0, 0, 9)]),
    "a wire": Atoms("Si", cell=[2.4, 0, 0], pbc=[True, False, False]),
    "a crystal": bulk("Si"),
    "a molecule": molecule("CH3OH"),
}


def test_structures_of_all_kinds_train_in_one_batch(tiny):
    batch = joined([labelled(tiny, one) for one in ODD.values()])
    batch = joined([*replay_structures(tiny, 2, 0), batch])
    task = PotentialTask(tiny, stress_weight=257.0)
    assert float(task.eval().losses(batch)["loss"]) < 1e-8
    moved = batch._replace(energy=batch.energy + 1, forces=0 * batch.forces)
    tiny.train()
    weights = [weight for weight in tiny.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(task.losses(moved)["loss"], weights)
    tiny.eval()
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert any(bool(gradient.any()) for gradient in gradients)


def test_totals_of_ten_thousand_ev_lose_no_tenth_of_a_mev(tmp_path, tiny, shaken, label):
    frames = [*shaken("CH3OH", "CO", "C2H6", "CH4", "H2O"), *map(Atoms, "CHO")]

    def shift(atoms: Atoms, labels: dict[str, object]) -> None:
        labels["energy"] = float(labels["energy"]) - 9391.0 * len(atoms)  # type: ignore[arg-type]

    data = Files(source=str(label(tmp_path / "a.xyz", frames, shift)), base="sevennet/tiny")
    data.setup("fit")
    task = PotentialTask(tiny).eval()
    wrong = [float(task.metrics(batch)["energy_mae_mev"]) for batch in data.train_dataloader()]
    assert max(wrong) < 0.1


def test_the_reference_follows_the_zero_that_a_fit_moves(tmp_path, tiny, shaken, label):
    frames = [*shaken("H2O", "CH4", "CO"), *map(Atoms, "CHO")]
    data = Files(source=str(label(tmp_path / "a.xyz", frames)), base="sevennet/tiny", share=0.2)
    data.setup("fit")
    moved = copy.deepcopy(tiny)
    moved.net.rescale_atomic_energy.shift.data += 3.0  # eV for each atom
    before = data.reference
    assert before is not None
    data.refer_to(moved)
    assert data.reference is not None
    water = {"H": 2, "O": 1}
    assert data.reference.of(water) == pytest.approx(before.of(water) - 9, abs=1e-3)
    for batch in data.val_dataloader():
        assert torch.allclose(moved(*batch.graph).energy, batch.energy, atol=1e-3)
