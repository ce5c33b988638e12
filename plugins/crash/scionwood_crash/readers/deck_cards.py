"""The cards of nodes, shells, parts, sections and parameters.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *NODE, *ELEMENT_SHELL, *PART,
*SECTION_SHELL, *PARAMETER, *DEFINE_TRANSFORMATION.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scionwood import ReadError
from scionwood_crash.readers import deck_joints
from scionwood_crash.readers.deck_content import COLUMNS, Block, Deck, Node
from scionwood_crash.readers.deck_parameters import declared
from scionwood_crash.readers.deck_table import DYNA_KEYWORDS

_EXTRA = {"THICKNESS": 1, "BETA": 1, "MCID": 1, "OFFSET": 1}
"""Cards for the options of *ELEMENT_SHELL; the first three options share one card."""
_HEADED = ("TITLE", "ID")
_OPTIONS = {"MOVING", "MOTION", "FINITE", "ORTHO", "FORCES", "DISPLAY"}
"""Options of rigid walls."""
_SILENT = ("DATABASE", "CONTROL", "HOURGLASS", "TITLE", "COMMENT", "PARAMETER", "SENSOR")
"""First words of keywords that say nothing of the model."""


def take(block: Block, deck: Deck) -> None:
    """Add the cards of a keyword to a deck; keywords that say nothing of the mesh are skipped."""
    takers: dict[str, Callable[[Block, Deck], None]] = {
        "NODE": _nodes,
        "PART": _parts,
        "SECTION_SHELL": _sections,
        "ELEMENT_SHELL": _shells,
        "PARAMETER": _parameters,
        "DEFINE_TRANSFORMATION": _transformation,
    }
    words = block.words
    name = "_".join(word for word in words if word not in _HEADED)
    is_known = _read_by_table(block, deck)
    for key in ("_".join(words[:2]), words[0]):
        if key in takers and (key != "NODE" or len(words) == 1):
            takers[key](block, deck)
            is_known = True
            break
    else:
        if deck_joints.take(block, deck):
            is_known = name not in deck.unread
        elif words[0] == "ELEMENT" and not is_known:
            deck.others[name] = deck.others.get(name, 0) + len(block.cards)
    if words[0] not in _SILENT:
        (deck.understood if is_known else deck.left)[name] += 1


def _read_by_table(block: Block, deck: Deck) -> bool:
    """Add what the table reads of a keyword, and return whether it knows it."""
    words = [word for word in block.words if word not in _HEADED]
    at = len(words)
    while at and "_".join(words[:at]) not in DYNA_KEYWORDS:
        at -= 1
    options = set(words[at:])
    if not at or options - _OPTIONS:
        return False
    first = int(len(words) < len(block.words))
    cards = replace(block, cards=block.cards[first:])
    keyword = DYNA_KEYWORDS["_".join(words[:at])]
    try:
        records = keyword.records(len(cards.cards), cards.numbers)
    except ReadError as error:  # the mesh is readable without it
        deck.faults.append(error.rule)
        return False
    if options & {"MOVING", "MOTION"}:
        moving = "MOVING" in options
        place = len(keyword.cards) + moving * (2 * ("ORTHO" in options) + ("FINITE" in options))
        names = ("mass", "speed") if moving else ("curve", "is_displaced", "vx", "vy", "vz")
        more = cards.numbers(place, [10] * len(names)) if place < len(cards.cards) else []
        extra = dict(zip(names, more, strict=False))
        records = [replace(records[0], values={**records[0].values, **extra})]
    deck.records += records
    deck.rigid |= {int(record["number"]) for record in records if record.kind == "rigid"}
    return True


def _parameters(block: Block, deck: Deck) -> None:
    # A parameter that cannot be evaluated is an error where it is used.
    declared([text for _, text in block.cards], block.words, deck.parameters)


def _transformation(block: Block, deck: Deck) -> None:
    titled = int("TITLE" in block.words)
    rows = [block.fields(card, "") for card in range(titled, len(block.cards))]
    number = int(block.number(titled, rows[0][0], int)) if rows else 0
    for at, row in enumerate(rows[1:], titled + 1):
        values = [str(block.number(at, text, float)) if "&" in text else text for text in row[1:]]
        deck.transforms.setdefault(number, []).append([row[0], *values])


def _nodes(block: Block, deck: Deck) -> None:
    for card, (line, text) in enumerate(block.cards):
        fields = [*block.fields(card, "NODE"), "", "", ""]
        x, y, z = (block.number(card, item, float) for item in fields[1:4])
        widths = () if "," in text else COLUMNS["NODE"][block.form]
        number = int(block.number(card, fields[0], int))
        deck.nodes.append(Node(number, (x, y, z), line, block.file, widths))


def _shells(block: Block, deck: Deck) -> None:
    options = set(block.words[2:])
    unknown = options - set(_EXTRA)
    if unknown:
        rule = f"keyword deck (.k): *{'_'.join(block.words)} is not supported"
        raise ReadError(str(block.file), rule, f"Supported options: {', '.join(_EXTRA)}")
    extra_card = bool(options & {"THICKNESS", "BETA", "MCID"})
    step = 1 + extra_card + ("OFFSET" in options)
    for card in range(0, len(block.cards), step):
        fields = [*block.fields(card, "ELEMENT_SHELL"), *[""] * 6]
        numbers = [int(block.number(card, item, int)) for item in fields[:6]]
        thickness = 0.0
        if extra_card:
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


def _mean(values: list[float]) -> float:
    """Return the mean of the positive corner thicknesses, or 0."""
    positive = [value for value in values if value > 0]
    return sum(positive) / len(positive) if positive else 0.0
