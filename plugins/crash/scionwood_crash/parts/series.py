"""Convert between series, which are what files hold, and parts, which also have an impactor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.parts.part import Part, unit
from scionwood_crash.parts.units import LENGTHS, MASSES, TIMES, Units
from scionwood_crash.solver.model import COLUMNS, Impactor, Material

OURS = Units("mm", "ms", "kg")
"""The units of parts."""
CLAMPED_FIELD = "held"
"""The point field of files that is 1 at clamped nodes."""
STRAIN = "plastic_strain"

Hold = Literal["field", "ends", "low", "high"]
Vector = tuple[float, float, float]


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
        clamped: nodes that cannot move. `field` takes them from the point field `held`. `ends`,
            `low` and `high` take the nodes at both ends, the lower or the upper end of the longest
            axis, which points in the positive direction of its largest component.

    Example:
        >>> from scionwood_crash.api import Setup
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


def to_series(part: Part) -> CrashSeries:
    """Return a part as a series.

    Impactor and material become features. The clamped nodes become the point field `held`, and the
    plastic strain a cell field.

    Args:
        part: has displacements.

    Raises:
        ReadError: the part has no displacements.
    """
    if part.displacement is None:
        raise ReadError(f"part {part.name!r}", "it has no displacements", "Simulate it first")
    mesh = ShellMesh.build(part.points, part.cells, part.thickness, units=OURS)
    clamped = np.broadcast_to(part.clamped.astype(np.float64), (len(part.times), len(part.points)))
    strain = {} if part.plastic_strain is None else {STRAIN: part.plastic_strain}
    return CrashSeries.from_arrays(
        mesh,
        part.times,
        part.displacement,
        cell_fields=strain,
        point_fields={CLAMPED_FIELD: clamped},
        features=features(part),
    )


def features(part: Part) -> dict[str, float]:
    """Return the impactor and the material of a part as numbers by name."""
    impactor = part.impactor
    numbers = {f"material_{name}": float(getattr(part.material, name)) for name in COLUMNS}
    numbers["impactor_cylinder"] = float(impactor.kind == "cylinder")
    for name in ("speed", "mass", "radius", "friction"):
        numbers[f"impactor_{name}"] = float(getattr(impactor, name))
    for name in ("point", "axis", "direction"):
        for letter, value in zip("xyz", getattr(impactor, name), strict=True):
            numbers[f"impactor_{name}_{letter}"] = float(value)
    return numbers


def only_part(series: CrashSeries, part: int) -> CrashSeries:
    """Return a series with the shells of one part, and with all points.

    Args:
        series: any number of parts.
        part: number of the part in the file.

    Raises:
        ReadError: the part does not exist.
    """
    mesh = series.mesh
    mine = mesh.part_ids == part
    if not mine.any():
        known = ", ".join(map(str, np.unique(mesh.part_ids)[:12]))
        raise ReadError(f"part {part}", f"the file has the parts {known}", "Choose one of them")

    def read(index: int) -> Frame:
        frame = series.read(index)
        fields = {name: values[mine] for name, values in frame.cell_fields.items()}
        return replace(frame, alive=frame.alive[mine], cell_fields=fields)

    own = {"cells": mesh.cells[mine], "element_ids": mesh.element_ids[mine]}
    own |= {"part_ids": mesh.part_ids[mine], "thickness": mesh.thickness[mine]}
    return replace(series, mesh=replace(mesh, **own), read=read)


def from_series(
    series: CrashSeries,
    setup: Setup | None = None,
    *,
    frames: int | None = None,
    family: str = "",
) -> Part:
    """Return a series as a part.

    Numbers are converted to mm, ms and kg. If the units are unknown, they are taken to be these.
    Nodes without a shell are left out. Rigid parts are clamped.

    Args:
        series: a mesh and its states.
        setup: conditions that the file does not state; `None` means the defaults.
        frames: for a mesh without history: number of states to predict.
        family: kind of part.

    Raises:
        ReadError: the clamped nodes are unknown, or the mesh has no shells.
    """
    setup = setup or Setup()
    mesh = series.mesh
    length, time, mass = factors(mesh.units)
    used = np.unique(mesh.cells)
    number = np.zeros(len(mesh.points), np.int64)
    number[used] = np.arange(len(used))
    points = mesh.points[used].astype(np.float64) * length
    clamped = _clamped(series, setup, points, used)
    clamped[number[mesh.cells[mesh.rigid]]] = True
    states = len(series) > 1
    first = series.read(0).cell_fields
    times = series.times * time if states else np.linspace(0, setup.duration, frames or 2)
    return Part(
        points,
        number[mesh.cells],
        mesh.thickness * length,
        clamped,
        _material(series.features, setup, length, time, mass),
        _impactor(series.features, setup, points, (length, time, mass)),
        times - times[0],
        series.displacement()[:, used].astype(np.float64) * length if states else None,
        series.cell_field(STRAIN) if states and STRAIN in first else None,
        family,
        "" if series.path is None else series.path.stem,
    )


def factors(units: Units) -> tuple[float, float, float]:
    """Return the factors from a file's units to mm, ms and kg; 1 if they are unknown."""
    if not units.known:
        return 1.0, 1.0, 1.0
    return LENGTHS[units.length] * 1e3, TIMES[units.time] * 1e3, MASSES[units.mass]


def _clamped(series: CrashSeries, setup: Setup, points: np.ndarray, used: np.ndarray) -> np.ndarray:
    fields = series.read(0).point_fields
    if setup.clamped == "field":
        if CLAMPED_FIELD not in fields:
            rule = f"the file has no field {CLAMPED_FIELD!r} on its points"
            remedy = "State the clamped nodes: --clamped ends, low or high (data.held in recipes)"
            raise ReadError(f"{series.path or 'series'}", rule, remedy)
        return np.asarray(fields[CLAMPED_FIELD][used] > 0.5)
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    along = centred @ axis
    near = 0.01 * np.ptp(along)
    low, high = along < along.min() + near, along > along.max() - near
    return np.asarray({"ends": low | high, "low": low, "high": high}[setup.clamped])


def _material(
    stated: Mapping[str, float], setup: Setup, length: float, time: float, mass: float
) -> Material:
    """Return the material; a stress is mass / (length time^2), in mm, ms and kg GPa."""
    stress = mass / (length * time**2)
    scales = {"young": stress, "yield_stress": stress, "hardening": stress, "rate": 1 / time}
    scales["density"] = mass / length**3
    given = {
        name: stated[f"material_{name}"] * scales.get(name, 1.0)
        for name in COLUMNS
        if f"material_{name}" in stated
    }
    return Material(**{"yield_stress": setup.yield_stress, **given})


def _impactor(
    stated: Mapping[str, float], setup: Setup, points: np.ndarray, scale: tuple[float, float, float]
) -> Impactor:
    length, time, mass = scale

    def vector(name: str, default: Vector) -> Vector:
        values = [stated.get(f"impactor_{name}_{letter}") for letter in "xyz"]
        if any(value is None for value in values):
            return default
        x, y, z = (float(value) for value in values if value is not None)
        return x, y, z

    cylinder = stated.get("impactor_cylinder", float(setup.kind == "cylinder")) > 0.5
    direction = vector("direction", setup.direction)
    radius = stated["impactor_radius"] * length if "impactor_radius" in stated else setup.radius
    speed = stated["impactor_speed"] * length / time if "impactor_speed" in stated else setup.speed
    weight = stated["impactor_mass"] * mass if "impactor_mass" in stated else setup.mass
    axis, point = _contact(points, direction, radius if cylinder else 0.0, cylinder)
    if "impactor_point_x" in stated:
        x, y, z = vector("point", point)
        point = (x * length, y * length, z * length)
    kind: Literal["plane", "cylinder"] = "cylinder" if cylinder else "plane"
    return Impactor(
        kind, point, vector("axis", axis), direction, speed, weight, radius if cylinder else 0.0
    )


def _contact(
    points: np.ndarray, direction: Vector, radius: float, cylinder: bool
) -> tuple[Vector, Vector]:
    """Return axis and point of an impactor that touches the middle of a part."""
    along = unit(np.asarray(direction, np.float64))
    centred = points - points.mean(0)
    longest = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = np.cross(longest, along)
    axis = unit(axis) if np.linalg.norm(axis) > 0.1 else np.linalg.svd(along[None])[2][1]
    start = points.mean(0) + ((centred @ along).min() - radius) * along
    axis = axis if cylinder else -along
    return _vector(axis), _vector(start)


def _vector(values: np.ndarray) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
