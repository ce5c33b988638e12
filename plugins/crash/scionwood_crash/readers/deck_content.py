"""The content of a keyword deck, and the fields of its cards.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *KEYWORD (long and I10 formats).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from scionwood import ReadError
from scionwood_crash.readers.deck_parameters import substituted
from scionwood_crash.readers.deck_table import DeckRow

COLUMNS: dict[str, dict[str, tuple[int, ...]]] = {
    "NODE": {"": (8, 16, 16, 16), "%": (10, 16, 16, 16), "+": (20,) * 4},
    "ELEMENT_SHELL": {"": (8,) * 6, "%": (10,) * 6, "+": (20,) * 6},
    "": {"": (10,) * 8, "%": (10,) * 8, "+": (20,) * 8},
    "THICKNESS": {"": (16,) * 4, "%": (16,) * 4, "+": (20,) * 4},
}
"""Field widths of a card by keyword and format: standard, I10, long."""

_EXPONENT = re.compile(r"(?<=[0-9.])[dD]?([+-][0-9]+)$")
ONE_PART = "one part"
"""Kind of a side of a contact that is a part, and no set."""


@final
@dataclass(frozen=True)
class Node:
    """A node and its place in the deck.

    Attributes:
        number: node number.
        xyz: coordinates.
        line: line in its file, from 0.
        file: the file.
        widths: widths of its fields; empty if they are separated by commas.
    """

    number: int
    xyz: tuple[float, float, float]
    line: int
    file: Path
    widths: tuple[int, ...]


@final
@dataclass(frozen=True)
class Joint:
    """What a deck says of a connection between pieces, by the numbers of the model.

    Attributes:
        keyword: its keyword, without the options.
        nodes: the two nodes of a spot weld.
        sides: number and kind of the sets that are joined: the nodes of a rigid body, or the tied
            side of a contact and the surface. Kinds are those of `Deck.sets`, or `one part`.
    """

    keyword: str
    nodes: tuple[int, ...] = ()
    sides: tuple[tuple[int, str], ...] = ()


@final
@dataclass
class Deck:
    """The content of a deck and its includes.

    Attributes:
        nodes: nodes in the order of the deck.
        shells: element number, part, four nodes (0 or repeated for a triangle), and the mean
            thickness on the element's own card, or 0.
        sections: section of each part.
        materials: material of each part.
        thickness: thickness of each section.
        rigid: numbers of rigid materials.
        others: number of cards of other elements, by keyword.
        ended: whether *END was read.
        parameters: values by name.
        transforms: cards of each *DEFINE_TRANSFORMATION.
        paths: folders of *INCLUDE_PATH.
        encrypted: number of encrypted blocks, which are left out.
        joints: spot welds, nodal rigid bodies and tied contacts.
        sets: rows of numbers of each set, by its number and its kind: `node`, `part`, `shell` or
            `segment` (four nodes a row).
        unread: how often a keyword occurs that joins pieces in a way that is not read.
        records: what the table of keywords reads; see `readers.deck_table`.
        understood: how often each keyword occurs that is read.
        left: how often each other keyword occurs.
        faults: what is wrong with keywords of the table, which are left out.
        units: such as `mm, ms, kg`, if the deck states them.
        node_sets: kind of the sets that the column `set` of a record means.
    """

    nodes: list[Node] = field(default_factory=list)
    shells: list[tuple[int, int, tuple[int, ...], float]] = field(default_factory=list)
    sections: dict[int, int] = field(default_factory=dict)
    materials: dict[int, int] = field(default_factory=dict)
    thickness: dict[int, float] = field(default_factory=dict)
    rigid: set[int] = field(default_factory=set)
    others: dict[str, int] = field(default_factory=dict)
    ended: bool = False
    parameters: dict[str, float] = field(default_factory=dict)
    transforms: dict[int, list[list[str]]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    encrypted: int = 0
    joints: list[Joint] = field(default_factory=list)
    sets: dict[tuple[int, str], list[tuple[int, ...]]] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    records: list[DeckRow] = field(default_factory=list)
    understood: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    units: str | None = None
    node_sets: str = "node"


@final
@dataclass(frozen=True)
class Block:
    """A keyword with its cards.

    Attributes:
        words: the keyword, split at underscores.
        form: format of its cards: empty (standard), `%` (I10) or `+` (long).
        cards: lines without comments, each with its line number.
        file: the file.
        parameters: values of fields such as `&thick`, by name.
    """

    words: tuple[str, ...]
    form: str
    cards: list[tuple[int, str]]
    file: Path
    parameters: Mapping[str, float] = field(default_factory=dict)

    def fields(self, card: int, kind: str) -> list[str]:
        """Return the fields of a card without blanks.

        Raises:
            ReadError: the keyword ends before that card.
        """
        if card >= len(self.cards):
            rule = f"keyword deck (.k): *{'_'.join(self.words)} ends too early"
            raise ReadError(str(self.file), rule, "Is it truncated? Copy it again")
        text = self.cards[card][1]
        if "," in text:
            return [part.strip() for part in text.split(",")]
        fields, at = [], 0
        for width in COLUMNS[kind][self.form]:
            fields.append(text[at : at + width].strip())
            at += width
        return fields

    def numbers(self, card: int, widths: Sequence[int]) -> list[float]:
        """Return the numbers of a card with columns of these widths; missing ones are 0.

        Raises:
            ReadError: a field is not a number.
        """
        text = self.cards[card][1]
        if "," in text:
            fields = [part.strip() for part in text.split(",")]
        else:
            fields, at = [], 0
            for width in widths:
                wide = 20 if self.form == "+" else 10 if self.form == "%" and width == 8 else width
                fields.append(text[at : at + wide].strip())
                at += wide
        fields = [*fields, *[""] * len(widths)][: len(widths)]
        return [self.number(card, field, float) for field in fields]

    def number(self, card: int, text: str, kind: type[int] | type[float]) -> float:
        """Return a field as a number; an empty field is 0, and `&name` is a parameter.

        Raises:
            ReadError: the field is not a number.
        """
        if "&" in text:
            value = substituted(text, self.parameters)
            if value is not None:
                return kind(value)
        try:
            # Fortran may write 2.0-3 and 2.0d-3.
            return kind(_EXPONENT.sub(r"e\1", text) or 0)
        except ValueError as error:
            line = self.cards[card][0] + 1
            rule = f"keyword deck (.k): line {line} has {text!r} instead of a number"
            names = ", ".join(sorted(self.parameters)[:5]) or "none"
            remedy = f"Write the value out; known parameters: {names}"
            raise ReadError(str(self.file), rule, remedy) from error


def fitted(value: float, width: int) -> str:
    """Write a number in a given width; it is rounded only if it does not fit."""
    text = repr(value)
    digits = 17
    while len(text) > width:
        digits -= 1
        text = f"{value:.{digits}g}"
    return text.rjust(width)
