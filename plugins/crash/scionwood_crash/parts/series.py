"""Convert between series, which are what files hold, and parts, which also have an impactor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.carried import at_rest
from scionwood_crash.parts.impact import CLAMPED_FIELD as CLAMPED_FIELD
from scionwood_crash.parts.impact import Setup as Setup
from scionwood_crash.parts.impact import clamped_nodes, rigid_body, sheet, sheets
from scionwood_crash.parts.links import Links, pieces_of
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.parts.options import Hold as Hold
from scionwood_crash.parts.options import Vector as Vector
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.quantities import SHEETS, Settings
from scionwood_crash.parts.units import LENGTHS, MASSES, TIMES, Units
from scionwood_crash.solver.model import COLUMNS

PART_UNITS = Units("mm", "ms", "kg")
"""The units of parts."""
STRAIN = "plastic_strain"


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
    numbers = None if part.sheet is None else part.sheet + 1
    mesh = ShellMesh.build(
        part.points, part.cells, part.thickness, part_ids=numbers, units=PART_UNITS
    )
    mesh = replace(mesh, links=part.links)
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
    """Return the impactor and the materials of a part as numbers by name."""
    impactor = part.impactor
    numbers = {f"material_{name}": float(getattr(part.material, name)) for name in COLUMNS}
    for at, material in enumerate(part.materials[1:], 2):
        numbers |= {f"material_{at}_{name}": float(getattr(material, name)) for name in COLUMNS}
    numbers["impactor_cylinder"] = float(impactor.kind == "cylinder")
    if impactor.kind == "sphere":
        numbers["impactor_sphere"] = 1.0
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
        part_list = ", ".join(map(str, np.unique(mesh.part_ids)[:12]))
        raise ReadError(f"part {part}", f"the file has the parts {part_list}", "Choose one of them")

    def read(index: int) -> Frame:
        frame = series.read(index)
        fields = {name: values[mine] for name, values in frame.cell_fields.items()}
        return replace(frame, alive=frame.alive[mine], cell_fields=fields)

    mesh_fields = {"cells": mesh.cells[mine], "element_ids": mesh.element_ids[mine]}
    mesh_fields |= {"part_ids": mesh.part_ids[mine], "thickness": mesh.thickness[mine]}
    part_features = _of_part(series.features, int(np.searchsorted(np.unique(mesh.part_ids), part)))
    return replace(series, mesh=replace(mesh, **mesh_fields), read=read, features=part_features)


def _of_part(features: Mapping[str, float], at: int) -> dict[str, float]:
    """Return the numbers of a run with the material of one part, the first being number 0."""
    numbers = {key: value for key, value in features.items() if not SHEETS.fullmatch(key)}
    for name in COLUMNS:
        sheet_key = f"material_{at + 1}_{name}"
        if sheet_key in features:
            numbers[f"material_{name}"] = features[sheet_key]
    return numbers


def from_series(
    series: CrashSeries,
    setup: Setup | None = None,
    *,
    frames: int | None = None,
    family: str = "",
    settings: Settings | None = None,
) -> Part:
    """Return a series as a part.

    Numbers are converted to mm, ms and kg. If the units are unknown, they are taken to be these.
    Nodes without a shell are left out. Rigid parts are clamped. Welds and ties are those of the
    mesh; a keyword deck states them. A part that flies into a fixed wall is turned into the frame
    of its carrier (`parts.carried`).

    Args:
        series: a mesh and its states.
        setup: conditions that the file does not state; `None` means the defaults.
        frames: for a mesh without history: number of states to predict.
        family: kind of part.
        settings: meaning of the keys of `features`; other keys become `conditions` of the part.

    Raises:
        ReadError: the clamped nodes are unknown, the mesh has no shells, or the part flies and no
            group of nodes moves as one body, or nothing states where the wall stands.
    """
    setup, series = setup or Setup(), at_rest(series)
    mesh = series.mesh
    length, time, mass = factors(mesh.units)
    quantities, extra = (settings or Settings()).stated(series.features, (length, time, mass))
    used = np.unique(mesh.cells)
    number = np.zeros(len(mesh.points), np.int64)
    number[used] = np.arange(len(used))
    points = mesh.points[used].astype(np.float64) * length
    clamped = clamped_nodes(series, setup, points, used)
    clamped[number[mesh.cells[mesh.rigid]]] = True
    states = len(series) > 1
    first = series.read(0).cell_fields
    times = series.times * time if states else np.linspace(0, setup.duration, frames or 2)
    first_sheet = sheet(quantities, setup, length, time, mass)
    several = sheets(quantities, first_sheet, length, time, mass)
    return Part(
        points,
        number[mesh.cells],
        mesh.thickness * length,
        clamped,
        first_sheet,
        rigid_body(quantities, setup, points, (length, time, mass)),
        times - times[0],
        series.displacement()[:, used].astype(np.float64) * length if states else None,
        series.cell_field(STRAIN) if states and STRAIN in first else None,
        family,
        "" if series.path is None else run_name(series.path),
        extra,
        several,
        _numbered(mesh.part_ids, len(several), series.path) if several else None,
        _links(mesh, used, number),
    )


def _links(mesh: ShellMesh, used: np.ndarray, number: np.ndarray) -> Links | None:
    """Return the links between pieces that the mesh has, in the numbers of a part.

    Args:
        mesh: may have links of nodes without a shell, and within a piece, which are left out.
        used: nodes with a shell.
        number: (node,), the number of each node of the mesh in the part.
    """
    if mesh.links is None:
        return None
    nodes, kinds = mesh.links
    pieces = pieces_of(len(mesh.points), mesh.sides())
    is_used = np.isin(nodes, used).all(1) & (pieces[nodes[:, 0]] != pieces[nodes[:, 1]])
    return Links(number[nodes[is_used]], kinds[is_used]) if is_used.any() else None


def _numbered(part_ids: np.ndarray, count: int, path: Path | None) -> np.ndarray:
    """Return the number of the material of each cell: parts in the order of their numbers.

    Raises:
        ReadError: there are not as many parts as materials.
    """
    names, at = np.unique(part_ids, return_inverse=True)
    if len(names) != count:
        rule = f"it has {len(names)} parts, and states {count} materials"
        raise ReadError(str(path or "series"), rule, "State one material for each part")
    return np.asarray(at.reshape(-1), np.int64)


def run_name(path: Path) -> str:
    """Return the name of a run: of its file, or of the folder of a file named `d3plot`."""
    return path.parent.name if path.name.lower() == "d3plot" else path.stem


def factors(units: Units) -> tuple[float, float, float]:
    """Return the factors from a file's units to mm, ms and kg; 1 if they are unknown."""
    if not units.known:
        return 1.0, 1.0, 1.0
    return LENGTHS[units.length] * 1e3, TIMES[units.time] * 1e3, MASSES[units.mass]
