"""A small series with everything that files can hold: parts, triangles, deletion, fields."""

from __future__ import annotations

import numpy as np

from scionwood_crash.parts.mesh import CrashSeries, ShellMesh
from scionwood_crash.parts.units import Units


def sample_series(*, columns: int = 4, states: int = 3, seed: int = 0) -> CrashSeries:
    """Return a strip of shells that folds upwards, with three parts, one of them rigid.

    The last column of quads is cut into triangles, and its elements are deleted one by one.

    Args:
        columns: columns of quads; the strip has three rows.
        states: number of states, at least one.
        seed: seed of node numbers and of noise on the plastic strain.

    Returns:
        A series in mm, ms and kg, whose coordinates are exact in float32.
    """
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(columns + 1) * 8.0, np.arange(4) * 6.0, indexing="ij")
    points = np.stack([x, y, 0.125 * x], -1).reshape(-1, 3).astype(np.float32)
    first = (np.arange(columns)[:, None] * 4 + np.arange(3)).ravel()
    quads = np.stack([first, first + 4, first + 5, first + 1], 1)
    halves = [quads[-3:, [0, 1, 2, 2]], quads[-3:, [0, 2, 3, 3]]]
    cells = np.concatenate([quads[:-3], *halves])
    parts = np.where(np.arange(len(cells)) < 3, 7, np.where(cells[:, 2] == cells[:, 3], 12, 9))
    mesh = ShellMesh.build(
        points,
        cells,
        np.where(parts == 9, 1.5, 0.75),
        part_ids=parts,
        node_ids=np.sort(rng.choice(10_000, len(points), replace=False)) + 1,
        element_ids=np.arange(len(cells)) + 501,
        units=Units("mm", "ms", "kg"),
        rigid_parts=frozenset({7}),
    )
    times = np.arange(states) * 0.5
    lift = np.float32(0.25) * times[:, None].astype(np.float32) * points[:, 0]
    moved = np.zeros((states, len(points), 3))
    moved[:, :, 2] = (points[:, 2] + lift).astype(np.float32) - points[:, 2].astype(np.float64)
    strain = 0.02 * times[:, None] * (1 + 0.1 * rng.random(len(cells)))
    strain[:, mesh.rigid] = 0.0
    alive = np.ones((states, len(cells)), bool)
    for state in range(1, states):
        alive[state, -min(state, 6) :] = False
    return CrashSeries.from_arrays(
        mesh,
        times,
        moved,
        cell_fields={"plastic_strain": strain.astype(np.float32)},
        alive=alive,
    )
