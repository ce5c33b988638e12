"""Write starter and engine decks of OpenRadioss, to simulate a part that was designed here.

Source: Altair Radioss, "Reference Guide", Starter and Engine input, block format.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scionwood import WriteError
from scionwood.authoring import atomic_path, writing
from scionwood_crash.parts.mesh import CrashSeries, ShellMesh
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import PART_UNITS, factors, from_series

STARTER, ENGINE = "_0000.rad", "_0001.rad"
_STATES = 50


def write_radioss(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write `NAME_0000.rad` with mesh, sheet, clamps and impactor, and `NAME_0001.rad` to run it.

    The sheet has the law PLAS_JOHNS, whose constants are yield stress, hardening and exponent. The
    impactor is a moving rigid wall with its mass and speed. Numbers are in mm, ms and kg. The deck
    follows the reference guide; it was not run through OpenRadioss here.

    Args:
        series: states clamps, impactor and material; see `scionwood_crash.parts.series`.
        target: the starter deck, whose name ends in `_0000.rad`.
        overwrite: replace existing files.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: the name does not end in `_0000.rad`, or a file cannot be written.
        ReadError: the series does not state the clamped nodes.
    """
    target = Path(target)
    if not target.name.endswith(STARTER):
        rule = f"the name of a starter deck ends in {STARTER}"
        raise WriteError(str(target), rule, f"Such as {target.stem}{STARTER}")
    name = target.name.removesuffix(STARTER)
    part = from_series(series, frames=2)
    lines = _mesh(name, series.mesh) + _sheet(part) + _impact(part, series.mesh)
    engine = [f"/RUN/{name}/1", f"{part.duration:20.8g}", "/VERS/2022", "/TFILE", f"{0.1:20.8g}"]
    engine += ["/ANIM/DT", f"{0.0:20.8g}{part.duration / _STATES:20.8g}", "/ANIM/VECT/DISP"]
    engine += ["/ANIM/SHELL/EPSP", "/ANIM/GZIP", ""]
    for path, content in (
        (target, [*lines, "/END", ""]),
        (target.with_name(name + ENGINE), engine),
    ):
        _write(path, content, overwrite)


def write_mesh_deck(mesh: ShellMesh, target: Path, *, overwrite: bool = False) -> None:
    """Write a starter deck with the mesh alone; see `write_radioss`."""
    target = Path(target)
    _write(target, [*_mesh(target.stem, mesh), "/END", ""], overwrite)


def _write(path: Path, lines: list[str], overwrite: bool) -> None:
    with writing(path), atomic_path(path, overwrite=overwrite) as part:
        part.write_text("\n".join(lines), encoding="latin-1")


def _mesh(name: str, mesh: ShellMesh) -> list[str]:
    length = factors(mesh.units)[0]
    units = f"{PART_UNITS.mass:>20}{PART_UNITS.length:>20}{PART_UNITS.time:>20}"
    lines = ["#RADIOSS STARTER", "/BEGIN", name[:80], f"{2022:10d}{0:10d}", units, units, "/NODE"]
    points = (mesh.points.astype(np.float64) * length).tolist()
    for number, (x, y, z) in zip(mesh.node_ids.tolist(), points, strict=True):
        lines.append(f"{number:10d}{x:20.10g}{y:20.10g}{z:20.10g}")
    thickness = mesh.thickness * length
    for part in np.unique(mesh.part_ids).tolist():
        mine = mesh.part_ids == part
        lines += [f"/PART/{part}", f"part {part}", f"{part:10d}{1:10d}{0:10d}"]
        lines += [f"/PROP/SHELL/{part}", f"sheet {part}", f"{24:10d}{0:10d}{0:10d}{0:10d}"]
        lines += [f"{0.0:20.8g}" * 5, f"{5:10d}{'':10}{thickness[mine].mean():20.10g}{0.0:20.8g}"]
        lines[-1] += f"{'':10}{1:10d}{1:10d}"
        for name_, chosen in (
            ("SHELL", mine & ~mesh.triangles),
            ("SH3N", mine & mesh.triangles),
        ):
            if chosen.any():
                lines.append(f"/{name_}/{part}")
                lines += [
                    _element(mesh, at, thickness[at]) for at in np.flatnonzero(chosen).tolist()
                ]
    return lines


def _element(mesh: ShellMesh, at: int, thickness: float) -> str:
    nodes = mesh.node_ids[mesh.cells[at][: 3 if mesh.triangles[at] else 4]]
    numbers = "".join(f"{number:10d}" for number in (mesh.element_ids[at], *nodes))
    return f"{numbers:<60}{0.0:20.8g}{thickness:20.10g}"


def _sheet(part: Part) -> list[str]:
    sheet = part.material

    def row(*values: float) -> str:
        return "".join(f"{value:20.8g}" for value in values)

    lines = ["/MAT/PLAS_JOHNS/1", "sheet", row(sheet.density), row(sheet.young, sheet.poisson)]
    lines.append(row(sheet.yield_stress, sheet.hardening, sheet.exponent, 0.0, 0.0))
    return [*lines, row(0.0, 0.0), row(0.0, 0.0, 0.0, 0.0)]


def _impact(part: Part, mesh: ShellMesh) -> list[str]:
    used = np.unique(mesh.cells)
    clamped_ids = mesh.node_ids[used][part.clamped].tolist()
    lines = ["/GRNOD/NODE/1", "clamped nodes"]
    lines += [
        "".join(f"{number:10d}" for number in clamped_ids[at : at + 10])
        for at in range(0, len(clamped_ids), 10)
    ]
    lines += ["/BCS/1", "clamps", f"{'111 111':>10}{0:10d}{1:10d}"]
    impactor, number = part.impactor, int(mesh.node_ids.max()) + 1

    def row(*values: float) -> str:
        return "".join(f"{value:20.10g}" for value in values)

    kind = {"cylinder": "CYL", "sphere": "SPHER"}.get(impactor.kind, "PLANE")
    point, axis = np.asarray(impactor.point), np.asarray(impactor.axis)
    direction = np.asarray(impactor.direction) / np.linalg.norm(impactor.direction)
    lines += ["/NODE", f"{number:10d}{row(*point)}"]
    lines += [f"/RWALL/{kind}/1", "impactor", f"{number:10d}{2:10d}{0:10d}{0:10d}"]
    lines.append(row(2 * float(np.ptp(mesh.points)), impactor.friction, 2 * impactor.radius))
    lines[-1] += f"{0.0:20.8g}{0:10d}"
    return [*lines, row(impactor.mass, *(impactor.speed * direction)), row(*(point + axis))]
