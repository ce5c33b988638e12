"""Frames of the user's files: where each was read, and its graph."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from scionwood import ScionwoodError
from scionwood.authoring import call_in_child, reading
from scionwood_atoms.model.graph import Graph, GraphError
from scionwood_atoms.model.potential import Potential
from scionwood_atoms.readers.asedb import read_asedb
from scionwood_atoms.readers.extxyz import read_extxyz
from scionwood_atoms.readers.structure import Structure
from scionwood_atoms.readers.vasp import read_vasp


class LabelError(ScionwoodError, ValueError):
    """The labels of a set of files cannot be trained on together."""


@final
@dataclass(frozen=True)
class Frame:
    """A structure with the place where it was read."""

    path: Path
    index: int  # in the file, from 0
    structure: Structure  # the atoms with their labels

    @property
    def name(self) -> str:
        """The file and the frame, for messages."""
        return f"{self.path.name}, frame {self.index}"

    @property
    def composition(self) -> dict[str, int]:
        """The number of atoms of each element."""
        return dict(Counter(self.structure.symbols.tolist()))


def read_frames(
    path: str | Path, *, energy: str = "energy", forces: str = "forces"
) -> Iterator[Frame]:
    """Yield the frames of a file, whose format is found by its content, or raise `ReadError`.

    `energy` is the key of the energy; `forces` the column of the forces of extended XYZ.
    """
    path = Path(path)
    read = parser_of(path)
    column = {"forces": forces} if read is read_extxyz else {}
    for index, structure in enumerate(call_in_child(read, path, energy=energy, **column)):
        yield Frame(path, index, structure)


def parser_of(path: Path) -> Callable[..., Iterator[Structure]]:
    """Return what reads a file: a database of ase, a file of VASP, or extended XYZ."""
    with reading(path, "structures"), path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"SQLite format 3\0"):
        return read_asedb
    vasp = rb"\A\x1f\x8b|\A\s*<|^ *vasp\.\d|\A INCAR:"
    return read_vasp if re.search(vasp, head, re.MULTILINE) else read_extxyz


def graph_of(model: Potential, frame: Frame) -> Graph:
    """Return the graph of a frame for a model.

    Raises:
        GraphError: the model does not take it; the message names file and frame.
    """
    try:
        return model.graph(frame.structure.atoms())
    except GraphError as error:
        raise GraphError(f"{frame.name}, {error.value}", error.rule, error.remedy) from error
