"""What the settings of a run mean: the quantity and the unit of each key.

Files of other programs name the settings of a run as they like. A user maps each key to a quantity
with its unit, such as `velocity_x: velocity_x m/s`. The numbers are then stated under our own
names, in the units of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

from scionwood import RecipeError
from scionwood_crash.parts.units import LENGTHS, MASSES, TIMES

_SPEEDS = {"m/s": 1.0, "mm/ms": 1.0, "mm/s": 1e-3, "km/h": 1 / 3.6, "mph": 0.44704, "in/s": 0.0254}
_STRESSES = {"GPa": 1.0, "MPa": 1e-3, "kPa": 1e-6, "Pa": 1e-9, "ksi": 6.894757e-3}
_DENSITIES = {"kg/mm3": 1.0, "t/mm3": 1e3, "g/cm3": 1e-6, "g/mm3": 1e-3, "kg/m3": 1e-9}
_NONE = {"1": 1.0}

UNITS: Mapping[str, Mapping[str, float]] = {
    "speed": _SPEEDS,
    "length": {name: 1e3 * metres for name, metres in LENGTHS.items()},
    "mass": dict(MASSES),
    "stress": _STRESSES,
    "density": _DENSITIES,
    "rate": {f"1/{name}": 1e-3 / seconds for name, seconds in TIMES.items()},
    "number": _NONE,
}
"""Factors to mm, ms, kg and GPa, by kind of quantity and unit."""

_XYZ = "xyz"
QUANTITIES: Mapping[str, tuple[str, str]] = {
    "speed": ("impactor_speed", "speed"),
    **{f"velocity_{x}": (f"impactor_velocity_{x}", "speed") for x in _XYZ},
    **{f"part_velocity_{x}": (f"part_velocity_{x}", "speed") for x in _XYZ},
    "mass": ("impactor_mass", "mass"),
    "radius": ("impactor_radius", "length"),
    "cylinder": ("impactor_cylinder", "number"),
    "sphere": ("impactor_sphere", "number"),
    "friction": ("impactor_friction", "number"),
    **{f"direction_{x}": (f"impactor_direction_{x}", "number") for x in _XYZ},
    **{f"axis_{x}": (f"impactor_axis_{x}", "number") for x in _XYZ},
    **{f"point_{x}": (f"impactor_point_{x}", "length") for x in _XYZ},
    "yield_stress": ("material_yield_stress", "stress"),
    "hardening": ("material_hardening", "stress"),
    "exponent": ("material_exponent", "number"),
    "young": ("material_young", "stress"),
    "poisson": ("material_poisson", "number"),
    "density": ("material_density", "density"),
    "rate": ("material_rate", "rate"),
    "rate_exponent": ("material_rate_exponent", "number"),
    "thickness": ("shell_thickness", "length"),
}
"""Our own name and the kind of each quantity that a key can mean."""

CONDITION, IGNORE = "condition", "ignore"
KNOWN_QUANTITIES = frozenset(name for name, _ in QUANTITIES.values())
"""Names that need no mapping; they are in the units of the file."""
_SILENT = ("novelty_", "interval_", "intrusion_low", "intrusion_high", "node_radius", "carried_")
"""What we add to a file says nothing of the impact."""
SHEETS = re.compile(r"material_(\d{1,3})_(\w+)")
"""Names of the second and further materials of an assembly, such as `material_2_yield_stress`."""


@final
@dataclass(frozen=True)
class Settings:
    """The meaning of the keys of a run.

    Args:
        meanings: the quantity and its unit by key, such as `{"velocity_x": "velocity_x m/s"}`.
            `condition` gives a key to the network as a further number, and `ignore` drops it.

    Raises:
        RecipeError: a quantity or a unit is unknown, or two keys mean the same.

    Example:
        >>> Settings({"v0": "speed km/h"}).stated({"v0": 36.0, "gap": 2.0}, (1.0, 1.0, 1.0))
        ({'impactor_speed': 10.0}, {'gap': 2.0})
    """

    meanings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys_by_quantity: dict[str, str] = {}
        for key, text in self.meanings.items():
            quantity, _ = _meaning(key, text)
            if quantity in (CONDITION, IGNORE):
                continue
            if quantity in keys_by_quantity:
                rule = f"{keys_by_quantity[quantity]!r} has that meaning already"
                raise RecipeError(f"settings.{key}: {text!r}", rule, "Give one of them another")
            keys_by_quantity[quantity] = key

    def stated(
        self, features: Mapping[str, float], factors: tuple[float, float, float]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return what a run states under our own names, and its further numbers by key.

        Args:
            features: the numbers of the run.
            factors: from the units of the file to mm, ms and kg; see `parts.series.factors`.

        Returns:
            Our own names, in the units of the file; and the conditions, as they are, sorted.
        """
        numbers: dict[str, float] = {}
        conditions: dict[str, float] = {}
        for key, value in features.items():
            quantity, unit = _meaning(key, self.meanings.get(key, ""))
            if quantity == CONDITION:
                conditions[key] = float(value)
            elif quantity in QUANTITIES:
                name, kind = QUANTITIES[quantity]
                numbers[name] = value * UNITS[kind][unit] / _scale(kind, factors)
            elif quantity != IGNORE:
                numbers[key] = float(value)
        return _directed(numbers), dict(sorted(conditions.items()))

    def unused(self, features: Iterable[str]) -> list[str]:
        """Return the keys of the mapping that a run does not state."""
        return sorted(set(self.meanings) - set(features))


def _meaning(key: str, text: str) -> tuple[str, str]:
    """Return the quantity and the unit of a key; a key without a meaning is a condition."""
    if not text:
        silent = key in KNOWN_QUANTITIES or key.startswith(_SILENT) or _of_sheet(key)
        return ("", "") if silent else (CONDITION, "")
    words = text.replace(",", " ").split()
    if words[0] in (CONDITION, IGNORE) and len(words) == 1:
        return words[0], ""
    if words[0] not in QUANTITIES:
        choices = ", ".join([*QUANTITIES, CONDITION, IGNORE])
        raise RecipeError(
            f"settings.{key}: {text!r}", f"a quantity is one of {choices}", "Name one"
        )
    units = UNITS[QUANTITIES[words[0]][1]]
    unit = words[1] if len(words) > 1 else "1"
    if unit not in units or len(words) > 2:
        rule = f"the unit of {words[0]} is one of {', '.join(units)}"
        remedy = f"Such as: {key}: {words[0]} {next(iter(units))}"
        raise RecipeError(f"settings.{key}: {text!r}", rule, remedy)
    return words[0], unit


def _of_sheet(key: str) -> bool:
    """Return whether a key is a property of the second or a further material."""
    match = SHEETS.fullmatch(key)
    return match is not None and f"material_{match[2]}" in KNOWN_QUANTITIES


def _scale(kind: str, factors: tuple[float, float, float]) -> float:
    """Return the factor from the units of the file to mm, ms and kg."""
    length, time, mass = factors
    scales = {"speed": length / time, "length": length, "mass": mass, "rate": 1 / time}
    # kg / (mm ms^2) is a GPa, and mm / ms is a m/s: the units of parts need no factor of their own.
    scales |= {"stress": mass / (length * time**2), "density": mass / length**3}
    return scales.get(kind, 1.0)


def _directed(numbers: dict[str, float]) -> dict[str, float]:
    """Replace velocities by the impactor's speed and direction, as the part sees them."""
    impactor, part = _velocity(numbers, "impactor"), _velocity(numbers, "part")
    if part is not None and impactor is None and "impactor_direction_x" in numbers:
        speed = numbers.get("impactor_speed", 0.0)
        impactor = tuple(speed * numbers.get(f"impactor_direction_{x}", 0.0) for x in _XYZ)
    towards = [a - b for a, b in zip(impactor or (0, 0, 0), part or (0, 0, 0), strict=True)]
    speed = math.hypot(*towards)
    if speed > 0 and (part is not None or impactor is not None):
        numbers["impactor_speed"] = speed
        numbers |= {
            f"impactor_direction_{x}": v / speed for x, v in zip(_XYZ, towards, strict=True)
        }
    return numbers


def _velocity(numbers: dict[str, float], body: str) -> tuple[float, ...] | None:
    """Take the velocity of a body out of the numbers of a run; `None` if they state none."""
    names = [f"{body}_velocity_{x}" for x in _XYZ]
    if not any(name in numbers for name in names):
        return None
    return tuple(numbers.pop(name, 0.0) for name in names)
