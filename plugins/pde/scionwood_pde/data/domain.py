"""What a run was trained on: units, grid and equation, to be compared with other states.

A run folder keeps it as `domain.json`. Runs of earlier versions have no such file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from scionwood import ReadError, RecipeError
from scionwood_pde.data.cards import read_card, write_card
from scionwood_pde.readers.layout import UNKNOWN, Layout

FILE = "domain.json"
CLOSE = 0.01
"""Largest relative difference of the spacings of two grids that count as one."""


@final
@dataclass(frozen=True)
class Domain:
    """Units, grid and equation of the training data.

    Args:
        units: unit of each field, by name.
        time_unit: unit of time.
        space_unit: unit of the space axes.
        spacing: distance between points along each axis.
        sides: points along each axis of a sample, or of a crop.
        boundary: boundary condition of each axis.
        equation: name of the equation, or `unknown`.
        solids: whether NaN marks solid points.
    """

    units: Mapping[str, str]
    time_unit: str
    space_unit: str
    spacing: Mapping[str, float]
    sides: tuple[int, ...]
    boundary: Mapping[str, str]
    equation: str = UNKNOWN
    solids: bool = False

    @classmethod
    def of(cls, layout: Layout, *, crop: int | None = None, solids: bool = False) -> Self:
        """Return the domain of a file.

        Args:
            layout: the layout of the file.
            crop: side of the cubes on which a run is trained. `None` means the whole grid.
            solids: see the class.
        """
        sides = layout.sides if crop is None else (crop,) * len(layout.axes)
        space = layout.units[layout.axes[0]]
        spacing, boundary = layout.spacing(), dict(layout.boundary)
        units = {channel.name: channel.unit for channel in layout.channels}
        time = layout.units["time"]
        return cls(units, time, space, spacing, sides, boundary, layout.equation, solids)

    def check(self, layout: Layout, what: str) -> list[str]:
        """Compare states with the training data.

        Args:
            layout: the layout of the states.
            what: the states in messages.

        Returns:
            A sentence for each difference that may be harmless, or that cannot be excluded since
            one side does not state it.

        Raises:
            RecipeError: units, spacing or equation differ; the message names both values.
        """
        other = Domain.of(layout)
        fields = other.units.keys() & self.units.keys()
        pairs = {
            f"unit of {name}": (other.units[name], self.units[name]) for name in sorted(fields)
        }
        pairs["unit of time"] = (other.time_unit, self.time_unit)
        pairs["unit of space"] = (other.space_unit, self.space_unit)
        units_known = UNKNOWN not in pairs["unit of space"]
        pairs["equation"] = (other.equation, self.equation)
        unsaid = []
        for name, (other_value, run_value) in pairs.items():
            if other_value == run_value:
                continue
            if UNKNOWN in (other_value, run_value):
                unsaid.append(f"{name} ({other_value} in {what}, {run_value} in the run)")
                continue
            remedy = "Train a run on such states"
            remedy += "" if name == "equation" else ", or convert values and unit"
            raise RecipeError(
                f"{name}: {other_value}", f"the run was trained with {run_value}", remedy
            )
        remarks = [f"these cannot be compared: {', '.join(unsaid)}"] if unsaid else []
        return remarks + self._grid(other, units_known)

    def _grid(self, other: Domain, units_known: bool) -> list[str]:
        """Compare the grids; with known units, another spacing is refused."""
        remarks = []
        both = [
            (axis, other.spacing[axis], step)
            for axis, step in self.spacing.items()
            if axis in other.spacing
        ]
        far = [(a, x, y) for a, x, y in both if abs(x - y) > CLOSE * abs(y)]
        if far:
            axis, other_spacing, run_spacing = far[0]
            value = f"points {other_spacing:g} {other.space_unit} apart along {axis}"
            rule = f"the run was trained with {run_spacing:g} {self.space_unit}"
            # An axis that descends has a spacing of the other sign.
            is_flipped = abs(other_spacing + run_spacing) <= CLOSE * abs(run_spacing)
            remedy = "Turn the axis with sortby" if is_flipped else "Resample them"
            if units_known:
                raise RecipeError(value, rule, f"{remedy}, or train a run on such a grid")
            remarks.append(f"{value}, and {rule}")
        if other.sides != self.sides:
            remarks.append(f"a grid of {other.sides} points; the run was trained on {self.sides}")
        for axis, wanted_kind in self.boundary.items():
            kind = other.boundary.get(axis, UNKNOWN)
            if kind != wanted_kind and UNKNOWN not in (kind, wanted_kind):
                remarks.append(f"the boundary of {axis} is {kind}; in the run it is {wanted_kind}")
        return remarks

    def write(self, folder: str | Path) -> None:
        """Write the domain into a run folder."""
        write_card(self, folder, FILE)

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """Return the domain of a run folder, or `None` if the run has none.

        Raises:
            ReadError: the file is damaged.
        """

        def make_domain(card: dict[str, Any]) -> tuple[Self, bool]:
            domain = cls(**card | {"sides": tuple(card["sides"])})
            steps = np.array([*domain.spacing.values()], np.float64)
            return domain, bool(np.isfinite(steps).all()) and bool(steps.all())

        domain, valid = read_card(folder, FILE, "domain", make_domain) or (None, True)
        if not valid:
            rule = "a spacing is zero or not finite"
            raise ReadError(str(Path(folder) / FILE), rule, "Copy it again")
        return domain
