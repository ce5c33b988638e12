"""Includes of keyword decks: where the files lie, and how *INCLUDE_TRANSFORM changes them.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *INCLUDE, *DEFINE_TRANSFORMATION.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError

_TOLERANCE = 1e-6  # two orders of transformations agree if the matrices differ by less, relatively


@final
@dataclass(frozen=True)
class Change:
    """What *INCLUDE_TRANSFORM adds to the numbers of a file, and what it does to its coordinates.

    Attributes:
        node: added to node numbers.
        element: added to element numbers.
        part: added to part numbers.
        material: added to material numbers.
        section: added to section numbers.
        length: factor of all lengths.
        matrix: (4, 4), of coordinates.
        sets: added to set numbers.
        curve: added to numbers of curves.
    """

    node: int
    element: int
    part: int
    material: int
    section: int
    length: float
    matrix: np.ndarray
    sets: int = 0
    curve: int = 0

    def moved(self, xyz: Sequence[float]) -> tuple[float, float, float]:
        """Return coordinates in the deck that includes the file."""
        x, y, z = self.matrix[:3, :3] @ (self.length * np.asarray(xyz)) + self.matrix[:3, 3]
        return float(x), float(y), float(z)


def file_names(cards: Sequence[str]) -> list[str]:
    """Return the names on the cards of *INCLUDE; a name goes on after ` +` at the end of a line."""
    names, open_ = [], ""
    for card in cards:
        text = card.strip()
        if text.endswith(" +"):
            open_ += text[:-2].rstrip()
        elif text:
            names.append(open_ + text)
            open_ = ""
    return names


def located(name: str, deck: Path, root: Path, paths: Sequence[str]) -> Path:
    """Return the file of an include: beside the deck, or in a folder of *INCLUDE_PATH.

    Args:
        name: as the deck writes it.
        deck: the deck that includes it.
        root: the folder of the main deck; files outside of it are not read.
        paths: the folders of *INCLUDE_PATH.

    Raises:
        ReadError: there is no such file below the folder of the deck.
    """
    text = name.replace("\\", "/")
    places = [deck.parent, root, *(root / folder.replace("\\", "/") for folder in paths)]
    files = [(place / text).resolve() for place in places]
    inside = [file for file in files if file.is_relative_to(root)]
    for file in inside:
        if file.is_file():
            return file
    rule = "does not exist" if inside else "lies outside the folder of the deck"
    text = f"deck: the include {name!r} {rule}"
    raise ReadError(str(deck), text, "Put the includes beside the deck")


def matrix_of(cards: Sequence[Sequence[str]], deck: Path) -> np.ndarray:
    """Return the matrix (4, 4) of a *DEFINE_TRANSFORMATION.

    Sources differ on which of several transformations comes first, so an order that matters is
    refused.

    Args:
        cards: option and parameters of each.
        deck: for messages.

    Raises:
        ReadError: an option is not supported, or the order of several transformations matters.
    """
    steps = [
        _step(card[0].upper(), [float(field or 0) for field in card[1:8]], deck) for card in cards
    ]
    forward, backward = np.eye(4), np.eye(4)
    for step in steps:
        forward, backward = step @ forward, backward @ step
    if np.abs(forward - backward).max(initial=0) > _TOLERANCE * max(1.0, np.abs(forward).max()):
        names = ", ".join(card[0] for card in cards)
        rule = f"keyword deck (.k): the order of *DEFINE_TRANSFORMATION ({names}) matters"
        raise ReadError(str(deck), rule, "Write the transformed include out as a file")
    return forward


def _step(option: str, values: list[float], deck: Path) -> np.ndarray:
    values = [*values, *[0.0] * 7][:7]
    out = np.eye(4)
    if option == "TRANSL":
        out[:3, 3] = values[:3]
    elif option == "SCALE":
        out[:3, :3] = np.diag([value or 1.0 for value in values[:3]])
    elif option == "ROTATE" and any(values[3:]) and any(values[:3]):
        out[:3, :3] = _rotation(np.array(values[:3]), np.radians(values[6]))
        centre = np.array(values[3:6])
        out[:3, 3] = centre - out[:3, :3] @ centre
    else:
        rule = f"keyword deck (.k): *DEFINE_TRANSFORMATION {option} is not supported"
        remedy = "Use TRANSL, SCALE, or ROTATE by axis and angle, or write the include out"
        raise ReadError(str(deck), rule, remedy)
    return out


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation about an axis, by Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
