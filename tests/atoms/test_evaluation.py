"""The errors of a model by element, the figure of parity, and what an evaluation refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from case_table import table

import scionwood
from scionwood import ScionwoodError
from scionwood_atoms import evaluate
from scionwood_atoms.data.labels import chosen, read_frames
from scionwood_atoms.evaluation.of_run import Evaluation, draw_parity, errors

Make = Callable[..., list[Atoms]]
Label = Callable[..., Path]


def test_errors_are_by_atom_and_by_element(tmp_path, shaken, label):
    frames = chosen(read_frames(label(tmp_path / "a.xyz", shaken("H2O", n=2)))).frames
    energies = np.array([frame.structure.energy for frame in frames]) + 0.006
    forces = [np.array(frame.structure.forces) for frame in frames]
    for one in forces:
        one[0] += 0.1  # the oxygen
    row = errors("moved", frames, energies, forces)
    assert row.energy == pytest.approx(2.0, rel=1e-4)
    assert row.elements == pytest.approx({"H": 0.0, "O": 100.0}, abs=1e-6)
    assert row.force == pytest.approx(100 / 3**0.5)
    both = np.stack([np.concatenate([f.structure.forces for f in frames]).ravel()] * 2)
    draw_parity(Evaluation((row,), 2, {}, both[:, :2], both), tmp_path / "parity.png")
    assert (tmp_path / "parity.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shaken: Make, label: Label) -> Path:
    folder = tmp_path_factory.mktemp("run")
    source = label(folder / "a.xyz", shaken("H2O", "CH4", "CH3OH", n=12))
    change = {
        "backbone.model": "tiny",
        "data": {"name": "atoms/files", "source": str(source), "base": "sevennet/tiny"},
        "trainer.max_steps": 1,
    }
    return scionwood.fit("atoms/few_shot", run_dir=folder / "run", overrides=change)


def gradients(_: Atoms, labels: dict[str, object]) -> None:
    labels["forces"] = -np.asarray(labels["forces"])


def another_code(atoms: Atoms, labels: dict[str, object]) -> None:
    labels["energy"] = np.asarray(labels["energy"]) + 50.0 * (atoms.positions[0, 0] > 0)


EVALUATED = {
    "gradients": (gradients, "b.xyz: forces: their slope"),
    "two codes": (another_code, "Two codes or settings"),
}


@table("bad", EVALUATED)
def test_an_evaluation_refuses_what_a_fit_refuses(bad, run, tmp_path, shaken, label):
    change, message = EVALUATED[bad]
    with pytest.raises(ScionwoodError) as caught:
        evaluate(run, label(tmp_path / "b.xyz", shaken("H2O", n=8, seed=5), change))
    assert message in str(caught.value)


def test_structures_of_the_training_are_left_out_when_they_are_moved_and_turned(
    run, tmp_path, shaken, label
):
    frames = [*shaken("H2O", "CH4", "CH3OH", n=6), *shaken("H2O", n=3, seed=7)]
    for atoms in frames:
        atoms.rotate(30, (1, 2, 3))
        atoms.translate((1.0, 2.0, 3.0))
    found = evaluate(run, label(tmp_path / "b.xyz", frames))
    assert found.structures == 3
    assert found.dropped["structures of the training"] == 6
