"""Which structures to label next: uncertain ones that are unlike each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood import RecipeError
from scionwood_atoms.data.labels import Frame
from scionwood_atoms.inference.committee import Committee, spread
from scionwood_atoms.model.graph import Graph

SHARE = 4
"""The candidates are the most uncertain quarter of the pool, or three times as many as asked."""
CENTRES = np.arange(0.75, 5.0, 0.25)
"""A, of the Gaussians that describe distances; their width is the step."""
ALIKE = 1e-3
"""Structures whose descriptions are nearer are taken for one: a shift of any bond by 0.01 A."""


@final
@dataclass(frozen=True)
class Selection:
    """Structures of a pool to label next.

    Attributes:
        indices: of the chosen structures, the most uncertain first.
        spreads: of the forces of each structure of the pool, eV/A.
        correlation: of spread and error of the forces by rank; `None` without labels.
        errors: the mean error of the forces, eV/A, of the chosen structures, of as many that are
            spread out alone, and of random ones; empty without labels.
    """

    indices: tuple[int, ...]
    spreads: np.ndarray
    correlation: float | None
    errors: dict[str, float]


def select_frames(committee: Committee, frames: Sequence[Frame], n: int) -> Selection:
    """Choose structures: of the most uncertain, each one as far as possible from those before.

    Args:
        committee: whose spread is the uncertainty.
        frames: the pool; labels, if all have them, are used for comparison alone.
        n: how many; fewer are chosen if the others are copies of them.

    Raises:
        RecipeError: the pool has fewer structures, or n is below 1.
        GraphError: a structure has no graph for the base.
    """
    if not 1 <= n <= len(frames):
        rule = f"the pool has {len(frames)} structures"
        raise RecipeError(f"n {n}", rule, "Ask for one of them or more, and not for more than all")
    graphs = [committee.graph(frame.structure.atoms()) for frame in frames]
    forces = committee.forces(graphs)
    spreads = np.array([spread(one) for one in forces])
    places = descriptions(graphs)
    order = np.argsort(-spreads, kind="stable")
    candidates = order[: max(len(frames) // SHARE, 3 * n)]
    chosen = farthest(places, candidates, n)
    if any(frame.structure.forces is None for frame in frames):
        return Selection(tuple(chosen), spreads, None, {})
    from scipy.stats import spearmanr

    wrong = np.array(
        [
            np.sqrt(np.square(one.mean(0) - frame.structure.forces).mean())
            for one, frame in zip(forces, frames, strict=True)
        ]
    )
    even = farthest(places, np.arange(len(frames)), n)
    errors = {"selected": wrong[chosen], "farthest point": wrong[even], "random": wrong}
    means = {name: float(values.mean()) for name, values in errors.items()}
    ranks = float(spearmanr(spreads, wrong).statistic) if len(frames) > 2 else None
    return Selection(tuple(chosen), spreads, ranks, means)


def farthest(places: np.ndarray, candidates: np.ndarray, n: int) -> list[int]:
    """Return at most n candidates, the first one and each time the farthest from those before.

    Args:
        places: (m, feature), the description of each structure.
        candidates: indices of structures.
        n: how many; fewer are returned if the rest are copies.

    Example:
        >>> farthest(np.array([[0.0], [0.0], [1.0], [5.0]]), np.arange(4), 4)
        [0, 3, 2]
    """
    chosen = [int(candidates[0])]
    apart = np.linalg.norm(places[candidates] - places[chosen[0]], axis=1)
    while len(chosen) < n and apart.max() > ALIKE:
        chosen.append(int(candidates[int(apart.argmax())]))
        apart = np.minimum(apart, np.linalg.norm(places[candidates] - places[chosen[-1]], axis=1))
    return chosen


def descriptions(graphs: Sequence[Graph]) -> np.ndarray:
    """Return smoothed distances of each pair of elements for an atom, (m, feature).

    They do not change if a structure is turned, shifted or doubled, or its atoms change order.

    Args:
        graphs: a graph of each of m structures.
    """
    pairs = [_pairs(graph) for graph in graphs]
    columns = {
        int(kind): at for at, kind in enumerate(np.unique(np.concatenate([k for k, _ in pairs])))
    }
    places = np.zeros((len(graphs), len(columns), len(CENTRES)))
    for row, (graph, (kinds, lengths)) in enumerate(zip(graphs, pairs, strict=True)):
        width = CENTRES[1] - CENTRES[0]
        smooth = np.exp(-(((lengths[:, None] - CENTRES) / width) ** 2) / 2) / lengths[:, None]
        np.add.at(places[row], [columns[int(kind)] for kind in kinds], smooth)
        places[row] /= len(graph.numbers)
    return places.reshape(len(graphs), -1)


def _pairs(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind of each directed pair, and its length, A."""
    ends = np.sort(graph.numbers[graph.edges].numpy(), axis=0)
    return 1000 * ends[0] + ends[1], graph.vectors().norm(dim=1).double().numpy()
