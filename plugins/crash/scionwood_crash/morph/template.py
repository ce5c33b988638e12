"""The fixed coarse grids in (u, v), whose connections are the same for every part."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, final

import numpy as np

Grid = tuple[int, int]


@final
class Transfer(NamedTuple):
    """Fixed connections between two levels; every target has the same number of sources.

    Attributes:
        sources: (target, degree), node numbers on the source level.
    """

    sources: np.ndarray


@final
class Template:
    """Coarse grids, from fine to coarse.

    Args:
        grids: nodes along u and around v on each level, finest first.
        degree: number of sources of each node in a transfer between levels.
    """

    def __init__(self, grids: tuple[Grid, ...], degree: int = 6) -> None:
        self.grids, self.degree = grids, degree

    @cached_property
    def levels(self) -> list[np.ndarray]:
        """(u, v) of the nodes on each level, (node, 2); no node lies on the seam."""
        return [_grid(*shape) for shape in self.grids]

    @cached_property
    def edges(self) -> list[np.ndarray]:
        """Edges within each level, (2, edge): sources and targets, sorted by target.

        The grid is closed in v. In an open section the two sides are far apart, which the network
        sees from the length of the edge.
        """
        return [_neighbours(*shape) for shape in self.grids]

    @cached_property
    def down(self) -> list[Transfer]:
        """Transfers from each level to the next coarser one."""
        return [self._transfer(a, b) for a, b in zip(self.levels, self.levels[1:], strict=False)]

    @cached_property
    def up(self) -> list[Transfer]:
        """Transfers from each coarser level to the next finer one."""
        return [self._transfer(b, a) for a, b in zip(self.levels, self.levels[1:], strict=False)]

    def _transfer(self, sources: np.ndarray, targets: np.ndarray) -> Transfer:
        gap = np.abs(targets[:, None] - sources[None])
        gap[..., 1] = np.minimum(gap[..., 1], 1 - gap[..., 1])
        # Distances in steps of the grid, or the longer axis would take all sources.
        spacing = [1 / max(len(np.unique(sources[:, axis])) - 1, 1) for axis in (0, 1)]
        distance = np.hypot(*np.moveaxis(gap / spacing, -1, 0))
        degree = min(self.degree, len(sources))
        return Transfer(np.sort(np.argsort(distance, 1, kind="stable")[:, :degree], 1))


def _grid(along: int, circumference: int) -> np.ndarray:
    u, v = np.linspace(0, 1, along), (np.arange(circumference) + 0.5) / circumference
    return np.stack(np.meshgrid(u, v, indexing="ij"), -1).reshape(-1, 2)


def _neighbours(along: int, circumference: int) -> np.ndarray:
    at = np.arange(along * circumference).reshape(along, circumference)
    pairs = [(at[:-1], at[1:]), (at, np.roll(at, -1, 1))]
    pairs += [(at[:-1], np.roll(at, shift, 1)[1:]) for shift in (1, -1)]
    one_way = np.concatenate([np.stack([a.ravel(), b.ravel()]) for a, b in pairs], 1)
    both = np.unique(np.concatenate([one_way, one_way[::-1]], 1), axis=1)
    both = both[:, both[0] != both[1]]
    return np.asarray(both[:, np.lexsort((both[0], both[1]))])
