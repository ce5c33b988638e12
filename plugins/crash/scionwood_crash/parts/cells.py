"""Give the shells of a mesh to a series without them, or what a deck states to one with shells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.impact import CLAMPED_FIELD
from scionwood_crash.parts.links import Links
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh

_FAR = 1e-4
"""Nodes may differ by this share of the size of the model."""


def with_cells(series: CrashSeries, mesh: ShellMesh) -> CrashSeries:
    """Return a series with the shells of a mesh that has the same nodes in the same order.

    Args:
        series: without shells, such as a Zarr store of PhysicsNeMo without connectivity. A point
            field `thickness` of it takes precedence over that of the mesh.
        mesh: in the units of the series.

    Raises:
        ReadError: the nodes differ.
    """
    name = str(series.path or "series")
    if len(mesh.points) != len(series.mesh.points):
        rule = f"it has {len(series.mesh.points)} nodes, and the mesh has {len(mesh.points)}"
        raise ReadError(name, rule, "Name the mesh from which the run was made")
    apart = float(np.linalg.norm(series.mesh.points - mesh.points, axis=1).max())
    if apart > _FAR * float(np.ptp(mesh.points, axis=0).max()):
        rule = f"its nodes lie up to {apart:.4g} from those of the mesh"
        raise ReadError(name, rule, "Are the units or the order of the nodes different?")
    fields = series.read(0).point_fields
    thickness = mesh.thickness
    if "thickness" in fields and (fields["thickness"] > 0).all():
        thickness = np.asarray(fields["thickness"], np.float64)[mesh.cells].mean(1)

    def read(index: int) -> Frame:
        return replace(series.read(index), alive=np.ones(len(mesh.cells), bool))

    shell_mesh = replace(
        mesh, points=series.mesh.points, units=series.mesh.units, thickness=thickness
    )
    return replace(series, mesh=shell_mesh, read=read)


def with_links(series: CrashSeries, deck: CrashSeries) -> CrashSeries:
    """Return a run with the welds, ties and held nodes of its deck, and what that states.

    Nodes are found by their numbers. What the run states of its impact takes precedence.

    Args:
        series: with shells, such as a d3plot, which holds no welds.
        deck: from which the run was made, in the units of the series.

    Raises:
        ReadError: a node of the deck is missing in the series, or lies elsewhere.
    """
    mesh, mounts = series.mesh, deck.read(0).point_fields.get(CLAMPED_FIELD)
    features = {**deck.features, **series.features}
    if deck.mesh.links is not None:
        nodes, kinds = deck.mesh.links
        mesh = replace(mesh, links=Links(_places(series, deck.mesh, nodes), kinds))
    if mounts is None or CLAMPED_FIELD in series.read(0).point_fields:
        return replace(series, mesh=mesh, features=features)
    clamped = np.zeros(len(mesh.points))
    clamped[_places(series, deck.mesh, np.flatnonzero(mounts))] = 1.0

    def read(index: int) -> Frame:
        frame = series.read(index)
        return replace(frame, point_fields={**frame.point_fields, CLAMPED_FIELD: clamped})

    return replace(series, mesh=mesh, features=features, read=read)


def _places(series: CrashSeries, mesh: ShellMesh, nodes: np.ndarray) -> np.ndarray:
    """Return the places in a run of nodes of its deck, by their numbers."""
    name, run_mesh = str(series.path or "series"), series.mesh
    order = np.argsort(run_mesh.node_ids)
    numbers = mesh.node_ids[nodes]
    at = order[np.minimum(np.searchsorted(run_mesh.node_ids[order], numbers), len(order) - 1)]
    lost = run_mesh.node_ids[at] != numbers
    if lost.any():
        rule = f"it has no node {int(numbers[lost][0])}, which a weld or tie of the deck names"
        raise ReadError(name, rule, "Name the deck from which the run was made")
    apart = float(np.linalg.norm(run_mesh.points[at] - mesh.points[nodes], axis=-1).max(initial=0))
    if apart > _FAR * float(np.ptp(mesh.points, axis=0).max()):
        rule = f"its nodes lie up to {apart:.4g} from those of the deck"
        raise ReadError(name, rule, "Are the units or the numbers of the nodes different?")
    return np.asarray(at)
