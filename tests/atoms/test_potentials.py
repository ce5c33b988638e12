"""Potentials: the derivatives of the energy, the shipped weights, and training."""

from __future__ import annotations

import zipfile

import lightning as L
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from case_table import table
from torch.utils.data import DataLoader

from scionwood import WeightsError
from scionwood_atoms.backbones import chgnet, mace, potential, sevennet
from scionwood_atoms.model.graph import Graph, GraphError, Labelled, batch, no_stress
from scionwood_atoms.model.potential import Potential, predictions
from scionwood_atoms.model.weights import TINY
from scionwood_atoms.tasks.potential import PotentialTask

# pymatgen and e3nn warn about what they will drop.
pytestmark = pytest.mark.filterwarnings("ignore")


def silicon(seed: int = 0) -> Atoms:
    atoms = bulk("Si")
    atoms.rattle(0.1, seed=seed)
    return atoms


def energy(potential: Potential, atoms: Atoms) -> float:
    return float(potential(*potential.graph(atoms)).energy)


@pytest.mark.parametrize("make", [sevennet, chgnet, mace])
def test_forces_and_stress_are_the_slopes_of_the_energy(make):
    potential, atoms = make().eval(), silicon()  # type: ignore[operator]
    found = potential(*potential.graph(atoms))
    step = 2e-3
    ends = []
    for sign in (step, -step):
        moved = atoms.copy()
        moved.positions[0, 1] += sign
        ends.append(energy(potential, moved))
    assert float(found.forces[0, 1]) == pytest.approx(-(ends[0] - ends[1]) / (2 * step), rel=0.02)
    ends = []
    for sign in (step, -step):
        strained = atoms.copy()
        strained.set_cell(atoms.cell * (1 + sign), scale_atoms=True)
        ends.append(energy(potential, strained))
    trace = float(found.virial[0].trace())
    assert trace == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.05)


@pytest.mark.parametrize("make", [sevennet, chgnet, mace])
def test_a_batch_predicts_what_its_structures_predict(make):
    potential = make().eval()  # type: ignore[operator]
    graphs: list[Graph] = [potential.graph(silicon(seed)) for seed in (0, 1, 2)]
    together = potential(*batch(graphs))
    for at, graph in enumerate(graphs):
        alone = potential(*graph)
        torch.testing.assert_close(together.energy[at : at + 1], alone.energy)
        torch.testing.assert_close(together.forces[2 * at : 2 * at + 2], alone.forces)


BAD = {
    "two atoms at one place": (Atoms("H2"), "atoms 0 and 1 are 0 A apart"),
    "an unknown element": (Atoms("Au"), "does not know the atomic number 79"),
    "no atoms": (Atoms(), "it has no atoms"),
    "a period without a cell": (Atoms("H", pbc=True), "its cell does not span"),
    "a place that is no number": (Atoms("H", [(np.nan, 0, 0)]), "atom 0 is not finite"),
}


@table("bad", BAD)
def test_a_structure_without_a_graph_is_named(bad, tiny):
    atoms, message = BAD[bad]
    with pytest.raises(GraphError) as caught:
        tiny.graph(atoms)
    assert message in str(caught.value)


def test_a_file_of_mace_predicts_what_mace_torch_predicts():
    """The numbers are of mace-torch 0.3.16, which wrote the file, with e3nn 0.4.4 and 0.6.0."""
    model, solid = mace().eval(), bulk("Si")
    solid.rattle(0.05, seed=1)
    found = predictions(model, [model.graph(solid)])
    assert found.energies[0] == pytest.approx(-0.94168502, abs=1e-6)
    assert found.forces[0][0] == pytest.approx([-0.09265102, 0.04351604, -0.05528420], abs=1e-6)
    assert found.stresses[0][0] == pytest.approx([-0.00779358, -0.00279155, 0.00238204], abs=1e-6)


def test_another_mace_is_refused_by_name(tmp_path):
    whole, path = (TINY / "mace.model").read_bytes(), tmp_path / "other.model"
    with zipfile.ZipFile(TINY / "mace.model") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b"Residual", b"Other"))
    with pytest.raises(WeightsError, match="it holds RealAgnosticOtherInteractionBlock"):
        potential(f"mace/{path}")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"other\.model"):
        potential(f"mace/{path}")


def test_chgnet_refuses_a_molecule():
    with pytest.raises(GraphError, match=r"model of crystals.*use SevenNet"):
        chgnet().graph(Atoms("H2", [(0, 0, 0), (0, 0, 0.74)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["0", "l3i5"])
def test_the_weights_of_sevenn_predict_what_its_calculator_predicts(name):
    from sevenn.calculator import SevenNetCalculator

    atoms, potential = silicon(), sevennet(model=name).eval()  # type: ignore[arg-type]
    found = potential(*potential.graph(atoms))
    atoms.calc = SevenNetCalculator({"0": "7net-0", "l3i5": "7net-l3i5"}[name], device="cpu")
    assert float(found.energy) == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    assert np.abs(found.forces.numpy() - atoms.get_forces()).max() < 1e-4
    stress = found.virial[0].numpy() / atoms.get_volume()
    assert np.abs(stress - atoms.get_stress(voigt=False)).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["0.3.0", "r2scan"])
def test_the_weights_of_chgnet_predict_what_its_own_model_predicts(name):
    from chgnet.model import CHGNet
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms, potential = silicon(), chgnet(model=name).eval()  # type: ignore[arg-type]
    found = potential(*potential.graph(atoms))
    theirs = CHGNet.load(model_name=name, use_device="cpu", verbose=False)
    wanted = theirs.predict_structure(AseAtomsAdaptor.get_structure(atoms))
    assert float(found.energy) == pytest.approx(2 * float(wanted["e"]), abs=1e-5)
    assert np.abs(found.forces.numpy() - wanted["f"]).max() < 1e-4


def test_the_loss_of_a_split_is_that_of_its_parts():
    torch.manual_seed(0)
    task = PotentialTask(sevennet())
    batches = []
    for count in (1, 3):
        graph = task.backbone.graph(silicon().repeat((count, 1, 1)))
        atoms = len(graph.numbers)
        batches.append(Labelled(graph, torch.zeros(1), torch.randn(atoms, 3), no_stress()))
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, inference_mode=False
    )
    loader = DataLoader(batches, batch_size=None)
    (values,) = trainer.validate(task, loader, verbose=False)
    errors = [(task.backbone(*batch.graph).forces - batch.forces).abs() for batch in batches]
    mean = float(torch.cat(errors).mean())
    assert values["val_force_mae_mev"] == pytest.approx(1000 * mean, rel=1e-4)
    each = np.mean([float(one.square().mean()) for one in errors])
    assert values["val_force"] == pytest.approx(each, rel=1e-4)
    loss = values["val_energy"] + 10 * each
    assert values["val_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("make", [sevennet, chgnet, mace])
def test_forces_far_from_the_origin_are_those_at_the_origin(make):
    potential, atoms = make().eval(), silicon()  # type: ignore[operator]
    here = potential(*potential.graph(atoms)).forces
    for shift in ((5000.3, -4999.1, 12.7), tuple(1000 * atoms.cell.sum(0))):
        moved = atoms.copy()
        moved.positions += shift
        there = potential(*potential.graph(moved)).forces
        assert float((there - here).abs().max()) <= 1e-5 * float(here.abs().max())
