"""The common form of crash simulations: a shell mesh, and its states over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.links import Links
from scionwood_crash.parts.units import UNKNOWN, Units


@final
@dataclass(frozen=True)
class ShellMesh:
    """Nodes and shell elements before the impact.

    Attributes:
        points: (node, 3) float, initial coordinates X0, in `units.length`.
        cells: (element, 4) int64, indices of `points`; a triangle repeats its last node.
        node_ids: (node,) int64, node numbers of the model.
        element_ids: (element,) int64, element numbers of the model.
        part_ids: (element,) int64, the part of each element.
        thickness: (element,) float64, initial, in `units.length`.
        units: units of every number here and in the states.
        rigid_parts: parts of rigid material, whose elements have no strain or stress.
        edges: (edge, 2) int64, if a file holds only the graph without cells; otherwise `None`.
        links: welds and ties between nodes, which keyword decks state; `None` means none.

    Example:
        >>> import numpy as np
        >>> from scionwood_crash import ShellMesh
        >>> points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
        >>> mesh = ShellMesh.build(points, np.array([[0, 1, 2, 3]]), 1.5)
        >>> mesh.thickness.tolist(), mesh.node_ids.tolist()
        ([1.5], [1, 2, 3, 4])
    """

    points: np.ndarray
    cells: np.ndarray
    node_ids: np.ndarray
    element_ids: np.ndarray
    part_ids: np.ndarray
    thickness: np.ndarray
    units: Units = UNKNOWN
    rigid_parts: frozenset[int] = frozenset()
    edges: np.ndarray | None = None
    links: Links | None = None

    @classmethod
    def build(
        cls,
        points: np.ndarray,
        cells: np.ndarray,
        thickness: np.ndarray | float,
        *,
        part_ids: np.ndarray | None = None,
        node_ids: np.ndarray | None = None,
        element_ids: np.ndarray | None = None,
        units: Units = UNKNOWN,
        rigid_parts: frozenset[int] = frozenset(),
    ) -> ShellMesh:
        """Build a mesh; numbers and parts that are not given get defaults.

        Args:
            points: (node, 3).
            cells: (element, 4), or (element, 3) for triangles.
            thickness: one value, or one for each element.
            part_ids: (element,); `None` means part 1.
            node_ids: (node,); `None` counts from 1.
            element_ids: (element,); `None` counts from 1.
            units: units of every number.
            rigid_parts: parts of rigid material.
        """
        cells = np.asarray(cells, np.int64)
        if cells.ndim == 2 and cells.shape[1] == 3:
            cells = np.concatenate([cells, cells[:, -1:]], 1)
        n, e = len(points), len(cells)
        return cls(
            np.asarray(points),
            cells,
            np.arange(1, n + 1) if node_ids is None else np.asarray(node_ids, np.int64),
            np.arange(1, e + 1) if element_ids is None else np.asarray(element_ids, np.int64),
            np.ones(e, np.int64) if part_ids is None else np.asarray(part_ids, np.int64),
            np.broadcast_to(np.asarray(thickness, np.float64), (e,)).copy(),
            units,
            rigid_parts,
        )

    @property
    def triangles(self) -> np.ndarray:
        """(element,) bool: which cells have three nodes."""
        return np.asarray(self.cells[:, 2] == self.cells[:, 3])

    @property
    def rigid(self) -> np.ndarray:
        """(element,) bool: which cells belong to a rigid part."""
        return np.isin(self.part_ids, sorted(self.rigid_parts))

    def sides(self) -> np.ndarray:
        """Return every side of a cell once, (side, 2) int64, lower node first, sorted."""
        if self.edges is not None:
            return self.edges
        pairs = np.stack([self.cells, np.roll(self.cells, -1, 1)], -1).reshape(-1, 2)
        pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], 1)
        return np.unique(pairs, axis=0)

    def node_mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of (element,) values over each node's cells, (node,); 0 without cells."""
        # A triangle repeats its last node, which must not count twice.
        real = np.ones_like(self.cells, bool)
        real[:, 3] = ~self.triangles
        weights = np.broadcast_to(np.asarray(values, np.float64)[:, None], self.cells.shape)[real]
        nodes = self.cells[real]
        total = np.bincount(nodes, weights, len(self.points))
        return np.asarray(total / np.maximum(np.bincount(nodes, minlength=len(self.points)), 1))


@final
@dataclass(frozen=True)
class Frame:
    """One state of a simulation.

    Attributes:
        displacement: (node, 3) float, position minus initial position, in `units.length`.
        alive: (element,) bool; False for a deleted element.
        cell_fields: (element,) or (element, component) float, such as `plastic_strain`.
        point_fields: (node,) or (node, component) float, such as `velocity`.

    Example:
        >>> import numpy as np
        >>> from scionwood_crash import Frame
        >>> strain = {"plastic_strain": np.array([0.02])}
        >>> state = Frame(np.zeros((4, 3)), alive=np.array([True]), cell_fields=strain)
        >>> float(state.cell_fields["plastic_strain"].max())
        0.02
    """

    displacement: np.ndarray
    alive: np.ndarray
    cell_fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    point_fields: Mapping[str, np.ndarray] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class CrashSeries:
    """A mesh and its states, which are read on demand, one at a time.

    Attributes:
        mesh: before the impact.
        times: (state,) float64, increasing, in `mesh.units.time`.
        read: returns the state of an index.
        path: file of origin.
        features: numbers of the whole run, such as the impact velocity.

    Example:
        >>> import numpy as np
        >>> from scionwood_crash import CrashSeries, ShellMesh
        >>> points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
        >>> mesh = ShellMesh.build(points, np.array([[0, 1, 2, 3]]), 1.5)
        >>> motion = np.linspace(0, 1, 3)[:, None, None] * np.array([0, 0, -5.0])[None, None]
        >>> series = CrashSeries.from_arrays(mesh, np.arange(3.0), np.repeat(motion, 4, axis=1))
        >>> len(series), series.read(2).displacement[0].tolist()
        (3, [0.0, 0.0, -5.0])
    """

    mesh: ShellMesh
    times: np.ndarray
    read: Callable[[int], Frame]
    path: Path | None = None
    features: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        mesh: ShellMesh,
        times: np.ndarray,
        displacement: np.ndarray,
        *,
        cell_fields: Mapping[str, np.ndarray] | None = None,
        point_fields: Mapping[str, np.ndarray] | None = None,
        alive: np.ndarray | None = None,
        features: Mapping[str, float] | None = None,
    ) -> CrashSeries:
        """Return a series that is held in memory.

        Args:
            mesh: before the impact.
            times: (state,).
            displacement: (state, node, 3).
            cell_fields: (state, element) or (state, element, component) by name.
            point_fields: (state, node) or (state, node, component) by name.
            alive: (state, element) bool; `None` means that all elements are alive.
            features: numbers of the whole run.

        Raises:
            ReadError: an array does not match the mesh and the times.
        """
        times = np.asarray(times, np.float64)
        on_cells, on_points = dict(cell_fields or {}), dict(point_fields or {})
        living = np.ones((len(times), len(mesh.cells)), bool) if alive is None else alive
        nodes, elements = (len(times), len(mesh.points)), (len(times), len(mesh.cells))
        _check_shape("displacement", displacement, (*nodes, 3))
        for name, values in {**on_cells, "alive": living}.items():
            _check_shape(name, values[..., 0] if np.ndim(values) == 3 else values, elements)
        for name, values in on_points.items():
            _check_shape(name, values[..., 0] if np.ndim(values) == 3 else values, nodes)

        def read(index: int) -> Frame:
            return Frame(
                displacement[index],
                living[index],
                {name: values[index] for name, values in on_cells.items()},
                {name: values[index] for name, values in on_points.items()},
            )

        return cls(mesh, times, read, features=dict(features or {}))

    def __len__(self) -> int:
        """Return the number of states."""
        return len(self.times)

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the states in the order of time, and read each on demand."""
        return (self.read(index) for index in range(len(self)))

    def displacement(self) -> np.ndarray:
        """Return all displacements, (state, node, 3)."""
        return np.stack([frame.displacement for frame in self])

    def alive(self) -> np.ndarray:
        """Return which elements are alive, (state, element) bool."""
        return np.stack([frame.alive for frame in self])

    def cell_field(self, name: str) -> np.ndarray:
        """Return a cell field, (state, element) or (state, element, component).

        Raises:
            ReadError: the field does not exist.
        """
        field_names = sorted(self.read(0).cell_fields)
        if name not in field_names:
            rule = f"the cell fields are {', '.join(field_names) or 'none'}"
            raise ReadError(f"{self.path or 'series'}, field {name!r}", rule, "Name one of them")
        return np.stack([frame.cell_fields[name] for frame in self])


def _check_shape(name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if np.shape(values) != shape:
        rule = f"it must be {shape} to match the states and the mesh"
        raise ReadError(f"{name} {np.shape(values)}", rule, "Give one value for each of them")
