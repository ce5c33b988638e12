"""Parse nodes, shells, parts and thickness of LS-DYNA keyword decks.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *NODE, *ELEMENT_SHELL, *PART,
*SECTION_SHELL, *INCLUDE, *KEYWORD (long and I10 formats).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from scionwood import ReadError

_DEPTH = 16
_EXTRA = {"THICKNESS": 1, "BETA": 1, "MCID": 1, "OFFSET": 1}
"""Cards for the options of *ELEMENT_SHELL; the first three options share one card."""

_COLUMNS: dict[str, dict[str, tuple[int, ...]]] = {
    "NODE": {"": (8, 16, 16, 16), "%": (10, 16, 16, 16), "+": (20,) * 4},
    "ELEMENT_SHELL": {"": (8,) * 6, "%": (10,) * 6, "+": (20,) * 6},
    "": {"": (10,) * 8, "%": (10,) * 8, "+": (20,) * 8},
    "THICKNESS": {"": (16,) * 4, "%": (16,) * 4, "+": (20,) * 4},
}
"""Field widths of a card by keyword and format: standard, I10, long."""


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
    """

    nodes: list[Node] = field(default_factory=list)
    shells: list[tuple[int, int, tuple[int, ...], float]] = field(default_factory=list)
    sections: dict[int, int] = field(default_factory=dict)
    materials: dict[int, int] = field(default_factory=dict)
    thickness: dict[int, float] = field(default_factory=dict)
    rigid: set[int] = field(default_factory=set)
    others: dict[str, int] = field(default_factory=dict)
    ended: bool = False


@final
@dataclass(frozen=True)
class Block:
    """A keyword with its cards.

    Attributes:
        words: the keyword, split at underscores.
        form: format of its cards: empty (standard), `%` (I10) or `+` (long).
        cards: lines without comments, each with its line number.
        file: the file.
    """

    words: tuple[str, ...]
    form: str
    cards: list[tuple[int, str]]
    file: Path

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
        for width in _COLUMNS[kind][self.form]:
            fields.append(text[at : at + width].strip())
            at += width
        return fields

    def number(self, card: int, text: str, kind: type[int] | type[float]) -> float:
        """Return a field as a number; an empty field is 0.

        Raises:
            ReadError: the field is not a number.
        """
        try:
            return kind(text or 0)
        except ValueError as error:
            line = self.cards[card][0] + 1
            rule = f"keyword deck (.k): line {line} has {text!r} instead of a number"
            remedy = "Parameters (&name) are not supported; write the values out"
            raise ReadError(str(self.file), rule, remedy) from error


def read_deck(path: Path) -> Deck:
    """Read a deck and the files that it includes.

    Raises:
        ReadError: the file is not a deck, is truncated, or includes a file outside its folder.
    """
    deck = Deck()
    _read_file(path, deck, path.parent.resolve(), ())
    if not deck.ended:
        rule = "keyword deck (.k): *END is missing"
        raise ReadError(str(path), rule, "Is it truncated? Copy it again; otherwise add *END")
    return deck


def _read_file(path: Path, deck: Deck, root: Path, above: tuple[Path, ...]) -> None:
    text = path.read_bytes().decode("latin-1")
    lines = text.split("\n")
    _check_text(path, text, lines)
    form, at = "", 0
    while at < len(lines):
        line = lines[at].rstrip()
        at += 1
        if not line.startswith("*"):
            continue
        cards: list[tuple[int, str]] = []
        while at < len(lines) and not lines[at].startswith("*"):
            if not lines[at].startswith("$"):
                cards.append((at, lines[at].rstrip("\r\n")))
            at += 1
        name = line[1:].upper()
        if name.startswith("KEYWORD"):
            form = _format(name, form)
            continue
        if name.split()[:1] == ["END"]:
            deck.ended = deck.ended or not above
            return
        block = _block(name, form, cards, path)
        if block.words[0] == "INCLUDE":
            _include(block, deck, root, (*above, path.resolve()))
        else:
            _take(block, deck)


def _check_text(path: Path, text: str, lines: list[str]) -> None:
    first = next((line for line in lines if line.strip() and not line.startswith("$")), "")
    if "\0" in text or not first.startswith("*"):
        rule = "it is not a keyword deck (.k): its first line is not a keyword such as *NODE"
        raise ReadError(str(path), rule, "Is it encrypted or binary? Export it as keywords")


def _format(name: str, form: str) -> str:
    options = name.replace(" ", "")
    if "LONG=Y" in options or "LONG=S" in options:
        return "+" if "LONG=Y" in options else ""
    return "%" if "I10=Y" in options else form


def _block(name: str, form: str, cards: list[tuple[int, str]], path: Path) -> Block:
    bare = name.split()[0] if name.split() else ""
    for mark, meaning in (("+", "+"), ("%", "%"), ("-", "")):
        if bare.endswith(mark) or name.split()[1:2] == [mark]:
            bare, form = bare.rstrip("+-%"), meaning
    while cards and not cards[-1][1].strip():
        cards = cards[:-1]  # blank lines before the next keyword
    return Block(tuple(bare.split("_")), form, cards, path)


def _include(block: Block, deck: Deck, root: Path, above: tuple[Path, ...]) -> None:
    if len(block.words) > 1:
        rule = f"keyword deck (.k): *{'_'.join(block.words)} is not supported"
        raise ReadError(str(block.file), rule, "Write the deck out as one file")
    for _, card in block.cards:
        file = (block.file.parent / card.strip()).resolve()
        rule = ""
        if not file.is_relative_to(root):
            rule = "lies outside the folder of the deck"
        elif not file.is_file():
            rule = "does not exist"
        elif file in above or len(above) >= _DEPTH:
            rule = "includes itself"
        if rule:
            text = f"keyword deck (.k): the include {card.strip()!r} {rule}"
            raise ReadError(str(block.file), text, "Put the includes beside the deck")
        _read_file(file, deck, root, above)


def _take(block: Block, deck: Deck) -> None:
    takers: dict[str, Callable[[Block, Deck], None]] = {
        "NODE": _nodes,
        "PART": _parts,
        "SECTION_SHELL": _sections,
        "ELEMENT_SHELL": _shells,
        "MAT_RIGID": _rigid,
        "MAT_020": _rigid,
    }
    words = block.words
    for key in ("_".join(words[:2]), words[0]):
        if key == "NODE" and len(words) > 1:
            return
        if key in takers:
            takers[key](block, deck)
            return
    if words[0] == "ELEMENT":
        name = "_".join(words)
        deck.others[name] = deck.others.get(name, 0) + len(block.cards)


def _nodes(block: Block, deck: Deck) -> None:
    for card, (line, text) in enumerate(block.cards):
        fields = [*block.fields(card, "NODE"), "", "", ""]
        x, y, z = (block.number(card, item, float) for item in fields[1:4])
        widths = () if "," in text else _COLUMNS["NODE"][block.form]
        number = int(block.number(card, fields[0], int))
        deck.nodes.append(Node(number, (x, y, z), line, block.file, widths))


def _shells(block: Block, deck: Deck) -> None:
    options = set(block.words[2:])
    unknown = options - set(_EXTRA)
    if unknown:
        rule = f"keyword deck (.k): *{'_'.join(block.words)} is not supported"
        raise ReadError(str(block.file), rule, f"Supported options: {', '.join(_EXTRA)}")
    own = bool(options & {"THICKNESS", "BETA", "MCID"})
    step = 1 + own + ("OFFSET" in options)
    for card in range(0, len(block.cards), step):
        fields = [*block.fields(card, "ELEMENT_SHELL"), *[""] * 6]
        numbers = [int(block.number(card, item, int)) for item in fields[:6]]
        thickness = 0.0
        if own:
            texts = block.fields(card + 1, "THICKNESS")[:4]
            thickness = _mean([block.number(card + 1, item, float) for item in texts])
        deck.shells.append((numbers[0], numbers[1], tuple(numbers[2:]), thickness))


def _parts(block: Block, deck: Deck) -> None:
    # *PART_INERTIA and similar keywords have more cards: only their first part is read.
    plain = len(block.words) == 1
    for card in range(1, len(block.cards) if plain else 2, 2):
        fields = [int(block.number(card, item, int)) for item in block.fields(card, "")[:3]]
        part, section, material = [*fields, 0, 0][:3]
        deck.sections[part], deck.materials[part] = section, material


def _sections(block: Block, deck: Deck) -> None:
    titled = "TITLE" in block.words
    card = 0
    while card < len(block.cards):
        card += titled
        first = [*block.fields(card, ""), *[""] * 8]
        section = int(block.number(card, first[0], int))
        layers, composite = (int(block.number(card, first[at], float)) for at in (3, 6))
        texts = block.fields(card + 1, "")[:4]
        deck.thickness[section] = _mean([block.number(card + 1, item, float) for item in texts])
        card += 2 + (-(-layers // 8) if composite == 1 else 0)
        if set(block.words[2:]) - {"TITLE"}:
            return  # *SECTION_SHELL_EFG and similar keywords have other cards


def _rigid(block: Block, deck: Deck) -> None:
    card = int("TITLE" in block.words)
    deck.rigid.add(int(block.number(card, block.fields(card, "")[0], int)))


def _mean(values: list[float]) -> float:
    """Return the mean of the positive corner thicknesses, or 0."""
    given = [value for value in values if value > 0]
    return sum(given) / len(given) if given else 0.0
