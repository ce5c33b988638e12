"""Extended XYZ: frames of atoms, each with a comment line of keys and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NoReturn, final

import numpy as np

from scionwood import Reader, Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, reading, writing
from scionwood_atoms.readers.structure import LARGEST, Structure, checked, refuse, tensor

KIND = "extended XYZ"
PLAIN = "species:S:1:pos:R:3"  # The columns of a plain XYZ file

QUANTITIES = ("x", "y", "z", "fx", "fy", "fz")


@final
class ExtxyzReader(Reader):
    """Read the frames of an extended XYZ file, with the labels under the keys that you name.

    Args:
        path: the file.
        energy: the key of the energy in the comment line.
        forces: the column of the forces.

    Attributes:
        path: the file.

    Shapes: a record is (atom, quantity) float64: x, y, z, and fx, fy, fz if the frame has forces.

    Units: positions A, forces eV/A; `structure` gives the energy in eV and the stress in eV/A^3.

    Raises:
        ReadError: the file is no extended XYZ, is cut, has a value that is not finite, an element
            that does not exist, or a frame with too many atoms. The message names the frame.

    Source: the format of ase, https://github.com/libAtoms/extxyz; its comment line is read by ase.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".xyz", ".extxyz")
    remote = ("structure",)
    dims = ("atom", "quantity")
    units: Mapping[str, str] = {"atom": "1", "quantity": "1", "data": "A, eV/A"}
    dtype = "float64"

    def __init__(self, path: str | Path, *, energy: str = "energy", forces: str = "forces") -> None:
        self.path, self.energy, self.forces = Path(path), energy, forces
        with reading(self.path, KIND), self.path.open("rb") as file:
            self._places = list(self._scan(file))
        if not self._places:
            self._refuse(0, "the file has no frames", "Export it again")

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            structure = self.structure(index)
            parts = [structure.positions]
            parts += [] if structure.forces is None else [structure.forces]
            data = np.concatenate(parts, axis=1)
            names = np.array(QUANTITIES[: data.shape[1]])
            key: dict[str, int | str] = {"frame": index, "formula": structure.formula}
            yield Record(key, data, {"atom": structure.symbols, "quantity": names})

    def structure(self, index: int) -> Structure:
        """Read a frame by its index, from 0.

        Raises:
            IndexError: there is no such frame.
            ReadError: the frame is damaged.
        """
        if not 0 <= index < len(self):
            rule = f"{self.path.name} has {len(self)} frames, counted from 0"
            raise IndexError(f"frame {index}: {rule}. Choose one of them")
        with reading(self.path, KIND):
            comment, rows = self._lines(index)
            values = self._values(index, comment)
            columns = self._columns(index, values.pop("Properties", PLAIN))
            table = self._table(index, rows, columns)
            return self._structure(index, values, columns, table)

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy with new positions and forces; all other text stays as it is.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, or the shape changed.
        """
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            texts = (self._changed(index, record, function) for index, record in enumerate(self))
            with part.open("wb") as file:
                file.writelines(texts)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a molecule with energy and forces, and a crystal of two atoms with stress."""
        stress = "0.01 0.0 0.0 0.0 0.01 0.0 0.0 0.0 0.01"
        path.write_text(
            "3\n"
            'Properties=species:S:1:pos:R:3:forces:R:3 energy=-14.2 pbc="F F F"\n'
            "O 0.0 0.0 0.12 0.0 0.0 0.25\n"
            "H 0.0 0.76 -0.47 0.0 -0.1 -0.125\n"
            "H 0.0 -0.76 -0.47 0.0 0.1 -0.125\n"
            "2\n"
            f'Lattice="0.0 2.7 2.7 2.7 0.0 2.7 2.7 2.7 0.0" energy=-10.8 stress="{stress}" '
            'Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T"\n'
            "Si 0.0 0.0 0.0 0.0 0.0 0.5\n"
            "Si 1.35 1.35 1.36 0.0 0.0 -0.5\n",
            "utf-8",
            newline="",
        )

    def _scan(self, file: BinaryIO) -> Iterator[tuple[int, int]]:
        """Yield where each frame starts, and its number of atoms."""
        index, start = 0, 0
        while line := file.readline():
            if not line.strip() and not file.read().strip():
                return  # empty lines at the end
            count = line.strip()
            if not re.fullmatch(rb"[0-9]{1,12}", count) or not int(count):
                rule = f"its first line is {count[:40]!r}, not a number of atoms"
                self._refuse(index, rule, "Is it an XYZ file? Correct this line")
            if int(count) > LARGEST:
                rule = f"it has {int(count):,} atoms, and {LARGEST:,} are the most"
                self._refuse(index, rule, "Cut out the part that you need")
            lines = [file.readline() for _ in range(int(count) + 1)]
            if not lines[-1].endswith(b"\n"):
                self._refuse(index, "it is cut: its last line does not end", "Copy the file again")
            yield start, int(count)
            index, start = index + 1, file.tell()

    def _lines(self, index: int) -> tuple[str, list[str]]:
        """Return the comment line and the lines of the atoms."""
        start, atoms = self._places[index]
        with self.path.open("rb") as file:
            file.seek(start)
            lines = [file.readline().decode("utf-8") for _ in range(atoms + 2)]
        return lines[1].strip(), lines[2:]

    def _values(self, index: int, comment: str) -> dict[str, Any]:
        from ase.io.extxyz import key_val_str_to_dict

        try:
            parse: Any = key_val_str_to_dict
            return dict(parse(comment))
        except Exception as error:  # ase raises what its parser meets
            self._refuse(index, f"its comment line cannot be read: {error}", "Correct it")

    def _columns(self, index: int, text: Any) -> dict[str, slice]:
        """Return the places of the named columns in a line."""
        parts, columns, at = str(text).split(":"), dict[str, slice](), 0
        triples = list(zip(parts[::3], parts[1::3], parts[2::3], strict=False))
        for name, kind, width in triples:
            if kind not in "SRIL" or not re.fullmatch("[1-9][0-9]{0,3}", width):
                break
            columns[name] = slice(at, at + int(width))
            at += int(width)
        wrong = len(columns) != len(triples) or len(parts) % 3
        sizes = {name: part.stop - part.start for name, part in columns.items()}
        if wrong or sizes.get("species") != 1 or sizes.get("pos") != 3:
            rule = f"Properties is {text!r}, and species:S:1 and pos:R:3 are needed"
            self._refuse(index, rule, "Correct its comment line")
        if self.forces != "forces" and self.forces not in columns:
            rule = f"it has no column {self.forces!r}, but {', '.join(columns)}"
            self._refuse(index, rule, "Give one of these as forces")
        if sizes.get(self.forces, 3) != 3:
            rule = f"its column {self.forces!r} has {sizes[self.forces]} numbers for an atom"
            self._refuse(index, rule, "Forces have three")
        return columns

    def _table(self, index: int, rows: list[str], columns: dict[str, slice]) -> np.ndarray:
        """Return the words of the lines, (atom, column)."""
        width = max(part.stop for part in columns.values())
        words = [row.split() for row in rows]
        for row, row_words in enumerate(words):
            if len(row_words) != width:
                rule = f"the line of atom {row} has {len(row_words)} words, and Properties"
                self._refuse(index, f"{rule} has {width}", "Correct the line")
        return np.array(words)

    def _structure(
        self, index: int, values: dict[str, Any], columns: dict[str, slice], table: np.ndarray
    ) -> Structure:
        symbols = table[:, columns["species"]][:, 0]
        positions = self._numbers(index, "pos", table[:, columns["pos"]])
        place = columns.get(self.forces)
        forces = None if place is None else self._numbers(index, self.forces, table[:, place])
        if self.energy != "energy" and self.energy not in values:
            rule = f"it has no key {self.energy!r}, but {', '.join(values) or 'no key'}"
            self._refuse(index, rule, "Give one of these as energy")
        energy = values.pop(self.energy, None)
        lattice, stress = values.pop("Lattice", None), values.pop("stress", None)
        cell = np.zeros((3, 3)) if lattice is None else self._numbers(index, "Lattice", lattice)
        if cell.size != 9:
            self._refuse(index, f"its Lattice has {cell.size} numbers", "Nine are needed")
        pbc = np.asarray(values.pop("pbc", lattice is not None))
        if pbc.dtype.kind not in "bi" or pbc.size not in (1, 3):
            self._refuse(index, f"its pbc is {pbc.tolist()!r}", 'Write three of T and F: "T T T"')
        square = None if stress is None else tensor(self._numbers(index, "stress", stress))
        if stress is not None and square is None:
            rule = "its stress is neither six numbers nor a symmetric tensor"
            self._refuse(index, rule, "Correct it")
        number = None if energy is None else self._numbers(index, self.energy, energy)
        if number is not None and number.size != 1:
            self._refuse(index, f"its energy has {number.size} numbers", "One is needed")
        one = Structure(
            symbols,
            positions,
            cell.reshape(3, 3).T,  # the file has it row by row, and ase reads it by columns
            np.broadcast_to(pbc.astype(bool), 3).copy(),
            None if number is None else float(number.ravel()[0]),
            forces,
            square,
            {str(key): str(value) for key, value in values.items()},
        )
        return checked(self.path, KIND, index, one)

    def _numbers(self, index: int, name: str, value: Any) -> np.ndarray:
        array = np.asarray(value)
        try:
            if array.dtype == bool:  # T is no number
                raise ValueError(str(value))
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            self._refuse(index, f"its {name} is not a number: {error}", "Correct it")

    def _changed(self, index: int, record: Record, function: RecordFunction) -> bytes:
        """Return the text of a frame, with the numbers that a function changes."""
        data = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
        if data.shape != record.data.shape:
            rule = f"the new data has shape {data.shape}, and frame {index} has {record.data.shape}"
            raise WriteError(str(self.path), rule, "Return data of the same shape")
        comment, _ = self._lines(index)
        columns = self._columns(index, self._values(index, comment).get("Properties", PLAIN))
        places = [*range(*columns["pos"].indices(10**6))]
        if data.shape[1] > 3:
            places += range(*columns[self.forces].indices(10**6))
        end = self._places[index + 1][0] if index + 1 < len(self) else None
        with self.path.open("rb") as file:
            file.seek(self._places[index][0])
            text = file.read(-1 if end is None else end - file.tell())
        lines = text.split(b"\n")
        for row in np.flatnonzero((data != record.data).any(1)):
            words = re.split(rb"(\s+)", lines[row + 2])
            shift = 0 if words[0] else 1  # a line may start with spaces
            for column, place in enumerate(places):
                if data[row, column] != record.data[row, column]:
                    words[2 * (place + shift)] = repr(float(data[row, column])).encode()
            lines[row + 2] = b"".join(words)
        return b"\n".join(lines)

    def _refuse(self, index: int, rule: str, remedy: str) -> NoReturn:
        refuse(self.path, f"not {KIND}", index, rule, remedy)
