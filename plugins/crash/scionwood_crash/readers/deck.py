"""Parse nodes, shells, parts and thickness of LS-DYNA keyword decks.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *NODE, *ELEMENT_SHELL, *PART,
*SECTION_SHELL, *INCLUDE, *KEYWORD (long and I10 formats).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from scionwood import ReadError
from scionwood_crash.readers.deck_cards import take
from scionwood_crash.readers.deck_content import ONE_PART
from scionwood_crash.readers.deck_content import Block as Block
from scionwood_crash.readers.deck_content import Deck as Deck
from scionwood_crash.readers.deck_content import Node as Node
from scionwood_crash.readers.deck_include import Change, file_names, located, matrix_of
from scionwood_crash.readers.deck_table import DeckRow

_DEPTH = 16
_PGP = "-----BEGIN PGP"


def read_deck(path: Path) -> Deck:
    """Read a deck and the files that it includes.

    Raises:
        ReadError: the file is not a deck, is truncated, or includes a file outside its folder.
    """
    deck = Deck()
    _read_file(path, deck, path.parent.resolve(), ())
    if not deck.ended:
        rule = "keyword deck (.k): *END is missing"
        if not path.read_bytes().endswith(b"\n"):
            rule += ", and the last line is not complete"
            raise ReadError(str(path), rule, "Is it truncated? Copy it again; otherwise add *END")
        warnings.warn(f"{path.name}: {rule}; read to the end of the file", stacklevel=2)
    if deck.encrypted:
        text = f"{path.name}: {deck.encrypted} encrypted blocks are left out"
        warnings.warn(text, stacklevel=2)
    return deck


def _read_file(path: Path, deck: Deck, root: Path, above: tuple[Path, ...]) -> None:
    text = path.read_bytes().decode("latin-1")
    lines = text.split("\n")
    _check_text(path, text, lines)
    deck.encrypted += _blank_encrypted(lines)
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
        block = _block(name, form, cards, path, deck.parameters)
        if block.words[0] == "INCLUDE":
            _include(block, deck, root, (*above, path.resolve()))
        else:
            take(block, deck)


def _blank_encrypted(lines: list[str]) -> int:
    """Replace PGP messages, which LS-DYNA decrypts, by comments; return how many there are."""
    count, inside = 0, False
    for at, line in enumerate(lines):
        if line.startswith(_PGP):
            count, inside = count + 1, True
        if inside:
            lines[at] = "$"
            inside = not line.startswith("-----END PGP")
    return count


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


def _block(
    name: str, form: str, cards: list[tuple[int, str]], path: Path, parameters: Mapping[str, float]
) -> Block:
    bare = name.split()[0] if name.split() else ""
    for mark, meaning in (("+", "+"), ("%", "%"), ("-", "")):
        if bare.endswith(mark) or name.split()[1:2] == [mark]:
            bare, form = bare.rstrip("+-%"), meaning
    while cards and not cards[-1][1].strip():
        cards = cards[:-1]  # blank lines before the next keyword
    return Block(tuple(bare.split("_")), form, cards, path, parameters)


def _include(block: Block, deck: Deck, root: Path, above: tuple[Path, ...]) -> None:
    cards = [card for _, card in block.cards]
    if block.words[1:2] == ("PATH",):
        deck.paths += file_names(cards)
        return
    if block.words[1:] not in ((), ("TRANSFORM",)):
        rule = f"keyword deck (.k): *{'_'.join(block.words)} is not supported"
        raise ReadError(str(block.file), rule, "Write the deck out as one file")
    names = file_names(cards)
    for name in names if len(block.words) == 1 else names[:1]:
        file = located(name, block.file, root, deck.paths)
        if file in above or len(above) >= _DEPTH:
            rule = f"keyword deck (.k): the include {name!r} includes itself"
            raise ReadError(str(block.file), rule, "Put the includes beside the deck")
        if len(block.words) == 1:
            _read_file(file, deck, root, above)
            continue
        included = Deck(parameters=deck.parameters, transforms=deck.transforms, paths=deck.paths)
        _read_file(file, included, root, above)
        _merge(deck, included, _change(block, deck))


def _change(block: Block, deck: Deck) -> Change:
    """Return what the cards of *INCLUDE_TRANSFORM say, after the name of the file."""
    first = next(at for at, (_, text) in enumerate(block.cards) if not text.rstrip().endswith(" +"))
    rows = [block.fields(at, "") for at in range(first + 1, len(block.cards))]
    rows = [[*row, *[""] * 8] for row in [*rows, [], [], [], []][:4]]

    def number(row: int, column: int, kind: type[int] | type[float] = int) -> float:
        return block.number(min(first + 1 + row, len(block.cards) - 1), rows[row][column], kind)

    transform = int(number(3, 0))
    if transform and transform not in deck.transforms:
        rule = (
            f"keyword deck (.k): *DEFINE_TRANSFORMATION {transform} is not defined before its use"
        )
        raise ReadError(str(block.file), rule, "Move it before the include")
    matrix = matrix_of(deck.transforms.get(transform, []), block.file)
    node, element, part, material, sets = (int(number(0, column)) for column in range(5))
    length = number(2, 2, float) or 1.0
    # The curve is the function offset, IDFOFF, after the set offset.
    curve = int(number(0, 5))
    return Change(node, element, part, material, int(number(1, 0)), length, matrix, sets, curve)


def _merge(deck: Deck, included: Deck, change: Change) -> None:
    """Add the content of a transformed include to a deck."""
    for node in included.nodes:
        moved = replace(node, number=node.number + change.node, xyz=change.moved(node.xyz))
        deck.nodes.append(moved)
    for number, part, nodes, thickness in included.shells:
        shifted = tuple(node + change.node if node else 0 for node in nodes)
        thick = thickness * change.length
        deck.shells.append((number + change.element, part + change.part, shifted, thick))
    for part, section in included.sections.items():
        deck.sections[part + change.part] = section + change.section
        deck.materials[part + change.part] = included.materials[part] + change.material
    for section, thickness in included.thickness.items():
        deck.thickness[section + change.section] = thickness * change.length
    deck.rigid |= {material + change.material for material in included.rigid}
    deck.encrypted += included.encrypted
    for counts, added in ((deck.others, included.others), (deck.unread, included.unread)):
        for name, count in added.items():
            counts[name] = counts.get(name, 0) + count
    deck.understood += included.understood
    deck.left += included.left
    shifts = {"node": change.node, "part": change.part, "sets": change.sets}
    shifts |= {"material": change.material, "curve": change.curve}
    deck.records += [_moved(record.shifted(shifts), change) for record in included.records]
    _merge_joints(deck, included, change)


def _moved(record: DeckRow, change: Change) -> DeckRow:
    """Return a record with its points and directions velocity and scaled as the coordinates."""
    values = dict(record.values)
    for names in ("x y z", "hx hy hz"):
        if names[0] in values:
            values |= dict(zip(names.split(), change.moved(record.vector(names)), strict=True))
    if "vx" in values:
        velocity = change.matrix[:3, :3] @ (change.length * np.asarray(record.vector("vx vy vz")))
        values |= dict(zip(["vx", "vy", "vz"], velocity.tolist(), strict=True))
    values |= {name: values[name] * change.length for name in ("radius",) if name in values}
    return replace(record, values=values)


def _merge_joints(deck: Deck, included: Deck, change: Change) -> None:
    """Add the sets and the connections of a transformed include to a deck."""
    added = {"node": change.node, "segment": change.node, "part": change.part}
    added["shell"] = change.element
    for (number, kind), rows in included.sets.items():
        moved = [tuple(member + added[kind] if member else 0 for member in row) for row in rows]
        deck.sets.setdefault((number + change.sets, kind), []).extend(moved)
    for joint in included.joints:
        sides = tuple(
            (number + (change.part if kind == ONE_PART else change.sets), kind)
            for number, kind in joint.sides
        )
        nodes = tuple(node + change.node for node in joint.nodes)
        deck.joints.append(replace(joint, nodes=nodes, sides=sides))
