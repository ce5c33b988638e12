"""Structures of a file as atoms of ase, and a file that stays valid while it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, cast

from scionwood.authoring import check_target, reading, writing
from scionwood_atoms.data.frames import parser_of
from scionwood_atoms.data.labels import Frame, read_frames, refuse_charge
from scionwood_atoms.readers.extxyz import KIND, read_extxyz
from scionwood_atoms.readers.structure import voigt

MOVING = {"numbers", "positions", "momenta", "masses", "tags"}
"""What a structure keeps when its atoms move; other columns would belong to the old places."""

Item = TypeVar("Item")
Write = Callable[[Any], None]  # Appends one structure with the results of its calculator


def read_structures(path: str | Path, *, moving: bool = False) -> list[Any]:
    """Return structures as atoms of ase, without labels, or raise `LabelError` at a charge.

    `moving` drops notes and columns too, which do not belong to a structure that moves.
    """
    frames = list(read_frames(path))
    for frame in frames:
        refuse_charge(frame)
    structures = atoms_of(path, frames)
    for atoms in structures:
        atoms.calc = None
        if moving:
            atoms.info = {}
            for name in set(atoms.arrays) - MOVING:
                del atoms.arrays[name]
    return structures


def atoms_of(path: str | Path, frames: Sequence[Frame]) -> list[Any]:
    """Return the frames of a file as atoms of ase, with labels and notes.

    Those of extended XYZ have all its columns: momenta, masses and fixed atoms (`move_mask`).
    """
    import ase.io
    from ase.calculators.calculator import all_properties
    from ase.calculators.singlepoint import SinglePointCalculator

    if parser_of(Path(path)) is read_extxyz:
        with reading(path, KIND):
            return list(ase.io.iread(path, ":", format="extxyz"))
    structures, make = [], cast(Any, SinglePointCalculator)
    for one in (frame.structure for frame in frames):
        stress = None if one.stress is None else voigt(one.stress)
        labels = {"energy": one.energy, "forces": one.forces, "stress": stress}
        atoms = one.atoms()
        atoms.calc = make(atoms, **{k: v for k, v in labels.items() if v is not None})
        atoms.info = {k: v for k, v in one.notes.items() if k not in all_properties}
        structures.append(atoms)
    return structures


def appender(target: str | Path, *, overwrite: bool = False) -> Write:
    """Return a function that appends a whole structure to an extended XYZ file at once.

    The file is valid wherever the work stops. The first structure replaces an old file, which is
    refused unless `overwrite` is set.
    """
    check_target(target, overwrite)
    modes = iter(["wb"])

    def write(atoms: Any) -> None:
        with writing(target), Path(target).open(next(modes, "ab"), buffering=0) as file:
            file.write(text(atoms).encode())

    return write


def text(atoms: Any) -> str:
    """Return a structure of ase and the results of its calculator as extended XYZ."""
    from ase.io import write

    place = StringIO()
    write(place, atoms, format="extxyz")
    return place.getvalue()


def shown(items: Iterable[Item], label: str, total: int | None = None) -> Iterable[Item]:
    """Yield items, and show on stderr how long the rest takes."""
    from rich.console import Console
    from rich.progress import track

    return track(items, label, total=total, console=Console(stderr=True), transient=True)
