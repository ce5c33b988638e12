"""Between files, which hold meshes and states, and parts, which also say what hits them."""

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
HELD = "held"
"""The field on points that says which cannot move."""
STRAIN = "plastic_strain"

Hold = Literal["field", "ends", "low", "high"]
Vector = tuple[float, float, float]


@final
@dataclass(frozen=True)
class Setup:
    """What a file may not say of an impact; what the file's features say is taken first.

    Args:
        direction: in which the impactor moves.
        kind: of the impactor.
        speed: m/s.
        mass: kg.
        radius: of a cylinder, mm.
        yield_stress: GPa.
        duration: of the history to predict, ms.
        held: nodes that cannot move: of the field `held`, or those at both ends of the longest
            axis, or at its lower or upper end in the order of the coordinate that grows most.
    """

    direction: Vector = (0.0, 0.0, -1.0)
    kind: Literal["plane", "cylinder"] = "cylinder"
    speed: float = 7.0
    mass: float = 25.0
    radius: float = 90.0
    yield_stress: float = 0.35
    duration: float = 10.0
    held: Hold = "field"


def to_series(part: Part) -> CrashSeries:
    """A part as a series: its setting as features, `held` on points, plastic strain on cells.

    Args:
        part: with displacements.

    Raises:
        ReadError: it has no displacements.
    """
    if part.displacement is None:
        raise ReadError(f"part {part.name!r}", "it has no displacements", "Simulate it first")
    mesh = ShellMesh.build(part.points, part.cells, part.thickness, units=OURS)
    held = np.broadcast_to(part.held.astype(np.float64), (len(part.times), len(part.points)))
    strain = {} if part.plastic_strain is None else {STRAIN: part.plastic_strain}
    return CrashSeries.from_arrays(
        mesh,
        part.times,
        part.displacement,
        cell_fields=strain,
        point_fields={HELD: held},
        features=features(part),
    )


def features(part: Part) -> dict[str, float]:
    """What hits a part, and of what it is, as numbers by name."""
    hit = part.impactor
    found = {f"material_{name}": float(getattr(part.material, name)) for name in COLUMNS}
    found["impactor_cylinder"] = float(hit.kind == "cylinder")
    for name in ("speed", "mass", "radius", "friction"):
        found[f"impactor_{name}"] = float(getattr(hit, name))
    for name in ("point", "axis", "direction"):
        for letter, value in zip("xyz", getattr(hit, name), strict=True):
            found[f"impactor_{name}_{letter}"] = float(value)
    return found


def only_part(series: CrashSeries, part: int) -> CrashSeries:
    """A series with the shells of one part; all points stay.

    Args:
        series: of any number of parts.
        part: its number in the file.

    Raises:
        ReadError: there is no such part.
    """
    mesh = series.mesh
    mine = mesh.part_ids == part
    if not mine.any():
        known = ", ".join(map(str, np.unique(mesh.part_ids)[:12]))
        raise ReadError(f"part {part}", f"the shells are of the parts {known}", "Choose one")

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
    """A part of a series; in mm, ms, kg where the units are known, else as if they were these.

    Nodes without a shell are left out. Rigid parts are held.

    Args:
        series: a mesh and its states.
        setup: what the file does not say; the defaults where null.
        frames: for a mesh alone: states to predict.
        family: of the part.

    Raises:
        ReadError: nobody says which nodes are held, or the mesh has no shells.
    """
    setup = setup or Setup()
    mesh = series.mesh
    length, time, mass = factors(mesh.units)
    used = np.unique(mesh.cells)
    number = np.zeros(len(mesh.points), np.int64)
    number[used] = np.arange(len(used))
    points = mesh.points[used].astype(np.float64) * length
    held = _held(series, setup, points, used)
    held[number[mesh.cells[mesh.rigid]]] = True
    states = len(series) > 1
    first = series.read(0).cell_fields
    times = series.times * time if states else np.linspace(0, setup.duration, frames or 2)
    return Part(
        points,
        number[mesh.cells],
        mesh.thickness * length,
        held,
        _material(series.features, setup, length, time, mass),
        _impactor(series.features, setup, points, (length, time, mass)),
        times - times[0],
        series.displacement()[:, used].astype(np.float64) * length if states else None,
        series.cell_field(STRAIN) if states and STRAIN in first else None,
        family,
        "" if series.path is None else series.path.stem,
    )


def factors(units: Units) -> tuple[float, float, float]:
    """From a file's units to mm, ms and kg; 1 where they are unknown."""
    if not units.known:
        return 1.0, 1.0, 1.0
    return LENGTHS[units.length] * 1e3, TIMES[units.time] * 1e3, MASSES[units.mass]


def _held(series: CrashSeries, setup: Setup, points: np.ndarray, used: np.ndarray) -> np.ndarray:
    fields = series.read(0).point_fields
    if setup.held == "field":
        if HELD not in fields:
            rule = f"the file has no field {HELD!r} on its points"
            remedy = "Say which nodes are held: --held ends, low or high"
            raise ReadError(f"{series.path or 'series'}", rule, remedy)
        return np.asarray(fields[HELD][used] > 0.5)
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])
    along = centred @ axis
    near = 0.01 * np.ptp(along)
    low, high = along < along.min() + near, along > along.max() - near
    return np.asarray({"ends": low | high, "low": low, "high": high}[setup.held])


def _material(
    found: Mapping[str, float], setup: Setup, length: float, time: float, mass: float
) -> Material:
    """Stresses of a file's units are mass / (length time^2), in ours GPa."""
    stress = mass / (length * time**2)
    scales = {"young": stress, "yield_stress": stress, "hardening": stress, "rate": 1 / time}
    scales["density"] = mass / length**3
    given = {
        name: found[f"material_{name}"] * scales.get(name, 1.0)
        for name in COLUMNS
        if f"material_{name}" in found
    }
    return Material(**{"yield_stress": setup.yield_stress, **given})


def _impactor(
    found: Mapping[str, float], setup: Setup, points: np.ndarray, scale: tuple[float, float, float]
) -> Impactor:
    length, time, mass = scale

    def vector(name: str, default: Vector) -> Vector:
        values = [found.get(f"impactor_{name}_{letter}") for letter in "xyz"]
        if any(value is None for value in values):
            return default
        x, y, z = (float(value) for value in values if value is not None)
        return x, y, z

    cylinder = found.get("impactor_cylinder", float(setup.kind == "cylinder")) > 0.5
    direction = vector("direction", setup.direction)
    radius = found["impactor_radius"] * length if "impactor_radius" in found else setup.radius
    speed = found["impactor_speed"] * length / time if "impactor_speed" in found else setup.speed
    weight = found["impactor_mass"] * mass if "impactor_mass" in found else setup.mass
    axis, point = _contact(points, direction, radius if cylinder else 0.0, cylinder)
    if "impactor_point_x" in found:
        x, y, z = vector("point", point)
        point = (x * length, y * length, z * length)
    kind: Literal["plane", "cylinder"] = "cylinder" if cylinder else "plane"
    return Impactor(
        kind, point, vector("axis", axis), direction, speed, weight, radius if cylinder else 0.0
    )


def _contact(
    points: np.ndarray, direction: Vector, radius: float, cylinder: bool
) -> tuple[Vector, Vector]:
    """An impactor that touches a part in the middle: its axis and a point."""
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
