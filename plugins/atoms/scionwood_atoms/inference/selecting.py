"""Which structures to label next: uncertain ones that are unlike each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood import RecipeError
from scionwood_atoms.data.labels import Frame
from scionwood_atoms.inference.committee import Committee, spreads
from scionwood_atoms.model.graph import Graph
from scionwood_atoms.model.potential import rms

CENTRES = np.arange(0.75, 5.0, 0.25)
"""A, of the Gaussians that describe distances; their width is the step."""
ALIKE = 1e-3  # Structures whose descriptions are nearer are taken for copies


@final
@dataclass(frozen=True)
class Selection:
    """Structures of a pool to label next."""

    indices: tuple[int, ...]  # of the chosen structures, the most uncertain first
    spreads: np.ndarray  # (m,), of each structure, root mean square of the components, eV/A
    correlation: float | None  # of spread and error by rank; `None` without labels
    errors: dict[str, float]  # mean errors of the forces of the chosen and of all, eV/A


def select_frames(committee: Committee, frames: Sequence[Frame], n: int) -> Selection:
    """Choose structures: of the most uncertain quarter, each as far as possible from the others.

    Labels, if all frames have them, are used for comparison alone. Fewer than n are chosen if the
    others are copies of them.
    """
    if not 1 <= n <= len(frames):
        raise RecipeError(f"n {n}", f"the pool has {len(frames)} structures", "Ask for 1 to all")
    graphs = [committee.graph(frame.structure.atoms()) for frame in frames]
    forces = committee.forces(graphs)
    spread = np.array([rms(spreads(one)) / 3**0.5 for one in forces])
    places = descriptions(graphs)
    likely = np.argsort(-spread, kind="stable")[: max(len(frames) // 4, 3 * n)]
    chosen = farthest(places, likely, n)
    pairs = zip(forces, (frame.structure.forces for frame in frames), strict=True)
    wrong = np.array([rms(one.mean(0) - label) for one, label in pairs if label is not None])
    if len(wrong) < max(len(frames), 3):
        return Selection(tuple(chosen), spread, None, {})
    from scipy.stats import spearmanr

    errors = {"selected": float(wrong[chosen].mean()), "pool": float(wrong.mean())}
    return Selection(tuple(chosen), spread, float(spearmanr(spread, wrong).statistic), errors)


def farthest(places: np.ndarray, candidates: np.ndarray, n: int) -> list[int]:
    """Return at most n candidates: the first, then each time the farthest from those before.

    Places are (m, feature), the description of each structure; candidates are indices of them.
    Copies of one another are left out.
    """
    chosen = [int(candidates[0])]
    apart = np.linalg.norm(places[candidates] - places[chosen[0]], axis=1)
    while len(chosen) < n and apart.max() > ALIKE:
        chosen.append(int(candidates[int(apart.argmax())]))
        apart = np.minimum(apart, np.linalg.norm(places[candidates] - places[chosen[-1]], axis=1))
    return chosen


def descriptions(graphs: Sequence[Graph]) -> np.ndarray:
    """Return smoothed distances of each pair of elements for an atom, (m, feature).

    They do not change if a structure is turned or shifted, or its atoms change their order.
    """
    ends = [np.sort(graph.numbers[graph.edges].numpy(), axis=0) for graph in graphs]
    kinds = [1000 * low + high for low, high in ends]
    columns = np.unique(np.concatenate(kinds))
    places = np.zeros((len(graphs), len(columns), len(CENTRES)))
    for row, (graph, kind) in enumerate(zip(graphs, kinds, strict=True)):
        lengths = graph.vectors().norm(dim=1).double().numpy()[:, None]
        smooth = np.exp(-(((lengths - CENTRES) / 0.25) ** 2) / 2) / lengths
        np.add.at(places[row], np.searchsorted(columns, kind), smooth)
        places[row] /= len(graph.numbers)
    return places.reshape(len(graphs), -1)
