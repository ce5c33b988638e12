"""The keywords of LS-DYNA and Radioss that say how a part is hit, as one table.

A line of the table is `kind | keywords | cards`. Cards follow each other after `;`, and their
columns have the names of `DeckRow.values`. A column is 10 characters wide in LS-DYNA and 20 in
Radioss, or as wide as the number after its colon; `_` is not read. A star at the end repeats the
last card, and two stars all cards.

Source: LSTC, "LS-DYNA Keyword User's Manual", volumes I and II; Altair Radioss, "Reference Guide",
Starter input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, final

_SHIFTED = {
    "node": "node",
    "part": "part",
    "set": "sets",
    "curve": "curve",
    "material": "material",
}
"""Columns that hold numbers of the model, with the offset of *INCLUDE_TRANSFORM for each."""

_MAT = "number density young poisson"
_MODIFIED = "MAT_MODIFIED_PIECEWISE_LINEAR_PLASTICITY MAT_123"
DYNA = f"""
material | MAT_ELASTIC MAT_001 | {_MAT}
material | MAT_PLASTIC_KINEMATIC MAT_003 | {_MAT} yield tangent _ ; rate rate_exponent
material | MAT_PIECEWISE_LINEAR_PLASTICITY MAT_024 {_MODIFIED} | {_MAT} yield tangent \
 ; rate rate_exponent curve ; e1 e2 e3 e4 e5 e6 e7 e8 ; s1 s2 s3 s4 s5 s6 s7 s8
material | MAT_SIMPLIFIED_JOHNSON_COOK MAT_098 | {_MAT} ; a b n
material | MAT_JOHNSON_COOK MAT_015 | number density _ young poisson ; a b n
material | MAT_POWER_LAW_PLASTICITY MAT_018 | {_MAT} power exponent rate rate_exponent ; yield
rigid | MAT_RIGID MAT_020 | {_MAT}
curve | DEFINE_CURVE | number _ scale_x scale_y offset_x offset_y ; x:20 y:20 *
plane | RIGIDWALL_PLANAR | set ; x y z hx hy hz friction
plane | RIGIDWALL_GEOMETRIC_FLAT | set ; x y z hx hy hz friction ; _
cylinder | RIGIDWALL_GEOMETRIC_CYLINDER | set ; x y z hx hy hz friction ; radius
sphere | RIGIDWALL_GEOMETRIC_SPHERE | set ; x y z hx hy hz friction ; radius
velocity | INITIAL_VELOCITY | set ; vx vy vz
velocity | INITIAL_VELOCITY_NODE | node vx vy vz *
velocity | INITIAL_VELOCITY_RIGID_BODY | part vx vy vz *
velocity | INITIAL_VELOCITY_GENERATION | of style _ vx vy vz ; _ **
held | BOUNDARY_SPC_NODE | node _ dx dy dz *
held | BOUNDARY_SPC_SET | set _ dx dy dz *
mass | ELEMENT_MASS | _:8 node:8 mass:16 *
mass | ELEMENT_MASS_NODE_SET | _:8 set:8 mass:16 *
mass | ELEMENT_MASS_PART | part:8 mass:16 *
mass | PART_INERTIA | _ ; part section material ; _ _ _ mass ; _ ; _ ; _ **
body | CONSTRAINED_NODAL_RIGID_BODY_INERTIA | _ _ set ; _ _ _ mass ; _ ; _ **
body | CONSTRAINED_EXTRA_NODES_SET | part set *
body | CONSTRAINED_EXTRA_NODES_NODE | part node *
end | CONTROL_TERMINATION | time
"""
RADIOSS = """
material | MAT/PLAS_JOHNS MAT/LAW2 | density ; young poisson flag:10 ; a b n _ limit
material | MAT/COWPER MAT/LAW44 | density ; young poisson ; a b n _ limit ; rate rate_exponent
material | MAT/PLAS_TAB MAT/LAW36 | density ; young poisson ; _ ; _ ; curve:10 ; curve_scale
material | MAT/ELAST MAT/LAW1 | density ; young poisson
curve | FUNCT | x y *
plane | RWALL/PLANE RWALL/PARAL | node:10 ; _ friction ; x y z w ; hx hy hz
cylinder | RWALL/CYL | node:10 ; _ friction diameter ; x y z w ; hx hy hz
sphere | RWALL/SPHER | node:10 ; _ friction diameter ; x y z w
velocity | INIVEL/TRA | vx vy vz set:10
mass | ADMAS/0 ADMAS/1 | mass set:10 *
body | RBODY | node:10 _:10 _:10 _:10 mass set:10
section | PROP/SHELL PROP/TYPE1 | _ ; _ ; _:10 _:10 thickness
part | PART | section:10 material:10
weld | SPRING BEAM TRUSS | _:10 a:10 b:10 *
tie | INTER/TYPE2 | set:10 surface:10
"""


@final
@dataclass(frozen=True)
class DeckRow:
    """A row of the table that a deck states.

    Attributes:
        kind: the first word of its line in the table.
        keyword: as the table has it.
        values: numbers by column; an empty field is 0.
        rows: of a repeated card with several rows, such as the points of a curve.
    """

    kind: str
    keyword: str
    values: Mapping[str, float] = field(default_factory=dict)
    rows: tuple[tuple[float, ...], ...] = ()

    def __getitem__(self, name: str) -> float:
        """Return a number; 0 for a column that the keyword does not have."""
        return self.values.get(name, 0.0)

    def vector(self, names: str) -> tuple[float, float, float]:
        """Return three columns, such as `x y z`."""
        x, y, z = (self[name] for name in names.split())
        return x, y, z

    def shifted(self, offsets: Mapping[str, int]) -> DeckRow:
        """Return it with other numbers of nodes, parts and so on.

        Args:
            offsets: by the names of `Change`: `node`, `part`, `sets`, `curve`, `material`.
        """
        values = dict(self.values)
        space = {"material": "material", "rigid": "material", "curve": "curve"}.get(self.kind)
        for name in values:
            offset = offsets.get(_SHIFTED.get(name, ""), 0)
            if name == "number" and space:
                offset = offsets.get(space, 0)
            values[name] += offset if values[name] else 0
        return DeckRow(self.kind, self.keyword, values, self.rows)


class _Column(NamedTuple):
    name: str
    width: int


@final
@dataclass(frozen=True)
class Keyword:
    """A line of the table."""

    kind: str
    name: str
    cards: tuple[tuple[_Column, ...], ...]
    repeats: str

    def records(
        self, count: int, fields: Callable[[int, Sequence[int]], Sequence[float]]
    ) -> list[DeckRow]:
        """Return what the cards of a keyword state.

        Args:
            count: number of cards.
            fields: returns the numbers of a card with columns of these widths.
        """
        if self.repeats == "*" and len(self.cards) > 1:
            values = self._values(0, 1, fields)
            widths = [column.width for column in self.cards[-1]]
            rows = tuple(tuple(fields(at, widths)) for at in range(1, count))
            return [DeckRow(self.kind, self.name, values, rows)]
        if self.kind == "curve":
            widths = [column.width for column in self.cards[0]]
            rows = tuple(tuple(fields(at, widths)) for at in range(count))
            return [DeckRow(self.kind, self.name, {}, rows)]
        step = len(self.cards) if self.repeats else max(count, 1)
        starts = range(0, count, step)
        return [
            DeckRow(
                self.kind, self.name, self._values(at, min(count, at + len(self.cards)), fields)
            )
            for at in starts
        ]

    def _values(
        self, start: int, end: int, fields: Callable[[int, Sequence[int]], Sequence[float]]
    ) -> dict[str, float]:
        values: dict[str, float] = {}
        for at, columns in zip(range(start, end), self.cards, strict=False):
            if any(column.name != "_" for column in columns):
                numbers = fields(at, [column.width for column in columns])
                values |= {
                    c.name: n for c, n in zip(columns, numbers, strict=True) if c.name != "_"
                }
        return values


def keywords(table: str, width: int) -> dict[str, Keyword]:
    """Return the lines of a table by keyword.

    Args:
        table: `DYNA` or `RADIOSS`.
        width: of a column that states none.
    """
    out: dict[str, Keyword] = {}
    for line in table.strip().split("\n"):
        kind, names, text = (part.strip() for part in line.split("|"))
        repeats = "**" if text.endswith("**") else "*" if text.endswith("*") else ""
        cards = tuple(
            tuple(_column(word, width) for word in card.split())
            for card in text.rstrip("* ").split(";")
        )
        out |= {name: Keyword(kind, name, cards, repeats) for name in names.split()}
    return out


def _column(word: str, width: int) -> _Column:
    name, _, digits = word.partition(":")
    return _Column(name, int(digits or width))


DYNA_KEYWORDS = keywords(DYNA, 10)
RADIOSS_KEYWORDS = keywords(RADIOSS, 20)
