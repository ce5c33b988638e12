"""Extended XYZ: labels with their shapes, and damage that is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_atoms.readers.extxyz import read_extxyz
from scionwood_atoms.readers.parsers import Extxyz


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample of the format: a molecule, then a crystal."""
    path = tmp_path / "sample.xyz"
    Extxyz.write_sample(path)
    return path


def test_labels_agree_with_those_of_ase(sample):
    import ase.io

    _, crystal = found = list(read_extxyz(sample))
    for mine, atoms in zip(found, ase.io.read(sample, ":"), strict=True):
        assert mine.energy == atoms.get_potential_energy()
        assert mine.forces is not None
        assert np.array_equal(mine.forces, atoms.get_forces())
        assert np.array_equal(mine.cell, np.asarray(atoms.cell))
        assert np.array_equal(mine.pbc, atoms.pbc)
    assert crystal.stress is not None
    assert np.array_equal(crystal.stress, 0.01 * np.eye(3))


DAMAGE = {
    "no number of atoms": ("3\n", "three\n", "frame 0: its first line is b'three'"),
    "too many atoms": ("3\n", "9999999\n", "frame 0: it has 9,999,999 atoms"),
    "an element that does not exist": (
        "Si 1.35",
        "Sx 1.35",
        "frame 1: it cannot be read: KeyError 'Sx'",
    ),
    "a force that is no number": ("0.0 0.0 0.25\n", "0.0 0.0 nan\n", "forces has a value that"),
    "a line without forces": (
        "H 0.0 0.76 -0.47 0.0 -0.1 -0.125",
        "H 0.0 0.76 -0.47",
        "frame 0: it cannot be read",
    ),
    "periods without a lattice": ('pbc="F F F"', 'pbc="T T T"', "its lattice has no volume"),
    "an energy in words": ("energy=-14.2", "energy=low", "its energy is not a number"),
    "no positions": (":pos:", ":pox:", "its rows have other columns than species:S:1:pox"),
    "a row with another number": ("-0.1 -0.125\n", "-0.1 -0.125 9.9\n", "other columns than"),
    "columns of another shape": ("pos:R:3", "pos:R:2", "frame 0: it cannot be read"),
}


@table("damage", DAMAGE)
def test_damage_is_named_with_its_frame(damage, sample):
    old, new, message = DAMAGE[damage]
    text = sample.read_text("utf-8")
    assert old in text
    sample.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ReadError) as caught:
        list(read_extxyz(sample))
    assert message in str(caught.value)
    sample.write_text(text, "utf-8")


def test_a_label_under_another_key_is_not_guessed(sample):
    with pytest.raises(ReadError, match="no key 'REF_energy', but Properties, energy, pbc"):
        list(read_extxyz(sample, energy="REF_energy"))
    with pytest.raises(ReadError, match="no column 'REF_forces', but numbers, positions, forces"):
        list(read_extxyz(sample, forces="REF_forces"))
