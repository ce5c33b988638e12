"""Read and write Zarr stores in PhysicsNeMo's layout, as folders or zip files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
import zarr
from zarr.storage import LocalStore, ZipStore

from scionwood import ReadError
from scionwood.authoring import atomic_folder_or_zip, check_links, check_zip, writing
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.blosc import check_chunks
from scionwood_crash.readers.sample import sample_series

CONNECTIVITY_PREFIX = "mesh_connectivity_"
"""PhysicsNeMo skips arrays with this prefix; all others must be (node,)."""

_FIELD = f"{CONNECTIVITY_PREFIX}field_"
_POINT = f"{CONNECTIVITY_PREFIX}point_"

check_chunks()


@final
class ZarrReader(CrashReader):
    """Reads `mesh_pos` (state, node, xyz), `edges` (edge, 2), `thickness` (node).

    Cells are read from `mesh_connectivity_flat` and `_offsets`, as PhysicsNeMo-Curator writes
    them. A store without them gives a mesh with edges only. Other arrays on nodes are constant
    fields. Without times, states are numbered from 0, with a warning.

    In a process that was forked after the reader was created it refuses to read, because Zarr can
    hang there. Start workers with `spawn` or `forkserver`.

    Args:
        path: a folder, or a zip file of one.
        units: such as `mm, ms, kg`; `None` means the units of the store, which may be unknown.
        thickness: thickness of shells if the store has none.

    Shapes: positions, (node, xyz) float64.

    Units: those of the store's attribute `units`.

    Raises: ReadError, for a damaged store, other shapes, missing chunks, NaN, an archive that
        inflates too much, a link out of the folder, or a forked process.

    Source: NVIDIA PhysicsNeMo, examples/structural_mechanics/crash/zarr_reader.py.
    """

    suffixes = (".zip", ".zarr")
    format = "Zarr"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small seeded mesh of parts that bends."""
        write_zarr(sample_series(), path, overwrite=True)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        self._process = os.getpid()
        if self.path.is_dir():
            check_links(self.path, self.format)
        with self._group() as group:
            shape = group["mesh_pos"].shape
            if len(shape) != 3 or shape[2] != 3:
                rule = f"Zarr: mesh_pos is {shape}, not (states, nodes, 3)"
                raise ReadError(str(self.path), rule, "See PhysicsNeMo's crash example")
            self._nodes, names = shape[1], set(group.keys())
            mesh = self._mesh(group, names)
            self._static = {
                name: self._array(group, name, (self._nodes,))
                for name in sorted(names - {"mesh_pos", "edges"})
                if not name.startswith(CONNECTIVITY_PREFIX)
                and (name != "thickness" or mesh.edges is not None)
            }
            return mesh, self._times(group, shape[0])

    def _mesh(self, group: Any, names: set[str]) -> ShellMesh:
        edges = None
        cells = np.empty((0, 4), np.int64)
        if f"{CONNECTIVITY_PREFIX}flat" in names:
            cells = self._cells(
                np.asarray(group[f"{CONNECTIVITY_PREFIX}flat"]),
                np.asarray(group[f"{CONNECTIVITY_PREFIX}offsets"]),
            )
        else:
            edges = np.asarray(group["edges"]).astype(np.int64).reshape(-1, 2)
        first = f"{CONNECTIVITY_PREFIX}initial_coordinates"
        points = group[first][:] if first in names else group["mesh_pos"][0]

        def optional_array(name: str, size: int) -> np.ndarray | None:
            return (
                self._array(group, CONNECTIVITY_PREFIX + name, (size,))
                if CONNECTIVITY_PREFIX + name in names
                else None
            )

        mesh = ShellMesh.build(
            np.asarray(points),
            cells,
            0.0,
            part_ids=optional_array("part_id", len(cells)),
            node_ids=optional_array("node_id", self._nodes),
            element_ids=optional_array("element_id", len(cells)),
            units=self._units(group.attrs.get("units")),
            rigid_parts=frozenset(int(part) for part in group.attrs.get("rigid_parts", [])),
        )
        if edges is not None:
            return ShellMesh(**{**vars(mesh), "edges": edges})
        thickness = optional_array("thickness", len(cells))
        if thickness is None:
            thickness = np.zeros(len(cells))
            inside = 0 <= cells.min(initial=0) <= cells.max(initial=0) < self._nodes
            if "thickness" in names and inside:
                thickness = self._array(group, "thickness", (self._nodes,))[cells].mean(1)
        return self._with_thickness(mesh, thickness)

    def _cells(self, flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        sizes = np.diff(offsets)
        fits = len(offsets) and offsets[0] == 0 and offsets[-1] == len(flat)
        if not fits or not np.isin(sizes, (3, 4)).all():
            rule = "Zarr: not all of its cells have three or four nodes"
            raise ReadError(str(self.path), rule, "Only shells can be read")
        at = offsets[:-1, None] + np.minimum(np.arange(4), sizes[:, None] - 1)
        return np.asarray(flat[at].astype(np.int64)).reshape(-1, 4)

    def _times(self, group: Any, states: int) -> np.ndarray:
        times = group.attrs.get("times")
        if times is None:
            warnings.warn(
                f"{self.path.name} has no times: states are numbered from 0", stacklevel=2
            )
            return np.arange(float(states))
        values = np.asarray(times, np.float64)
        if values.shape != (states,):
            rule = f"Zarr: it has {values.size} times and {states} states"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again")
        return values

    def _frame(self, index: int) -> Frame:
        with self._group() as group:
            moved = self._position(group, index).astype(np.float64) - self.mesh.points
            names = list(group.keys())
            alive = np.ones(len(self.mesh.cells), bool)
            if f"{CONNECTIVITY_PREFIX}alive" in names:
                alive = np.asarray(group[f"{CONNECTIVITY_PREFIX}alive"][index]) != 0
            on_cells = {
                n.removeprefix(_FIELD): np.asarray(group[n][index])
                for n in names
                if n.startswith(_FIELD)
            }
            on_points = {
                n.removeprefix(_POINT): np.asarray(group[n][index])
                for n in names
                if n.startswith(_POINT)
            }
        return Frame(moved, alive, on_cells, {**self._static, **on_points})

    def _stored(self, index: int) -> np.ndarray:
        self.read(index)  # checks the state
        with self._group() as group:
            return self._position(group, index)

    def _position(self, group: Any, index: int) -> np.ndarray:
        return np.asarray(group["mesh_pos"][index])

    def _array(self, group: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if group[name].shape != shape:
            rule = f"Zarr: {name} is {group[name].shape}, not {shape}"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again")
        return np.asarray(group[name][:])

    @contextmanager
    def _group(self) -> Iterator[Any]:
        if self._process != os.getpid():
            rule = "this Zarr reader was created before the process was forked, and could hang"
            raise ReadError(str(self.path), rule, "Start workers with spawn or forkserver")
        if not self.path.exists():
            raise FileNotFoundError(self.path)
        store: LocalStore | ZipStore
        if self.path.is_dir():
            store = LocalStore(self.path, read_only=True)
        else:
            check_zip(self.path, self.format, allow_repeats=True)
            store = ZipStore(self.path, mode="r")
        try:
            yield zarr.open_group(store, mode="r")
        finally:
            store.close()

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        series = self.series()

        def read(index: int) -> Frame:
            frame = series.read(index)
            fields = {k: v for k, v in frame.point_fields.items() if k not in self._static}
            moved = next(states)
            return Frame(moved, frame.alive, frame.cell_fields, fields)

        changed = CrashSeries(series.mesh, series.times, read, self.path)
        _write(changed, target, overwrite, extra=self._static, positions=True)


def write_zarr(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write Zarr v2 in PhysicsNeMo's layout, as a zip file if the name ends in `.zip`.

    The arrays are `mesh_pos`, `edges`, `thickness` (mean on nodes) and the cells. Numbers, parts,
    thickness, deletion and element fields are in arrays that PhysicsNeMo skips.

    Args:
        series: the series; one state is in memory at a time.
        target: a folder, or a zip file.
        overwrite: replace what exists.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the store cannot be written.

    Source: NVIDIA PhysicsNeMo, examples/structural_mechanics/crash/zarr_reader.py.
    """
    _write(series, Path(target), overwrite, extra={}, positions=False)


def _write(
    series: CrashSeries,
    target: Path,
    overwrite: bool,
    *,
    extra: dict[str, np.ndarray],
    positions: bool,
) -> None:
    with writing(target), atomic_folder_or_zip(target, overwrite=overwrite) as folder:
        _fill(zarr.open_group(folder, mode="w", zarr_format=2), series, extra, positions)


def _fill(group: Any, series: CrashSeries, extra: dict[str, np.ndarray], positions: bool) -> None:
    mesh = series.mesh
    real = np.ones_like(mesh.cells, bool)
    real[:, 3] = ~mesh.triangles
    fixed = {
        "edges": mesh.sides(),
        "thickness": mesh.node_mean(mesh.thickness),
        f"{CONNECTIVITY_PREFIX}flat": mesh.cells[real],
        f"{CONNECTIVITY_PREFIX}offsets": np.concatenate([[0], np.cumsum(real.sum(1))]),
        f"{CONNECTIVITY_PREFIX}initial_coordinates": mesh.points,
        f"{CONNECTIVITY_PREFIX}node_id": mesh.node_ids,
        f"{CONNECTIVITY_PREFIX}element_id": mesh.element_ids,
        f"{CONNECTIVITY_PREFIX}part_id": mesh.part_ids,
        f"{CONNECTIVITY_PREFIX}thickness": mesh.thickness,
        **extra,
    }
    if mesh.edges is not None:
        fixed = {name: values for name, values in fixed.items() if values.size}
        del fixed[f"{CONNECTIVITY_PREFIX}offsets"]
    for name, values in fixed.items():
        group.create_array(name, data=np.asarray(values), chunks=values.shape)
    group.attrs["times"] = [float(time) for time in series.times]
    group.attrs["units"] = str(series.mesh.units)
    group.attrs["rigid_parts"] = sorted(mesh.rigid_parts)
    for index, frame in enumerate(series):
        moved = frame.displacement if positions else mesh.points + frame.displacement
        values = {"mesh_pos": moved, f"{CONNECTIVITY_PREFIX}alive": frame.alive.astype(np.uint8)}
        values |= {_FIELD + name: field for name, field in frame.cell_fields.items()}
        values |= {_POINT + name: field for name, field in frame.point_fields.items()}
        for name, state in values.items():
            if not state.size:
                continue
            if index == 0:
                shape = (len(series), *state.shape)
                # A missing chunk is then read as NaN, and refused.
                fill = np.nan if state.dtype.kind == "f" else 0
                group.create_array(
                    name, shape=shape, chunks=(1, *state.shape), dtype=state.dtype, fill_value=fill
                )
            group[name][index] = state
