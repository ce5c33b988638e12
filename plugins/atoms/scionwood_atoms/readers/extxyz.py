"""Extended XYZ: frames of atoms, each with a comment line of keys and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_atoms.readers.structure import LARGEST, Structure, checked, refuse, tensor

KIND = "extended XYZ"


def read_extxyz(
    path: Path, *, energy: str = "energy", forces: str = "forces"
) -> Iterator[Structure]:
    """Yield the frames of an extended XYZ file, with the labels under the keys that are named.

    Units are A, eV and eV/A; stress is in eV/A^3, positive under tension. `ReadError` names the
    frame that is damaged or cut.

    Source: the format of ase, https://github.com/libAtoms/extxyz; a frame is read by ase.
    """
    with reading(path, KIND), path.open("rb") as file:
        index = -1
        for index, text in enumerate(_frames(path, file)):
            yield checked(path, KIND, index, _structure(path, index, text, energy, forces))
        if index < 0:
            raise ReadError(str(path), f"not {KIND}: the file has no frames", "Export it again")


def _frames(path: Path, file: BinaryIO) -> Iterator[str]:
    """Yield the text of each frame."""
    index = 0
    while line := file.readline():
        if not line.strip() and not file.read().strip():
            return  # empty lines at the end
        count = line.strip()
        if not re.fullmatch(rb"[0-9]{1,12}", count) or not int(count):
            rule = f"its first line is {count[:40]!r}, not a number of atoms"
            refuse(path, KIND, index, rule, "Is it an XYZ file? Correct this line")
        if int(count) > LARGEST:
            rule = f"it has {int(count):,} atoms, and {LARGEST:,} are the most"
            refuse(path, KIND, index, rule, "Cut out the part that you need")
        lines = [file.readline() for _ in range(int(count) + 1)]
        if not lines[-1].endswith(b"\n"):
            refuse(path, KIND, index, "it is cut: its last line does not end", "Copy it again")
        yield b"".join([line, *lines]).decode("utf-8")
        index += 1


def _structure(path: Path, index: int, text: str, energy: str, forces: str) -> Structure:
    from ase.io.extxyz import key_val_str_to_dict, read_xyz

    read, parse = cast(Any, read_xyz), cast(Any, key_val_str_to_dict)
    try:
        (atoms,) = read(StringIO(text), slice(None))
        values = dict(parse(text.split("\n")[1].strip()))
        # ase takes rows with more columns, and places all atoms at 0 where none is `pos`.
        if columns_stated := str(values.get("Properties", "")):
            words, rows = columns_stated.split(":"), text.splitlines()[2:]
            widths = {len(row.split()) for row in rows}
            if "pos" not in words[::3] or widths != {sum(map(int, words[2::3]))}:
                raise ValueError(f"its rows have other columns than {columns_stated}, or no pos")
    except Exception as error:  # ase raises what its parser meets
        rule = f"it cannot be read: {type(error).__name__} {error}"
        refuse(path, KIND, index, rule, "Correct its comment line or its columns")
    columns = {**atoms.arrays, **({} if atoms.calc is None else atoms.calc.results)}
    for name, present, where in ((energy, values, "key"), (forces, columns, "column")):
        if name not in ("energy", "forces") and name not in present:
            rule = f"it has no {where} {name!r}, but {', '.join(present) or f'no {where}'}"
            refuse(path, KIND, index, rule, "Give one of these")
    total, stress, pulls = values.pop(energy, None), values.pop("stress", None), columns.get(forces)
    try:
        if isinstance(total, bool | np.bool_):  # T is no number
            raise ValueError(str(total))
        number = None if total is None else float(np.asarray(total, dtype=np.float64).item())
    except (TypeError, ValueError) as error:
        refuse(path, KIND, index, f"its energy is not a number: {error}", "Correct it")
    square = tensor(path, KIND, index, None if stress is None else np.asarray(stress))
    if isinstance(periods := values.pop("pbc", True), str):  # ase takes any word for true
        refuse(path, KIND, index, f"its pbc is {periods!r}", 'Write three of T and F: "T T T"')
    return Structure(
        np.array(atoms.get_chemical_symbols(), dtype=str),
        atoms.positions,
        atoms.cell.array,
        atoms.pbc,
        number,
        None if pulls is None else np.asarray(pulls, dtype=np.float64),
        square,
        {key: str(v) for key, v in values.items() if key not in ("Lattice", "Properties")},
    )
