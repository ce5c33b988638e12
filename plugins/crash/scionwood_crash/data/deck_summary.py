"""What a deck says of its part and its impact, and what of it was left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from scionwood_crash.data.user_settings import RunSettings
from scionwood_crash.parts.impact import CLAMPED_FIELD
from scionwood_crash.parts.series import factors
from scionwood_crash.readers import open_reader
from scionwood_crash.readers.deck_reader import DeckReader

IMPACT: tuple[str, ...] = (
    "speed",
    "mass",
    "radius",
    "direction_x",
    "direction_y",
    "direction_z",
    "point_x",
)
IMPACT += ("point_y", "point_z", "friction")


@final
@dataclass(frozen=True)
class DeckSummary:
    """A deck in numbers.

    Attributes:
        deck: its name.
        mesh: nodes, shells, parts, links and held nodes.
        units: such as `mm, ms, kg`.
        understood: how often each keyword occurs that is read.
        left: how often each other keyword of the model occurs.
        states: numbers of the impact and the sheets, in its units.
        missing: options of a prediction that it does not state.
        remarks: what does not fit.
    """

    deck: str
    mesh: dict[str, int]
    units: str
    understood: dict[str, int]
    left: dict[str, int]
    states: dict[str, float]
    missing: list[str]
    remarks: list[str]

    def lines(self) -> list[str]:
        """Return it as text for a terminal."""
        states = [f"{name} {self.states[key]:.4g}" for name in IMPACT
                  if (key := f"impactor_{name}") in self.states]  # fmt: skip
        kinds = ("cylinder", "sphere")
        kind = next((name for name in kinds if self.states.get(f"impactor_{name}")), "plane")
        states = [f"obstacle {kind}", *states] if states else ["no impact"]
        yields = [value for key, value in self.states.items() if key.endswith("_yield_stress")]
        if yields:
            states.append(f"{len(yields)} sheets, yield {min(yields):.4g} to {max(yields):.4g}")
        return [
            f"{self.deck}: {_counts(self.mesh)}; units {self.units}",
            f"  understood: {_counts(self.understood)}",
            f"  left out: {_counts(self.left) or 'nothing'}",
            f"  states: {', '.join(states)}",
            f"  missing: {', '.join(self.missing) or 'nothing'}",
            *(f"  note: {remark}" for remark in self.remarks),
        ]


def deck_summary(path: Path, user: RunSettings) -> DeckSummary:
    """Read a deck, and say what of it was understood.

    Raises:
        ReadError: its mesh cannot be read.
    """
    reader = open_reader(path, units=user.units, thickness=user.thickness)
    assert isinstance(reader, DeckReader)
    mesh, features = reader.mesh, dict(reader.features())
    numbers, _ = user.settings.stated(features, factors(mesh.units))
    missing = user.missing(numbers)
    fields = reader.read(0).point_fields
    if CLAMPED_FIELD not in fields and user.held == "field":
        missing.append("clamped")
    if not mesh.units.known:
        missing.append("units")
    counts = {
        "nodes": len(mesh.points),
        "shells": len(mesh.cells),
        "parts": len(np.unique(mesh.part_ids)),
        "links": 0 if mesh.links is None else len(mesh.links[0]),
        "held nodes": int(fields.get(CLAMPED_FIELD, np.zeros(1)).sum()),
    }
    return DeckSummary(
        path.name, counts, str(mesh.units), reader.understood, reader.left, features, missing,
        reader.remarks,
    )  # fmt: skip


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(numbers.items()) if count)
