"""The cards that join pieces: spot welds, nodal rigid bodies, tied contacts, and their sets.

Source: LSTC, "LS-DYNA Keyword User's Manual", volume I: *CONSTRAINED_SPOTWELD,
*CONSTRAINED_NODAL_RIGID_BODY, *CONTACT (card 1), *SET_NODE, *SET_PART, *SET_SHELL, *SET_SEGMENT.
"""

from __future__ import annotations

from scionwood import ReadError
from scionwood_crash.readers.deck_content import ONE_PART, Block, Deck, Joint

SPOTWELD, BODY, TIED = "CONSTRAINED_SPOTWELD", "CONSTRAINED_NODAL_RIGID_BODY", "CONTACT_TIED"
LARGEST_SET = 10_000_000
"""Numbers in a range of a set at most, which bounds the memory of a damaged deck."""
_SETS = {"NODE": "node", "PART": "part", "SHELL": "shell", "SEGMENT": "segment"}
_SIDES = {0: "segment", 1: "shell", 2: "part", 3: ONE_PART, 4: "node"}
"""Kinds of the sides of a contact, by the field SSTYP or MSTYP."""
_BINDING = {"TIED", "TIEBREAK", "SPOTWELD"}
"""Words of contacts that hold pieces together."""


def take(block: Block, deck: Deck) -> bool:
    """Add the cards of a set or a connection to a deck; return whether the keyword is one.

    A connection that is not read is counted in `unread`.
    """
    words = block.words
    if words[0] == "SET":
        _set(block, deck)
    elif words[:2] == ("CONSTRAINED", "SPOTWELD"):
        _spotwelds(block, deck)
    elif words[:4] == ("CONSTRAINED", "NODAL", "RIGID", "BODY"):
        _bodies(block, deck)
    elif words[:2] == ("CONTACT", "TIED"):
        _tied(block, deck)
    elif words[0] == "CONSTRAINED" or (words[0] == "CONTACT" and _BINDING & set(words)):
        _unread(block, deck)
    else:
        return False
    return True


def _unread(block: Block, deck: Deck) -> None:
    name = "_".join(word for word in block.words if word not in ("ID", "TITLE"))
    deck.unread[name] = deck.unread.get(name, 0) + 1


def _integers(block: Block, card: int) -> list[int]:
    """Return the fields of a card as integers; those that cannot be one are 0."""
    fields = [*block.fields(card, ""), *[""] * 8][:8]
    return [int(block.number(card, field, float)) if field else 0 for field in fields]


def _set(block: Block, deck: Deck) -> None:
    kind, options = _SETS.get(block.words[1] if block.words[1:] else ""), set(block.words[2:])
    if kind is None or options - {"LIST", "TITLE", "GENERATE"}:
        return  # named where a connection needs it
    first = int("TITLE" in options)
    number = int(block.number(first, block.fields(first, "")[0], int))
    rows = deck.sets.setdefault((number, kind), [])
    for card in range(first + 1, len(block.cards)):
        values = _integers(block, card)
        if kind == "segment":
            rows.append(tuple(values[:4]))
        elif "GENERATE" in options:
            for low, high in zip(values[::2], values[1::2], strict=True):
                rows += [(member,) for member in _range(block, low, high)]
        else:
            rows += [(member,) for member in values if member]


def _range(block: Block, low: int, high: int) -> range:
    if high - low > LARGEST_SET:
        rule = f"keyword deck (.k): a set lists the numbers {low} to {high}"
        raise ReadError(str(block.file), rule, f"A range has at most {LARGEST_SET} numbers")
    return range(low, high + 1) if low else range(0)


def _spotwelds(block: Block, deck: Deck) -> None:
    options = set(block.words[2:])
    if options - {"ID", "FILTERED", "FORCE"}:
        _unread(block, deck)
        return
    id_cards = int("ID" in options)
    step = 1 + id_cards + ("FILTERED" in options)
    for card in range(id_cards, len(block.cards), step):
        deck.joints.append(Joint(SPOTWELD, tuple(_integers(block, card)[:2])))


def _bodies(block: Block, deck: Deck) -> None:
    options = set(block.words[4:])
    if options - {"TITLE", "SPC", "INERTIA"}:
        _unread(block, deck)
        return
    card = 0
    while card < len(block.cards):
        card += "TITLE" in options
        deck.joints.append(Joint(BODY, sides=((_integers(block, card)[2], "node"),)))
        card += 1 + ("SPC" in options)
        if "INERTIA" in options:
            card += 3 + (_integers(block, card)[4] == 1)  # IRCS: one more card names the axes


def _tied(block: Block, deck: Deck) -> None:
    options = set(block.words[2:])
    card = int(bool({"ID", "TITLE"} & options))
    values = _integers(block, card)
    if "MPP" in options or not {*values[2:4]} <= set(_SIDES):
        _unread(block, deck)
        return
    sides = tuple((values[at], _SIDES[values[at + 2]]) for at in (0, 1))
    deck.joints.append(Joint(TIED, sides=sides))
