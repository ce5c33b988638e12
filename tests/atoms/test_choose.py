"""The choice between ways to fit: what is advised, and what is refused before any fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ase import Atoms

from scionwood import OutputExistsError
from scionwood_atoms import choose
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.labels import LabelError
from scionwood_atoms.evaluation.of_run import kernel_errors
from scionwood_atoms.verbs.choose import Way, advised

LORA = Way("lora", 70.0, 3.0, None, 3e-2, 40, 20.0, 250_000, 35.0, "lora-0.03-0")
FROZEN = Way("frozen", 265.0, 60.0)


def test_the_advice_states_what_the_validation_cannot_tell():
    full = replace(LORA, model="full", rate=1e-2, force=72.0)
    text = advised((LORA, full, FROZEN), 20)
    assert text.startswith("Use lora at rate 0.03: 70 meV/A on the validation, 20 structures")
    assert "full within 5 %" in text
    assert "2 structures of validation decide little" in advised((LORA, FROZEN), 2)
    assert advised((FROZEN, replace(LORA, force=300.0)), 20).endswith("No fit is better.")
    kernel = advised((replace(FROZEN, model="sGDML", force=50.0), LORA), 20)
    assert kernel.startswith("Use a kernel model (sGDML) for this molecule: 50 meV/A")
    assert "take the chosen run, lora-0.03-0" in kernel


@pytest.mark.slow
def test_the_best_network_is_the_chosen_run_and_finished_fits_are_used_again(
    tmp_path, shaken, label
):
    path = label(tmp_path / "a.xyz", [*shaken("H2O"), Atoms("H"), Atoms("O")])
    options = {"base": "sevennet/tiny", "steps": 4}
    first = choose([path], run=tmp_path / "run", **options)
    assert {way.model for way in first.ways} == {"frozen", "ia3", "lora", "full", "sGDML"}
    assert [way.force for way in first.ways] == sorted(way.force for way in first.ways)
    assert all(way.drift is not None for way in first.ways if way.run)
    with pytest.raises(OutputExistsError):
        choose([path], run=tmp_path / "run", **options)
    again = choose([path], run=tmp_path / "run", force=True, **options)
    assert [way.seconds for way in again.ways if way.run] == [
        way.seconds for way in first.ways if way.run
    ]


def test_the_kernel_stands_beside_one_molecule_alone(tmp_path, shaken, label):
    alone = Files(source=str(label(tmp_path / "a.xyz", shaken("H2O")))).frames()
    (kernel,) = kernel_errors(alone["train"], alone["val"], alone["val"])
    assert kernel.force < 100
    mixed = Files(source=str(label(tmp_path / "b.xyz", shaken("H2O", "CH4")))).frames()
    assert not kernel_errors(mixed["train"], mixed["val"], mixed["val"])


def test_one_structure_is_too_few(tmp_path, shaken, label):
    path = label(tmp_path / "one.xyz", shaken("H2O", n=1))
    with pytest.raises(LabelError, match="leave the split val empty"):
        choose([path], run=tmp_path / "run", base="sevennet/tiny", reference="composition")
    assert [entry.name for entry in tmp_path.iterdir()] == ["one.xyz"]
