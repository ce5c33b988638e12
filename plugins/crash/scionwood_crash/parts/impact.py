"""The impact on a part: what its file states, else what the user states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.carried import CARRIED, STILL
from scionwood_crash.parts.carried import CLAMPED_FIELD as CLAMPED_FIELD
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.options import Hold, Vector
from scionwood_crash.parts.part import gaps_of, unit
from scionwood_crash.parts.quantities import SHEETS
from scionwood_crash.solver.model import COLUMNS, Impactor, Material

REVERSED = (
    "the stated velocity leads the impactor away from the part: it is taken as that of the part, "
    "which flies into a fixed wall"
)
AHEAD_SHARE = 1e-3
"""An impactor leads away from a part if no node is farther ahead than this share of its depth."""


@final
@dataclass(frozen=True)
class Setup:
    """Impact and boundary conditions for files that do not state them.

    What the features of a file state takes precedence.

    Args:
        direction: direction in which the impactor moves.
        kind: shape of the impactor.
        speed: speed of the impactor, m/s.
        mass: mass of the impactor, kg.
        radius: radius of a cylinder, mm.
        yield_stress: yield stress of the sheet, GPa.
        duration: duration of the prediction, ms.
        clamped: nodes that cannot move. `field` takes them from the point field `held`, and `still`
            takes those that never move in the history. `ends`, `low` and `high` take the nodes at
            both ends, the lower or the upper end of the longest axis, which points in the positive
            direction of its largest component.
        point: a point on the impactor, in the unit of length of the file: on the axis of a
            cylinder, or on the plane. `None` means that it touches the middle of the part.
        axis: the axis of a cylinder, or the normal of the plane; `None` means across the part.

    Example:
        >>> from scionwood_crash.parts.impact import Setup
        >>> Setup(speed=10.0, clamped="ends").mass
        25.0
    """

    direction: Vector = (0.0, 0.0, -1.0)
    kind: Literal["plane", "cylinder"] = "cylinder"
    speed: float = 7.0
    mass: float = 25.0
    radius: float = 90.0
    yield_stress: float = 0.35
    duration: float = 10.0
    clamped: Hold = "field"
    point: Vector | None = None
    axis: Vector | None = None


def clamped_nodes(
    series: CrashSeries, setup: Setup, points: np.ndarray, used: np.ndarray
) -> np.ndarray:
    """Return which nodes cannot move, (node,) bool.

    Args:
        series: a mesh and its states.
        setup: says how to find them.
        points: (node, 3), those with a shell, mm.
        used: (node,), their places in the mesh.

    Raises:
        ReadError: they are unknown.
    """
    fields = series.read(0).point_fields
    if setup.clamped == "field":
        if CLAMPED_FIELD not in fields:
            rule = f"the file has no field {CLAMPED_FIELD!r} on its points"
            remedy = (
                "State the clamped nodes: --clamped still, ends, low or high (data.held in recipes)"
            )
            raise ReadError(f"{series.path or 'series'}", rule, remedy)
        return np.asarray(fields[CLAMPED_FIELD][used] > 0.5)
    if setup.clamped == "still":
        return _still(series, used)
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    # An SVD leaves the sign open; without a rule `low` and `high` would be exchanged at random.
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    along = centred @ axis
    near = 0.01 * np.ptp(along)
    low, high = along < along.min() + near, along > along.max() - near
    return np.asarray({"ends": low | high, "low": low, "high": high}[setup.clamped])


def _still(series: CrashSeries, used: np.ndarray) -> np.ndarray:
    """Return the nodes that never move, relative to the largest displacement."""
    if len(series) < 2:
        rule = "a mesh without history does not show which nodes never move"
        remedy = "State the clamped nodes: --clamped ends, low or high (data.held in recipes)"
        raise ReadError(f"{series.path or 'series'}", rule, remedy)
    travel = np.zeros(len(used))
    for frame in series:
        travel = np.maximum(travel, np.linalg.norm(frame.displacement[used], axis=1))
    still = np.asarray(travel <= STILL * travel.max())
    if not still.any():
        rule = f"no node stands still: each moves by {travel.min():.3g} or more"
        remedy = "State the clamped nodes: --clamped ends, low or high (data.held in recipes)"
        raise ReadError(f"{series.path or 'series'}", rule, remedy)
    return still


def sheet(
    numbers: Mapping[str, float], setup: Setup, length: float, time: float, mass: float
) -> Material:
    """Return the material; a stress is mass / (length time^2), in mm, ms and kg GPa."""
    stress = mass / (length * time**2)
    scales = {"young": stress, "yield_stress": stress, "hardening": stress, "rate": 1 / time}
    scales["density"] = mass / length**3
    values = {
        name: numbers[f"material_{name}"] * scales.get(name, 1.0)
        for name in COLUMNS
        if f"material_{name}" in numbers
    }
    return Material(**{"yield_stress": setup.yield_stress, **values})


def sheets(
    numbers: Mapping[str, float], first: Material, length: float, time: float, mass: float
) -> tuple[Material, ...]:
    """Return the materials of an assembly, or none if the file states only the first.

    Args:
        numbers: numbers of the run, with `material_2_yield_stress` and so on.
        first: the first material.
        length: factor from the file's unit to mm.
        time: factor to ms.
        mass: factor to kg.
    """
    numbered: dict[int, dict[str, float]] = {}
    for key, value in numbers.items():
        match = SHEETS.fullmatch(key)
        if match is not None:
            numbered.setdefault(int(match[1]), {})[f"material_{match[2]}"] = value
    plain = Setup(yield_stress=first.yield_stress)
    others = (sheet(numbered[at], plain, length, time, mass) for at in sorted(numbered))
    return (first, *others) if numbered else ()


def rigid_body(
    numbers: Mapping[str, float],
    setup: Setup,
    points: np.ndarray,
    scale: tuple[float, float, float],
) -> Impactor:
    """Return the impactor; the last argument converts the units of the file.

    An impactor whose stated velocity leads it away from the whole part never hits it. The velocity
    is then that of the part, which flies into a fixed wall, and the impactor gets the opposite one.
    `velocity_of_part` tells whether this is so.

    Args:
        numbers: numbers of the run, in the units of the file.
        setup: what the run does not state.
        points: (node, 3), mm.
        scale: factors to mm, ms and kg.

    Raises:
        ReadError: the part flies into a wall, and nothing states where the wall stands.
    """
    length, time, mass = scale
    cylinder = numbers.get("impactor_cylinder", float(setup.kind == "cylinder")) > 0.5
    sphere = numbers.get("impactor_sphere", 0.0) > 0.5
    cylinder |= sphere  # what is round
    direction = _vector_of(numbers, "direction", setup.direction)
    radius = numbers["impactor_radius"] * length if "impactor_radius" in numbers else setup.radius
    speed = (
        numbers["impactor_speed"] * length / time if "impactor_speed" in numbers else setup.speed
    )
    weight = numbers["impactor_mass"] * mass if "impactor_mass" in numbers else setup.mass
    axis, point = _contact(points, direction, radius if cylinder else 0.0, cylinder)
    if CARRIED in numbers and "impactor_point_x" not in numbers and not setup.point:
        rule = "the part flies into a fixed wall, and nothing states where the wall stands"
        remedy = "State a point on it: a key of the run (point_x mm ...), or point: [x, y, z]"
        raise ReadError("impactor", rule, remedy)
    if "impactor_point_x" in numbers or setup.point:
        x, y, z = _vector_of(numbers, "point", setup.point or point)
        point = (x * length, y * length, z * length)
    kind: Literal["plane", "cylinder", "sphere"] = "cylinder" if cylinder else "plane"
    kind = "sphere" if sphere else kind
    axis = _vector_of(numbers, "axis", setup.axis or axis)
    body = Impactor(kind, point, axis, direction, speed, weight, radius if cylinder else 0.0)
    ahead = gaps_of(points, body)
    # No node lies ahead of the body, so it could never reach the part.
    if ahead.max() <= AHEAD_SHARE * np.ptp(ahead):
        return replace(body, direction=_vector(-np.asarray(direction, np.float64)))
    return body


def velocity_of_part(numbers: Mapping[str, float], setup: Setup, impactor: Impactor) -> bool:
    """Return whether the stated velocity is that of the part: `impactor` moves the other way."""
    direction = _vector_of(numbers, "direction", setup.direction)
    return bool(np.dot(direction, impactor.direction) < 0)


def _vector_of(numbers: Mapping[str, float], name: str, default: Vector) -> Vector:
    values = [numbers.get(f"impactor_{name}_{letter}") for letter in "xyz"]
    if any(value is None for value in values):
        return default
    x, y, z = (float(value) for value in values if value is not None)
    return x, y, z


def _contact(
    points: np.ndarray, direction: Vector, radius: float, cylinder: bool
) -> tuple[Vector, Vector]:
    """Return axis and point of an impactor that touches the middle of a part."""
    along = unit(np.asarray(direction, np.float64))
    centred = points - points.mean(0)
    longest = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = np.cross(longest, along)
    # For an impact along the part the cross product vanishes, and any axis across the impact will
    # do.
    axis = unit(axis) if np.linalg.norm(axis) > 0.1 else np.linalg.svd(along[None])[2][1]
    # Its axis lies one radius before the first node in the way, so that they touch.
    start = points.mean(0) + ((centred @ along).min() - radius) * along
    axis = axis if cylinder else -along
    return _vector(axis), _vector(start)


def _vector(values: np.ndarray) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
