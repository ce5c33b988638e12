"""Read LS-DYNA keyword decks as a mesh before the impact."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError, WriteError
from scionwood.authoring import atomic_path
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.deck import Deck, Node, read_deck
from scionwood_crash.readers.deck_content import fitted
from scionwood_crash.readers.deck_links import links_of
from scionwood_crash.readers.sample import sample_series


@final
class KeywordReader(CrashReader):
    """Reads nodes, shells, parts and thickness of keyword decks: a series of one state.

    Supported are the standard, I10 and long formats and commas, *ELEMENT_SHELL with THICKNESS,
    BETA, MCID and OFFSET, *PARAMETER and *PARAMETER_EXPRESSION, and *INCLUDE, *INCLUDE_PATH and
    *INCLUDE_TRANSFORM of files in the deck's folder and below. Solids, beams, particles and
    encrypted blocks are left out with a warning. The thickness of a shell is the mean over its
    corners: of its own card, else of its part's section, else `thickness`. A deck without *END is
    read to its end, with a warning.

    *CONSTRAINED_SPOTWELD, *CONSTRAINED_NODAL_RIGID_BODY and *CONTACT_TIED_... become links of the
    mesh; see `readers.deck_links`. Other connections are named in a warning.

    Args:
        path: the deck.
        units: such as `mm, ms, kg`; decks do not state them.
        thickness: thickness of shells that have none in the deck.

    Shapes: positions, (node, xyz) float64, including nodes without a shell.

    Units: those of the model, which the user states.

    Raises: ReadError, for a truncated deck (without *END, in the middle of a line), repeated nodes,
        a shell with missing nodes, no shells, an unknown parameter, an include outside its folder,
        or missing thickness.

    Source: LSTC, "LS-DYNA Keyword User's Manual", volume I.
    """

    suffixes = (".k", ".key", ".dyn")
    beside = True
    format = "keyword deck (.k)"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a strip of three parts with a rigid part and triangles, in the standard format."""
        mesh = sample_series().mesh
        lines = ["*KEYWORD", "*NODE"]
        for number, (x, y, z) in zip(mesh.node_ids, mesh.points.tolist(), strict=True):
            lines.append(f"{number:8d}{x:16.8f}{y:16.8f}{z:16.8f}")
        for number in np.unique(mesh.part_ids):
            chosen = mesh.part_ids == number
            material = 1 if number in mesh.rigid_parts else 2
            lines += ["*PART", f"part {number}", f"{number:10d}{number:10d}{material:10d}"]
            thick = "".join(f"{mesh.thickness[chosen][0]:10.3f}" for _ in range(4))
            lines += ["*SECTION_SHELL", f"{number:10d}{2:10d}", thick, "*ELEMENT_SHELL"]
            for index in np.flatnonzero(chosen):
                nodes = mesh.node_ids[mesh.cells[index]]
                row = [mesh.element_ids[index], number, *nodes]
                lines.append("".join(f"{value:8d}" for value in row))
        lines += ["*MAT_RIGID", f"{1:10d}{7.85e-6:10.2e}{210.0:10.1f}{0.3:10.1f}", "*END", ""]
        path.write_text("\n".join(lines))

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        deck = self._deck = read_deck(self.path)
        if not deck.nodes:
            raise ReadError(str(self.path), f"{self.format}: it has no *NODE", "Name the main deck")
        numbers = np.array([node.number for node in deck.nodes], np.int64)
        shells = deck.shells
        if not shells and deck.others:
            rule = f"{self.format}: it has no shells, only {', '.join(sorted(deck.others))}"
            raise ReadError(str(self.path), rule, "Only thin shells can be read")
        if deck.others:
            names = ", ".join(f"{count} {name}" for name, count in sorted(deck.others.items()))
            warnings.warn(f"{self.path.name}: {names} are left out", stacklevel=2)
        cells = self._cells(numbers, [nodes for _, _, nodes, _ in shells])
        parts = np.array([part for _, part, _, _ in shells], np.int64)
        mesh = ShellMesh.build(
            np.array([node.xyz for node in deck.nodes]),
            cells,
            0.0,
            part_ids=parts,
            node_ids=numbers,
            element_ids=np.array([number for number, _, _, _ in shells], np.int64),
            units=self._units(None),
            rigid_parts=frozenset(
                part for part in np.unique(parts).tolist() if deck.materials.get(part) in deck.rigid
            ),
        )
        thicknesses = np.array([thickness for _, _, _, thickness in shells])
        mesh = self._with_thickness(
            mesh, np.where(thicknesses > 0, thicknesses, _of_parts(deck, parts))
        )
        return self._linked(mesh), np.zeros(1)

    def _linked(self, mesh: ShellMesh) -> ShellMesh:
        """Return the mesh with the welds and ties of the deck; what is not read is named."""
        if (mesh.cells < 0).any():
            return mesh  # refused by the checks of the mesh
        links, remarks = links_of(self._deck, mesh)
        if remarks:
            warnings.warn(f"{self.path.name}: {'; '.join(remarks)}", stacklevel=2)
        return replace(mesh, links=links)

    def _frame(self, index: int) -> Frame:
        still = np.zeros_like(self.mesh.points)
        return Frame(still, np.ones(len(self.mesh.cells), bool))

    def _cells(self, numbers: np.ndarray, shells: list[tuple[int, ...]]) -> np.ndarray:
        """Return node indices; the last node of a triangle may be 0 or repeat the third."""
        nodes = np.array(shells, np.int64).reshape(-1, 4)
        nodes[:, 3] = np.where(nodes[:, 3] == 0, nodes[:, 2], nodes[:, 3])
        order = np.argsort(numbers)
        places = np.searchsorted(numbers, nodes, sorter=order)
        indices = order[np.minimum(places, len(numbers) - 1)]
        return np.where(numbers[indices] == nodes, indices, -1)

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        if any(node.file != self.path for node in self._deck.nodes):
            rule = "its nodes are in included files, which cannot be rewritten"
            raise WriteError(str(self.path), rule, "Write the deck out as one file")
        with atomic_path(target, overwrite=overwrite) as part:
            (after,) = list(states)
            lines = self.path.read_bytes().decode("latin-1").split("\n")
            for node, xyz in zip(self._deck.nodes, after.tolist(), strict=True):
                if tuple(xyz) != node.xyz:
                    lines[node.line] = _rewritten(lines[node.line], node, xyz)
            part.write_bytes("\n".join(lines).encode("latin-1"))


def _of_parts(deck: Deck, parts: np.ndarray) -> np.ndarray:
    """Return the thickness of each element's section, (element,), or 0."""
    names, places = np.unique(parts, return_inverse=True)
    thicknesses = [deck.thickness.get(deck.sections.get(part, -1), 0.0) for part in names.tolist()]
    return np.array(thicknesses)[places] if thicknesses else np.empty(0)


def _rewritten(line: str, node: Node, xyz: list[float]) -> str:
    if not node.widths:
        fields = line.split(",")
        fields[1:4] = [repr(value) for value in xyz]
        return ",".join(fields)
    at = node.widths[0]
    text = line[:at].ljust(at)
    for width, value in zip(node.widths[1:], xyz, strict=True):
        text += fitted(value, width)
    return text + line[sum(node.widths) :]
