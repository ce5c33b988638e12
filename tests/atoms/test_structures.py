"""Structures of a file for relaxation and dynamics, and a file that grows."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from case_table import table

from scionwood import OutputExistsError, ReadError
from scionwood_atoms.data.labels import LabelError, read_frames
from scionwood_atoms.inference.structures import appender, atoms_of, read_structures
from scionwood_atoms.readers.parsers import AseDb, Vasp


def water(path: Path) -> Path:
    """Write a molecule with momenta, a fixed atom, labels and a note."""
    atoms = molecule("H2O")
    atoms.set_momenta(np.ones((3, 3)))
    atoms.set_constraint(FixAtoms([0]))
    atoms.info["note"] = "first"
    atoms.arrays["REF_forces"] = np.ones((3, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((3, 3)))
    ase.io.write(path, atoms, format="extxyz")
    return path


def test_what_moves_keeps_momenta_and_fixed_atoms_and_no_labels(tmp_path):
    (atoms,) = read_structures(water(tmp_path / "a.xyz"), moving=True)
    assert atoms.constraints[0].index.tolist() == [0]
    assert atoms.get_momenta()[1:].tolist() == [[1.0, 1.0, 1.0]] * 2
    assert (atoms.calc, atoms.info, "REF_forces" in atoms.arrays) == (None, {}, False)
    (whole,) = read_structures(tmp_path / "a.xyz")
    assert (whole.info["note"], "REF_forces" in whole.arrays) == ("first", True)


def test_databases_and_files_of_vasp_are_structures_too(tmp_path):
    for sample, name in ((AseDb, "a.db"), (Vasp, "a.OUTCAR"), (Vasp, "a.xml")):
        sample.write_sample(tmp_path / name)
        labelled = atoms_of(tmp_path / name, list(read_frames(tmp_path / name)))[1]
        assert labelled.get_potential_energy() == pytest.approx(-10.8, abs=2e-3)
        assert labelled.get_stress().shape == (6,)
        plain = read_structures(tmp_path / name)[1]
        assert (str(plain.symbols), plain.pbc.all(), plain.calc) == ("Si2", True, None)
        assert not {"energy", "free_energy"} & plain.info.keys()
        appender(tmp_path / "b.xyz", overwrite=True)(labelled)
        again = ase.io.read(tmp_path / "b.xyz")
        assert np.abs(again.get_forces() - labelled.get_forces()).max() < 1e-6
        assert not read_structures(tmp_path / name, moving=True)[1].info


BAD = {
    "an empty file": ("", ReadError, "the file has no frames"),
    "an ion": ('1\ncharge=1 pbc="F F F"\nH 0 0 0\n', LabelError, "frame 0: its charge is 1"),
    "a cut file": ("2\n\nH 0 0 0\n", ReadError, "it is cut"),
}


@table("bad", BAD)
def test_a_bad_file_is_named(bad, tmp_path):
    content, error, message = BAD[bad]
    (tmp_path / "a.xyz").write_text(content, "utf-8")
    with pytest.raises(error) as caught:
        read_structures(tmp_path / "a.xyz")
    assert message in str(caught.value)


def test_the_first_structure_replaces_a_file_and_each_is_whole(tmp_path):
    target = tmp_path / "a.xyz"
    target.write_text("old", "utf-8")
    with pytest.raises(OutputExistsError):
        appender(target)
    write = appender(target, overwrite=True)
    assert target.read_text("utf-8") == "old"
    for count in (1, 2):
        write(Atoms("H", [(0, 0, count)]))
        assert len(ase.io.read(target, ":")) == count
