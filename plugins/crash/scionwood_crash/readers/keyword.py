"""Read LS-DYNA keyword decks as a mesh before the impact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from scionwood import WriteError
from scionwood.authoring import atomic_path
from scionwood_crash.readers.deck import Deck, Node, read_deck
from scionwood_crash.readers.deck_content import fitted
from scionwood_crash.readers.deck_reader import DeckReader
from scionwood_crash.readers.sample import sample_series


@final
class KeywordReader(DeckReader):
    """Reads nodes, shells, parts and thickness of keyword decks: a series of one state.

    Supported are the standard, I10 and long formats and commas, *ELEMENT_SHELL with THICKNESS,
    BETA, MCID and OFFSET, *PARAMETER and *PARAMETER_EXPRESSION, and *INCLUDE, *INCLUDE_PATH and
    *INCLUDE_TRANSFORM of files in the deck's folder and below. Solids, beams, particles and
    encrypted blocks are left out with a warning. The thickness of a shell is the mean over its
    corners: of its own card, else of its part's section, else `thickness`. A deck without *END is
    read to its end, with a warning.

    *CONSTRAINED_SPOTWELD, *CONSTRAINED_NODAL_RIGID_BODY and *CONTACT_TIED_... become links of the
    mesh; see `readers.deck_links`. Other connections are named in a warning.

    Rigid walls, initial velocities, held nodes, added masses, rigid bodies and the hardening of the
    sheets become the numbers of the run and the field `held`; see `readers.deck_table`.

    Args:
        path: the deck.
        units: such as `mm, ms, kg`; decks do not state them. `None` takes those in which all of its
            materials are metals.
        thickness: thickness of shells that have none in the deck.

    Shapes: positions, (node, xyz) float64, including nodes without a shell.

    Units: those of the model, which the user states or the materials tell.

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

    def _read_deck(self) -> Deck:
        return read_deck(self.path)

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
