"""Structures of a file as atoms of ase, and a file that stays valid while it grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from scionwood.authoring import check_target, reading, writing
from scionwood_atoms.data.labels import LabelError
from scionwood_atoms.readers.extxyz import KIND, ExtxyzReader

MOVING = {"numbers", "positions", "momenta", "masses", "tags"}
"""What a structure keeps when its atoms move; other columns would belong to the old places."""

Item = TypeVar("Item")
Write = Callable[[Any], None]
"""Appends one structure with the results of its calculator."""


def read_structures(path: str | Path, *, moving: bool = False) -> list[Any]:
    """Return structures with momenta, masses and fixed atoms (the column `move_mask`).

    Raises:
        ReadError: the file is damaged.
        LabelError: a structure has a charge.
    """
    import ase.io

    with ExtxyzReader(path) as reader:
        for index in range(len(reader)):
            reader.structure(index)  # which names what is damaged
    with reading(path, KIND):
        frames = list(ase.io.iread(path, ":", format="extxyz"))
    for index, atoms in enumerate(frames):
        charge = atoms.info.get("charge", atoms.info.get("total_charge", 0))
        if str(charge) not in ("0", "0.0", "None"):
            rule = f"its charge is {charge}, and the potentials know neutral structures alone"
            raise LabelError(f"{Path(path).name}, frame {index}", rule, "Leave the frame out")
        atoms.calc = None
        if moving:
            atoms.info = {}
            for name in set(atoms.arrays) - MOVING:
                del atoms.arrays[name]
    return frames


def appender(target: str | Path, *, overwrite: bool = False) -> Write:
    """Return a function that appends a whole structure to an extended XYZ file at once.

    The file is valid wherever the work stops. The first structure replaces an old file.

    Args:
        target: the file.
        overwrite: replace a file that exists; otherwise it is refused.
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
