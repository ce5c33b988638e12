"""Samples of the formats, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from scionwood_atoms.readers.asedb import read_asedb
from scionwood_atoms.readers.extxyz import read_extxyz
from scionwood_atoms.readers.vasp import read_vasp
from scionwood_kit import Parser

SAMPLES = Path(__file__).parent / "samples"
READERS: dict[str, Any] = {".xyz": read_extxyz, ".db": read_asedb}


class Sampled(Parser):
    """A format whose samples lie in the package."""

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write the sample of the format."""
        shutil.copyfile(SAMPLES / f"sample{path.suffix}", path)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the structures."""
        return list(READERS.get(path.suffix, read_vasp)(path))


class Extxyz(Sampled):
    """Extended XYZ with a molecule, and a crystal with stress."""

    suffixes = (".xyz",)


class AseDb(Sampled):
    """A database of ase with the same two structures."""

    suffixes = (".db",)


class Vasp(Sampled):
    """An OUTCAR, and a vasprun.xml, of two steps of silicon."""

    suffixes = (".OUTCAR", ".xml")
