"""Samples of the formats, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from scionwood_atoms.readers.asedb import read_asedb
from scionwood_atoms.readers.extxyz import read_extxyz
from scionwood_atoms.readers.vasp import read_vasp
from scionwood_kit import Parser

SAMPLES = Path(__file__).parent / "samples"


class Extxyz(Parser):
    """Extended XYZ with a molecule, and a crystal with stress."""

    suffixes = (".xyz",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the frames."""
        return list(read_extxyz(path))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two frames."""
        shutil.copyfile(SAMPLES / "sample.xyz", path)


class AseDb(Parser):
    """A database of ase with the same two structures."""

    suffixes = (".db",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the structures."""
        return list(read_asedb(path))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two rows, the second with a level of theory."""
        from ase.db import connect
        from ase.io import read

        make: Any = connect
        with make(str(path), type="db", append=False) as base:
            for atoms in read(SAMPLES / "sample.xyz", ":"):
                base.write(atoms, **({"functional": "PBE"} if atoms.pbc.all() else {}))
        with closing(sqlite3.connect(path)) as plain, plain:  # the same bytes each time
            plain.execute("UPDATE systems SET ctime=0, mtime=0, username='', unique_id=id")


class Vasp(Parser):
    """An OUTCAR, and a vasprun.xml, of two steps of silicon."""

    suffixes = (".OUTCAR", ".xml")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the ionic steps."""
        return list(read_vasp(path))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two steps."""
        name = "vasprun.xml" if path.suffix == ".xml" else "OUTCAR"
        shutil.copyfile(SAMPLES / name, path)
