"""Samples of the formats, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from scionwood_atoms.readers.asedb import read_asedb
from scionwood_atoms.readers.extxyz import read_extxyz
from scionwood_atoms.readers.structure import Structure
from scionwood_atoms.readers.vasp import read_vasp
from scionwood_kit import Parser

SAMPLES = Path(__file__).parent / "samples"


class Extxyz(Parser):
    """Extended XYZ with a molecule, and a crystal with stress."""

    suffixes = (".xyz",)
    read: ClassVar[Callable[[Path], Iterator[Structure]]] = staticmethod(read_extxyz)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the structures."""
        return list(cls.read(path))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write the sample of the format."""
        shutil.copyfile(SAMPLES / f"sample{path.suffix}", path)


class AseDb(Extxyz):
    """A database of ase with the same two structures."""

    suffixes = (".db",)
    read = staticmethod(read_asedb)


class Vasp(Extxyz):
    """An OUTCAR, and a vasprun.xml, of two steps of silicon."""

    suffixes = (".OUTCAR", ".xml")
    read = staticmethod(read_vasp)
