"""Databases of ase: agreement with ase, and what a hostile one may not do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import ase.db
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from case_table import table

from scionwood import ReadError
from scionwood_atoms.readers.asedb import read_asedb


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A database with a crystal: energy, forces, stress, a key, data and a constraint."""
    atoms = bulk("NaCl", "rocksalt", 5.6)
    atoms.rattle(0.05)
    rng = np.random.default_rng(0)
    labels = {"energy": -6.1, "free_energy": -6.2, "forces": rng.normal(size=(2, 3))}
    atoms.calc = SinglePointCalculator(atoms, **labels, stress=rng.normal(size=6))
    with ase.db.connect(tmp_path / "a.db") as rows:
        rows.write(atoms, functional="PBE", relaxed=True, data={"array": np.arange(3)})
    return tmp_path / "a.db"


def run(base: Path, *statements: str) -> None:
    with closing(sqlite3.connect(base)) as plain, plain:
        for statement in statements:
            plain.execute(statement)


def test_labels_agree_with_those_of_ase(base):
    before = base.read_bytes()
    (one,) = read_asedb(base)
    atoms = ase.db.connect(base).get_atoms(id=1)
    assert one.energy == atoms.get_potential_energy()
    assert np.array_equal(one.forces, atoms.get_forces())
    assert np.array_equal(one.stress, atoms.get_stress(voigt=False))
    assert np.array_equal(one.positions, atoms.positions)
    assert np.array_equal(one.cell, atoms.cell.array)
    assert one.symbols.tolist() == list(atoms.symbols)
    assert one.notes["functional"] == "PBE"
    (free,) = read_asedb(base, energy="free_energy")
    assert free.energy == -6.2
    assert base.read_bytes() == before
    assert sorted(path.name for path in base.parent.iterdir()) == ["a.db"]


def test_data_and_constraints_of_a_stranger_are_not_looked_at(base):
    # ase would build what these name: a constraint of a library, an object, an array of 8 TB
    run(
        base,
        """UPDATE systems SET constraints='[{"name": "Hookean", "kwargs": {"k": "x"}}]'""",
        """UPDATE systems SET data='{"__ndarray__": [[1000000000000], "float64", []]}'""",
        """UPDATE systems SET calculator_parameters='{"__ase_objtype__": "atoms"}'""",
    )
    (one,) = read_asedb(base)
    assert one.energy == -6.1


HOSTILE = {
    "a view that computes": (
        ("ALTER TABLE systems RENAME TO s", "CREATE VIEW systems AS SELECT * FROM s"),
        "no plain tables systems",
    ),
    "another database": (("DROP TABLE systems",), "no plain tables systems"),
    "a later version": (("UPDATE information SET value='12'",), "its version is 12"),
    "no rows": (("DELETE FROM systems",), "it has no rows"),
    "an element that does not exist": (("UPDATE systems SET numbers=x'ff000000'",), "element 255"),
    "positions of other atoms": (
        (f"UPDATE systems SET positions=x'{'00' * 24}'",),
        "positions has the shape (1, 3)",
    ),
    "a force that is no number": (
        (f"UPDATE systems SET forces=x'{'000000000000f87f' * 6}'",),
        "forces has a value that is not finite",
    ),
    "an energy in words": (("UPDATE systems SET energy='low'",), "its energy is 'low'"),
    "a cell without a volume": ((f"UPDATE systems SET cell=x'{'00' * 72}'",), "has no volume"),
}


@table("hostile", HOSTILE)
def test_damage_is_named(hostile, base):
    statements, message = HOSTILE[hostile]
    whole = base.read_bytes()
    run(base, *statements)
    with pytest.raises(ReadError) as caught:
        list(read_asedb(base))
    base.write_bytes(whole)
    assert message in str(caught.value)


def test_rows_that_a_writer_has_not_finished_are_not_lost_in_silence(base):
    Path(f"{base}-wal").write_bytes(b"rows")
    with pytest.raises(ReadError, match=r"a writer left a\.db-wal beside it"):
        list(read_asedb(base))
