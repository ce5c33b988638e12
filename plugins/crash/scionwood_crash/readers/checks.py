"""Check the mesh and the times of a file."""

from __future__ import annotations

import numpy as np

from scionwood_crash.parts.mesh import ShellMesh

_FLAT = 1e-9  # a cell's area relative to its longest side squared, in double precision


def fault(mesh: ShellMesh, times: np.ndarray) -> tuple[str, str]:
    """Return the first rule that the mesh or its times violate, and the remedy; both may be empty.

    A cell must have at least three different nodes, an area, and no crossed sides. Nodes without a
    cell and parts that do not touch are allowed.
    """
    problem = _steps(times)
    for check in (_numbers, _nodes, _cells, _shapes):
        problem = problem or check(mesh)
    return problem or ("", "")


def _numbers(mesh: ShellMesh) -> tuple[str, str] | None:
    if mesh.points.ndim != 2 or mesh.points.shape[1] != 3 or not len(mesh.points):
        return f"its coordinates are {mesh.points.shape}, not (nodes, 3)", "Check the file"
    bad = ~np.isfinite(mesh.points).all(1)
    if bad.any():
        first = mesh.node_ids[bad][0]
        return f"node {first} has a coordinate that is NaN or infinite", "Correct the node"
    return None


def _nodes(mesh: ShellMesh) -> tuple[str, str] | None:
    for name, ids in (("node", mesh.node_ids), ("element", mesh.element_ids)):
        values, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            rule = f"{name} {values[counts > 1][0]} occurs {counts.max()} times"
            return rule, f"Give every {name} its own number"
    return None


def _steps(times: np.ndarray) -> tuple[str, str] | None:
    if not len(times):
        return "it has no state", "Missing state files? Copy them beside it"
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        return "its times do not increase", "Is it damaged, or are files of two runs in one folder?"
    return None


def _cells(mesh: ShellMesh) -> tuple[str, str] | None:
    if not len(mesh.cells) and mesh.edges is None:
        remedy = "Solids, beams and particles are not read; export the shells"
        return "it has no shell elements", remedy
    node_indices = mesh.cells if mesh.edges is None else mesh.edges
    outside = (node_indices < 0) | (node_indices >= len(mesh.points))
    if outside.any():
        where = int(np.flatnonzero(outside.any(1))[0])
        label = f"element {mesh.element_ids[where]}" if mesh.edges is None else f"edge {where}"
        return (
            f"{label} names a node that does not exist",
            "Is it damaged, or is an include missing?",
        )
    return None


def _shapes(mesh: ShellMesh) -> tuple[str, str] | None:
    if not len(mesh.cells):
        return None
    few = mesh.triangles & (mesh.cells[:, 0] == mesh.cells[:, 1])
    few |= (mesh.cells[:, 1] == mesh.cells[:, 2]) | (mesh.cells[:, 0] == mesh.cells[:, 2])
    corners = mesh.points[mesh.cells].astype(np.float64)
    area = 0.5 * np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    # The product of diagonals vanishes for a repeated corner, so triangles use two sides.
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    area = np.where(mesh.triangles[:, None], flat, area)
    longest = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=-1).max(1)
    empty = np.linalg.norm(area, axis=-1) <= _FLAT * longest**2
    crossed = ~mesh.triangles & _crossed(corners)
    faults = {"fewer than three nodes": few, "crossed sides": crossed, "no area": empty}
    for name, bad in faults.items():
        if bad.any():
            rule = f"element {mesh.element_ids[bad][0]} has {name} ({int(bad.sum())} in total)"
            return rule, "Repair the mesh in the preprocessor"
    return None


def _crossed(corners: np.ndarray) -> np.ndarray:
    """Return elements whose sides cross, as in a bow tie, (element,) bool."""
    # A bow tie turns to the left at two corners and to the right at the others.
    turn = np.cross(np.roll(corners, -1, 1) - corners, np.roll(corners, 1, 1) - corners)
    largest = np.linalg.norm(turn, axis=-1).argmax(1)
    reference = turn[np.arange(len(turn)), largest]
    return np.asarray(((turn * reference[:, None]).sum(-1) < 0).sum(1) == 2)
