"""Write d3plot files through lasso-python, with one state in memory at a time."""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scionwood.authoring import check_target, writing
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.readers.lasso import RIGID, lasso_d3plot

if TYPE_CHECKING:
    from lasso.dyna import D3plot

_MARK = struct.pack("<f", -999999.0)
_BLOCK = 512 * 4
_PLASTIC = 24  # *MAT_PIECEWISE_LINEAR_PLASTICITY, for parts of unknown material
_COPIED = {
    "current_thickness": "element_shell_thickness",
    "internal_energy": "element_shell_internal_energy",
}


def write_d3plot(
    series: CrashSeries,
    target: Path,
    *,
    overwrite: bool = False,
    states_per_file: int | None = None,
) -> None:
    """Write a d3plot file in single precision, which holds positions instead of displacements.

    These cell fields are written: `plastic_strain` or `plastic_strain_layers`, `stress_layers`,
    `current_thickness` (by default the initial thickness) and `internal_energy`. Of the point
    fields, `velocity` and `acceleration` are written. Shells of rigid parts lose their fields, as
    in LS-DYNA.

    Args:
        series: the series to write.
        target: the first file.
        overwrite: replace existing files, including state files.
        states_per_file: states in each of `<target>01`, `<target>02` ...; `None` writes all states
            to the first of them. With 0 the states follow the mesh in `target`, which not all
            programs can read.

    Raises:
        OutputExistsError: `target` or a state file exists and `overwrite` is false.
        WriteError: a file cannot be written.
        PluginError: lasso-python is not installed.

    Source: LSTC, "LS-DYNA Database Binary Output Files"; lasso-python 2.
    """
    target = Path(target)
    with writing(target), new_family(target, overwrite) as place:
        for index, (time, frame) in enumerate(zip(series.times, series, strict=True)):
            mesh, state = _pack(series.mesh, float(time), frame, place)
            number = 1 if states_per_file is None else 0
            if states_per_file:
                number = index // states_per_file + 1
            file = place / _name(target, number)
            if index == 0:
                _append(place / _name(target, 0), mesh)
            if number and not file.exists():
                _close(place / _name(target, number - 1), number > 1)
            _append(file, state)
        _close(file, True)


@contextmanager
def new_family(target: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a folder for files `new-<name>`, which are renamed together when the block succeeds.

    State files of an older family, `<target>01` and so on, are removed.

    Raises:
        OutputExistsError: `target` or a state file exists and `overwrite` is false.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(re.escape(target.name) + r"\d+")
    old = [item for item in target.parent.iterdir() if pattern.fullmatch(item.name)]
    for item in (target, *old):
        check_target(item, overwrite)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as place:
        yield Path(place)
        for item in old:
            item.unlink()
        # The first file has the shortest name and comes last: without it there is no family.
        for item in sorted(Path(place).glob("new-*"), reverse=True):
            _sync(item)
            os.replace(item, target.with_name(item.name.removeprefix("new-")))


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _name(target: Path, number: int) -> str:
    return f"new-{target.name}{number:02d}" if number else f"new-{target.name}"


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _close(path: Path, mark: bool) -> None:
    """End a file with the mark, if wanted, and with zeros up to a whole block."""
    _append(path, _MARK if mark else b"")
    _append(path, b"\0" * (-path.stat().st_size % _BLOCK))


def _pack(mesh: ShellMesh, time: float, frame: Frame, place: Path) -> tuple[bytes, bytes]:
    """Return the bytes of the geometry with its end mark, and of one state without it."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = Path(folder) / "d3plot"
        _filled(mesh, time, frame).write_d3plot(str(path), block_size_bytes=0)
        return path.read_bytes(), path.with_name("d3plot01").read_bytes()[: -len(_MARK)]


def _filled(mesh: ShellMesh, time: float, frame: Frame) -> D3plot:
    data = lasso_d3plot()()
    parts, indexes = np.unique(mesh.part_ids, return_inverse=True)
    numbers = parts.astype(np.int32)
    positions = mesh.points.astype(np.float64) + frame.displacement
    data.arrays = {
        "node_coordinates": mesh.points.astype(np.float32),
        "node_ids": mesh.node_ids.astype(np.int32),
        "element_shell_node_indexes": mesh.cells.astype(np.int32),
        "element_shell_ids": mesh.element_ids.astype(np.int32),
        "element_shell_part_indexes": indexes.astype(np.int32),
        "part_ids": numbers,
        "part_ids_unordered": numbers,
        "part_ids_cross_references": np.arange(1, len(parts) + 1, dtype=np.int32),
        "timesteps": np.array([time], np.float32),
        "node_displacement": positions.astype(np.float32)[None],
        # As in LS-DYNA: the index of the part, or 0 for a deleted element.
        "element_shell_is_alive": ((indexes + 1) * frame.alive).astype(np.float32)[None],
    }
    if mesh.rigid_parts:
        rigid = np.isin(parts, sorted(mesh.rigid_parts))
        kinds = np.where(rigid, RIGID, _PLASTIC).astype(np.int32)
        data.arrays["part_material_type"] = kinds
    for name in ("velocity", "acceleration"):
        if name in frame.point_fields:
            data.arrays[f"node_{name}"] = frame.point_fields[name].astype(np.float32)[None]
    data.arrays.update(_fields(mesh, frame))
    return data


def _fields(mesh: ShellMesh, frame: Frame) -> dict[str, np.ndarray]:
    is_deformable = ~mesh.rigid
    fields = {"current_thickness": mesh.thickness, **frame.cell_fields}
    arrays = {
        name: fields[label][is_deformable].astype(np.float32)[None]
        for label, name in _COPIED.items()
        if label in fields
    }
    strain = fields.get("plastic_strain_layers", fields.get("plastic_strain"))
    if strain is not None:
        layers = strain.reshape(len(strain), -1)[is_deformable].astype(np.float32)
        arrays["element_shell_effective_plastic_strain"] = layers[None]
    if "stress_layers" in fields:
        stress = fields["stress_layers"].reshape(len(mesh.cells), -1, 6)[is_deformable]
        arrays["element_shell_stress"] = stress.astype(np.float32)[None]
    return arrays
