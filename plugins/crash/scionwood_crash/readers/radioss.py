"""Read starter decks of Radioss and OpenRadioss as a mesh before the impact."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.deck_content import fitted
from scionwood_crash.readers.radioss_write import write_mesh_deck
from scionwood_crash.readers.sample import sample_series

_SOLIDS = ("BRICK", "BRIC20", "TETRA4", "TETRA10", "PENTA6", "SHEL16", "SPHCEL")
_OTHERS = (*_SOLIDS, "QUAD", "TRUSS", "BEAM", "SPRING", "XELEM")
_NAMES = {"mg": "t", "mus": "us", "µs": "us"}


@final
@dataclass
class _Deck:
    nodes: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    shells: list[tuple[int, int, list[int], float]] = field(default_factory=list)
    properties: dict[int, int] = field(default_factory=dict)
    thickness: dict[int, float] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    units: str | None = None


@final
class RadiossReader(CrashReader):
    """Reads nodes, shells, parts and thickness of a starter deck (`NAME_0000.rad`).

    The blocks are /BEGIN with its units, /NODE, /SHELL, /SH3N, /PART and /PROP/SHELL (/PROP/TYPE1).
    Other elements are left out with a warning. The thickness of a shell is that of its own line,
    else of its part's property, else `thickness`. Results of Radioss come as VTK: convert animation
    files with the program anim_to_vtk, and list them in a PVD file.

    Args:
        path: the deck.
        units: such as `mm, ms, kg`; `None` means those of /BEGIN.
        thickness: thickness of shells that have none in the deck.

    Shapes: positions, (node, xyz) float64, including nodes without a shell.

    Units: those of /BEGIN.

    Raises: ReadError, for a truncated deck (without /END), a damaged line, an include, a shell with
        missing nodes, no shells, or missing thickness.

    Source: Altair Radioss, "Reference Guide", Starter input, block format.
    """

    suffixes = (".rad",)
    format = "Radioss deck (.rad)"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a strip of three parts with triangles."""
        write_mesh_deck(sample_series().mesh, path, overwrite=True)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        deck = self._read()
        place = {number: at for at, number in enumerate(deck.nodes)}
        if deck.others and deck.shells:
            names = ", ".join(f"{count} {name}" for name, count in sorted(deck.others.items()))
            warnings.warn(f"{self.path.name}: {names} are left out", stacklevel=2)
        cells = [[place.get(node, -1) for node in nodes] for _, _, nodes, _ in deck.shells]
        parts = np.array([part for _, part, _, _ in deck.shells], np.int64)
        mesh = ShellMesh.build(
            np.array(list(deck.nodes.values())).reshape(-1, 3),
            np.array([row if len(row) == 4 else [*row, row[-1]] for row in cells]).reshape(-1, 4),
            0.0,
            part_ids=parts,
            node_ids=np.array(list(deck.nodes), np.int64),
            element_ids=np.array([number for number, _, _, _ in deck.shells], np.int64),
            units=self._units(deck.units),
        )
        thickness = [
            shell_thickness or deck.thickness.get(deck.properties.get(part, 0), 0.0)
            for _, part, _, shell_thickness in deck.shells
        ]
        return self._with_thickness(mesh, np.array(thickness)), np.zeros(1)

    def _frame(self, index: int) -> Frame:
        still = np.zeros_like(self.mesh.points)
        return Frame(still, np.ones(len(self.mesh.cells), bool))

    def _read(self) -> _Deck:
        deck, name, ended = _Deck(), [""], False
        self._lines: list[int] = []
        lines: list[tuple[int, str]] = []
        text = self.path.read_bytes().decode("latin-1").split("\n")
        for number, line in enumerate([*text, "/"], 1):
            if line.startswith("#include"):
                rule = f"{self.format}: line {number} includes another file"
                raise ReadError(str(self.path), rule, "Write the deck out as one file")
            if line.startswith("/"):
                self._take(deck, name, lines)
                ended = ended or line.startswith("/END")
                name, lines = line[1:].strip().upper().split("/"), []
                if ended:
                    break
            elif line.strip() and not line.startswith("#"):
                lines.append((number, line))
        if not ended:
            rule = f"{self.format}: /END is missing"
            raise ReadError(str(self.path), rule, "Is it truncated? Copy it again")
        return deck

    def _take(self, deck: _Deck, name: list[str], lines: list[tuple[int, str]]) -> None:
        number = lines[0][0] if lines else 0
        try:
            if name[0] == "BEGIN" and len(lines) > 2:
                words = lines[2][1].split()
                deck.units = ", ".join(_NAMES.get(word.lower(), word) for word in words[:3])
            elif name[0] == "NODE":
                for number, line in lines:
                    x, y, z = (float(line[at : at + 20] or 0) for at in (10, 30, 50))
                    if int(line[:10]) in deck.nodes:
                        raise ValueError(f"node {int(line[:10])} occurs twice")
                    deck.nodes[int(line[:10])] = (x, y, z)
                    self._lines.append(number - 1)
            elif name[0] in ("SHELL", "SH3N"):
                for number, line in lines:  # noqa: B007 - named in the error below
                    deck.shells.append(_shell(line, int(name[1]), 4 if name[0] == "SHELL" else 3))
            elif name[0] == "PART":
                number, line = lines[1]
                deck.properties[int(name[1])] = int(line[:10])
            elif name[0] == "PROP" and name[1] in ("SHELL", "TYPE1"):
                number, line = lines[3]
                deck.thickness[int(name[2])] = float(line[20:40] or 0)
            elif name[0] in _OTHERS:
                deck.others[name[0]] = deck.others.get(name[0], 0) + len(lines)
        except (ValueError, IndexError) as error:
            rule = f"{self.format}: line {number} (/{'/'.join(name)}) cannot be read ({error})"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again") from error

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        (after,) = list(states)
        lines = self.path.read_bytes().decode("latin-1").split("\n")
        for at, before, xyz in zip(
            self._lines, self.mesh.points.tolist(), after.tolist(), strict=True
        ):
            if before != xyz:
                text = "".join(fitted(value, 20) for value in xyz)
                lines[at] = lines[at][:10].ljust(10) + text + lines[at][70:]
        with atomic_path(target, overwrite=overwrite) as part:
            part.write_bytes("\n".join(lines).encode("latin-1"))


def _shell(line: str, part: int, count: int) -> tuple[int, int, list[int], float]:
    """Return element number, part, nodes and the element's own thickness, or 0."""
    fields = [int(line[at : at + 10]) for at in range(0, 10 * (count + 1), 10)]
    nodes = fields[1:]
    return fields[0], part, nodes, float(line[80:100].strip() or 0)
