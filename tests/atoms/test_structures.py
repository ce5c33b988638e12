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
from scionwood_atoms.data.labels import LabelError
from scionwood_atoms.inference.structures import appender, read_structures


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


def test_what_moves_keeps_momenta_and_fixed_atoms_and_no_labels(tmp_path: Path) -> None:
    (atoms,) = read_structures(water(tmp_path / "a.xyz"), moving=True)
    assert atoms.constraints[0].index.tolist() == [0]
    assert atoms.get_momenta()[1:].tolist() == [[1.0, 1.0, 1.0]] * 2
    assert (atoms.calc, atoms.info, "REF_forces" in atoms.arrays) == (None, {}, False)
    (whole,) = read_structures(tmp_path / "a.xyz")
    assert (whole.info["note"], "REF_forces" in whole.arrays) == ("first", True)


BAD = {
    "an empty file": ("", ReadError, "the file has no frames"),
    "an ion": ('1\ncharge=1 pbc="F F F"\nH 0 0 0\n', LabelError, "frame 0: its charge is 1"),
    "a cut file": ("2\n\nH 0 0 0\n", ReadError, "it is cut"),
}


@table("bad", BAD)
def test_a_bad_file_is_named(bad: str, tmp_path: Path) -> None:
    content, error, message = BAD[bad]
    (tmp_path / "a.xyz").write_text(content, "utf-8")
    with pytest.raises(error) as caught:
        read_structures(tmp_path / "a.xyz")
    assert message in str(caught.value)


def test_the_first_structure_replaces_a_file_and_each_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.xyz"
    target.write_text("old", "utf-8")
    with pytest.raises(OutputExistsError):
        appender(target)
    write = appender(target, overwrite=True)
    assert target.read_text("utf-8") == "old"
    for count in (1, 2):
        write(Atoms("H", [(0, 0, count)]))
        assert len(ase.io.read(target, ":")) == count
