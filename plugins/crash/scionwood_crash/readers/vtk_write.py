"""Write a series for ParaView (PVD and VTU), or as VTP in PhysicsNeMo's layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import quoteattr

import numpy as np

from scionwood.authoring import atomic_folder, atomic_path, check_target, writing
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.readers.vtk_encode import write_grid

STATIC = ("part_id", "element_id", "thickness", "alive")
"""Cell arrays that describe the mesh."""


def frames_folder(target: Path) -> Path:
    """Return the folder of the states of a PVD file."""
    return target.with_name(f"{target.stem}.frames")


def write_pvd(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write one VTU file per state, and the PVD file that lists them.

    The points of a state are deformed. `initial_coordinates` and `displacement` are point arrays.
    Cell fields stay on cells. One state is in memory at a time. The list names its files relative
    to itself, so that ParaView can open it from any folder.

    Args:
        series: the series to write.
        target: the `.pvd` file; the states go to the folder `<stem>.frames` beside it.
        overwrite: replace existing files.

    Raises:
        OutputExistsError: `target` or the folder exists and `overwrite` is false.
        WriteError: a file cannot be written.
    """
    target = Path(target)
    folder = frames_folder(target)
    check_target(target, overwrite)
    with (
        writing(target),
        atomic_path(target, overwrite=overwrite) as listed,
        atomic_folder(folder, overwrite=overwrite) as place,
    ):
        names = []
        for index, (time, frame) in enumerate(zip(series.times, series, strict=True)):
            names.append(f"{index:04d}.vtu")
            _write_vtu(series.mesh, float(time), frame, place / names[-1])
        files = [quoteattr(f"{folder.name}/{name}") for name in names]
        entries = (
            f'<DataSet timestep="{float(time)!r}" part="0" file={file}/>'
            for time, file in zip(series.times, files, strict=True)
        )
        lines = ['<?xml version="1.0"?>', '<VTKFile type="Collection" version="0.1">']
        lines += ["<Collection>", *entries, "</Collection>", "</VTKFile>", ""]
        listed.write_text("\n".join(lines))


def write_vtu(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write the only state of a series.

    Args:
        series: a series of one state.
        target: the `.vtu` file.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: a file cannot be written.
    """
    target = Path(target)
    with writing(target), atomic_path(target, overwrite=overwrite) as part:
        _write_vtu(series.mesh, float(series.times[0]), series.read(0), part)


def write_vtp(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write a whole series as one VTP file in PhysicsNeMo's layout.

    Each state has a point array such as `displacement_t0.005`, and one array `<field>_t0.005` for
    each point or cell field. `thickness` is on cells, and its mean on points for PhysicsNeMo.

    Args:
        series: the series to write.
        target: the `.vtp` file.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: a file cannot be written.

    Source: NVIDIA PhysicsNeMo, examples/structural_mechanics/crash/vtp_reader.py.
    """
    target, mesh = Path(target), series.mesh
    labels = time_labels(series.times)

    def on_points() -> Iterator[tuple[str, np.ndarray]]:
        yield "node_id", mesh.node_ids
        yield "thickness", mesh.node_mean(mesh.thickness)
        for label, frame in zip(labels, series, strict=True):
            yield f"displacement_t{label}", frame.displacement
            yield from ((f"{name}_t{label}", values) for name, values in frame.point_fields.items())

    def on_cells() -> Iterator[tuple[str, np.ndarray]]:
        yield from _fixed(mesh)
        for label, frame in zip(labels, series, strict=True):
            yield f"alive_t{label}", frame.alive
            yield from ((f"{name}_t{label}", values) for name, values in frame.cell_fields.items())

    fields = [*_about(mesh), ("times", np.asarray(series.times, np.float64))]
    with writing(target), atomic_path(target, overwrite=overwrite) as part, part.open("wb") as file:
        write_grid(file, mesh.points, mesh.cells, on_points(), on_cells(), fields, poly=True)


def write_vtk(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write the only state of a series as legacy VTK.

    Args:
        series: a series of one state.
        target: the `.vtk` file.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: a file cannot be written.
    """
    import pyvista

    target = Path(target)
    with (
        writing(target),
        atomic_path(target, overwrite=overwrite) as part,
        TemporaryDirectory(dir=target.parent) as folder,
    ):
        place = Path(folder) / "state.vtu"
        _write_vtu(series.mesh, float(series.times[0]), series.read(0), place)
        pyvista.read(place).save(place.with_suffix(".vtk"))
        place.with_suffix(".vtk").replace(part)


def writer_of(suffix: str) -> Callable[..., None]:
    """Return the function that writes a series in a format of VTK, by its suffix."""
    if suffix == ".vtkhdf":
        from scionwood_crash.readers.vtkhdf_write import write_vtkhdf

        return write_vtkhdf
    return {".pvd": write_pvd, ".vtu": write_vtu, ".vtk": write_vtk}.get(suffix, write_vtp)


def time_labels(times: np.ndarray) -> list[str]:
    """Return times for the names of arrays, so that PhysicsNeMo reads all of them in order.

    If one name has the form `t0.ddd`, its reader ignores all others. So either all names have this
    form, or none has.
    """
    short = [f"{time:.3f}" for time in times]
    exact = np.allclose([float(text) for text in short], times, rtol=0, atol=1e-9)
    if exact and all(text.startswith("0.") for text in short) and len(set(short)) == len(short):
        return short
    places = 6
    while len({f"{time:.{places}f}" for time in times}) < len(times):
        places += 3
    return [f"{time:.{places}f}" for time in times]


def with_displacement(
    series: CrashSeries, states: Iterator[np.ndarray] | list[np.ndarray]
) -> CrashSeries:
    """Return the series with other displacements; those of an iterator are read once, in order."""

    def read(index: int) -> Frame:
        frame = series.read(index)
        after = states[index] if isinstance(states, list) else next(states)
        return replace(frame, displacement=after.astype(frame.displacement.dtype))

    return replace(series, read=read)


def _write_vtu(mesh: ShellMesh, time: float, frame: Frame, target: Path) -> None:
    on_points = {
        "node_id": mesh.node_ids,
        "initial_coordinates": mesh.points,
        "displacement": frame.displacement,
        **frame.point_fields,
    }
    on_cells = {**dict(_fixed(mesh)), "alive": frame.alive, **frame.cell_fields}
    fields = [*_about(mesh), ("TimeValue", np.array([time]))]
    moved = mesh.points + frame.displacement
    with target.open("wb") as file:
        write_grid(file, moved, mesh.cells, on_points.items(), on_cells.items(), fields)


def _fixed(mesh: ShellMesh) -> Iterator[tuple[str, np.ndarray]]:
    yield "part_id", mesh.part_ids
    yield "element_id", mesh.element_ids
    yield "thickness", mesh.thickness


def _about(mesh: ShellMesh) -> Iterator[tuple[str, np.ndarray | str]]:
    yield "units", str(mesh.units)
    if mesh.rigid_parts:
        yield "rigid_parts", np.array(sorted(mesh.rigid_parts), np.int64)
