"""What the readers of decks share: from the content of a deck to a mesh and its impact."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.impact import CLAMPED_FIELD
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.deck_content import Deck
from scionwood_crash.readers.deck_links import links_of
from scionwood_crash.readers.deck_setup import guessed_units, setup_of


class DeckReader(CrashReader):
    """A reader of a deck: a series of one state, with what the deck says of the impact.

    Attributes:
        settings: numbers of the impact and the sheets under our own names, in its units.
        understood: how often each keyword occurs that is read.
        left: how often each other keyword of the model occurs.
        remarks: sentences on what does not fit or is not read.
    """

    settings: dict[str, float]
    understood: dict[str, int]
    left: dict[str, int]
    remarks: list[str]

    @abstractmethod
    def _read_deck(self) -> Deck:
        """Return the content of the deck."""

    def features(self) -> Mapping[str, float]:
        """Return what the deck states; `global_features.json` beside it takes precedence."""
        return {**self.settings, **super().features()}

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        deck = self._deck = self._read_deck()
        if not deck.nodes:
            raise ReadError(
                str(self.path), f"{self.format}: it has no *NODE or /NODE", "Name the main deck"
            )
        if not deck.shells and deck.others:
            rule = f"{self.format}: it has no shells, only {', '.join(sorted(deck.others))}"
            raise ReadError(str(self.path), rule, "Only thin shells can be read")
        if deck.others:
            names = ", ".join(f"{count} {name}" for name, count in sorted(deck.others.items()))
            warnings.warn(f"{self.path.name}: {names} are left out", stacklevel=2)
        mesh = self._mesh(deck)
        self.settings, self._clamped, self.remarks = {}, None, [*deck.faults]
        self.understood, self.left = dict(deck.understood), dict(deck.left)
        if not (mesh.cells < 0).any():  # otherwise the checks of the mesh refuse it
            links, remarks = links_of(deck, mesh)
            if remarks:
                warnings.warn(f"{self.path.name}: {'; '.join(remarks)}", stacklevel=2)
            mesh = replace(mesh, links=links)
            setup = setup_of(deck, mesh)
            self.settings, self._clamped = setup.features, setup.clamped
            self.remarks += [*setup.remarks, *remarks]
        return mesh, np.zeros(1)

    def _mesh(self, deck: Deck) -> ShellMesh:
        numbers = np.array([node.number for node in deck.nodes], np.int64)
        parts = np.array([part for _, part, _, _ in deck.shells], np.int64)
        rigid = {
            part for part in np.unique(parts).tolist() if deck.materials.get(part) in deck.rigid
        }
        mesh = ShellMesh.build(
            np.array([node.xyz for node in deck.nodes]),
            _cells(numbers, [nodes for _, _, nodes, _ in deck.shells]),
            0.0,
            part_ids=parts,
            node_ids=numbers,
            element_ids=np.array([number for number, _, _, _ in deck.shells], np.int64),
            units=self._units(deck.units or (None if self._given else guessed_units(deck))),
            rigid_parts=frozenset(rigid),
        )
        element_thickness = np.array([thickness for _, _, _, thickness in deck.shells])
        return self._with_thickness(
            mesh, np.where(element_thickness > 0, element_thickness, _of_parts(deck, parts))
        )

    def _frame(self, index: int) -> Frame:
        still = np.zeros_like(self.mesh.points)
        fields = {} if self._clamped is None else {CLAMPED_FIELD: self._clamped.astype(np.float64)}
        return Frame(still, np.ones(len(self.mesh.cells), bool), point_fields=fields)


def _cells(numbers: np.ndarray, shells: list[tuple[int, ...]]) -> np.ndarray:
    """Return node indices; the last node of a triangle may be 0 or repeat the third."""
    nodes = np.array(shells, np.int64).reshape(-1, 4)
    nodes[:, 3] = np.where(nodes[:, 3] == 0, nodes[:, 2], nodes[:, 3])
    order = np.argsort(numbers)
    places = np.searchsorted(numbers, nodes, sorter=order)
    indices = order[np.minimum(places, len(numbers) - 1)]
    return np.where(numbers[indices] == nodes, indices, -1)


def _of_parts(deck: Deck, parts: np.ndarray) -> np.ndarray:
    """Return the thickness of each element's section, (element,), or 0."""
    names, places = np.unique(parts, return_inverse=True)
    thicknesses = [deck.thickness.get(deck.sections.get(part, -1), 0.0) for part in names.tolist()]
    return np.array(thicknesses)[places] if thicknesses else np.empty(0)
