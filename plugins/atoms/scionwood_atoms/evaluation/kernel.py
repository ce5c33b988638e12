"""A kernel model of one molecule: what a run on one composition must beat.

With some tens of structures of one molecule this model is better than a network that was adapted
for as many seconds. It knows no other molecule and no crystal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from scionwood_atoms.data.frames import Frame
from scionwood_atoms.data.geometry import covalent

LENGTHS = (1.0, 3.0, 10.0)
"""Lengths of the kernel that are tried, in units of inverse distances, 1/A."""
RIDGES = (1e-8, 1e-5)  # Ridges that are tried, for forces of unit variance
MOST_PERMUTATIONS = 100
"""More symmetries than this cost more than they give; then none but the identity is used."""
MOST_FOR_KERNEL = 200  # Training structures above which the fit takes longer than a minute


@final
class Kernel:
    """Symmetric gradient-domain machine learning, sGDML.

    A Matern kernel with nu = 5/2 on inverse distances, summed over permutations of equal atoms,
    is differentiated twice and fitted to forces. The energy is its integral; one constant is set
    by the mean of the energies. The length is in 1/A, the ridge that of forces of unit variance.

    Source: S. Chmiela et al. 2018, doi:10.1038/s41467-018-06169-2; written from the paper, whose
        permutations are found by matching structures, and here from the bonds.
    """

    def __init__(self, permutations: Sequence[Sequence[int]], length: float, ridge: float) -> None:
        self.permutations = [np.asarray(one) for one in permutations]
        self.length, self.ridge, self.offset = length, ridge, 0.0

    def fit(self, positions: np.ndarray, energies: np.ndarray, forces: np.ndarray) -> Kernel:
        """Fit the model to (m, atom, 3), A, (m,), eV, and (m, atom, 3), eV/A, and return it."""
        from scipy.linalg import cho_factor, cho_solve

        count, size = len(positions), 3 * positions.shape[1]
        x, slopes = _described(positions, np.arange(positions.shape[1]))
        permuted = [_described(positions, one) for one in self.permutations]
        matrix = sum(self._block(x, slopes, *other) for other in permuted)
        target = -forces.ravel()
        scale = float(target.std()) or 1.0
        matrix = (matrix + matrix.T) / 2
        matrix[np.diag_indices_from(matrix)] += self.ridge
        weights = cho_solve(cho_factor(matrix, overwrite_a=True), target / scale)
        weights = weights.reshape(count, size) * scale
        self._terms = [(x, np.einsum("mpk,mk->mp", slope, weights)) for x, slope in permuted]
        self.offset = 0.0
        self.offset = float((energies - self.predict(positions)[0]).mean())
        return self

    def predict(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return energies, (m,), eV, and forces, (m, atom, 3), eV/A, at positions in A."""
        rate = 5**0.5 / self.length
        energies, forces = [], []
        for x, slopes in zip(*_described(positions, np.arange(positions.shape[1])), strict=True):
            energy, slope = 0.0, np.zeros_like(x)
            for other, weights in self._terms:
                apart = x - other
                far = np.linalg.norm(apart, axis=1)
                decay = rate**2 / 3 * np.exp(-rate * far)
                along = (apart * weights).sum(1)
                energy += float((decay * (1 + rate * far) * along).sum())
                slope += ((decay * (1 + rate * far))[:, None] * weights).sum(0)
                slope -= ((decay * rate**2 * along)[:, None] * apart).sum(0)
            energies.append(energy + self.offset)
            forces.append(-(slope @ slopes).reshape(-1, 3))
        return np.array(energies), np.array(forces)

    def _block(
        self, x: np.ndarray, slopes: np.ndarray, other: np.ndarray, permuted: np.ndarray
    ) -> Any:
        """Return the second derivatives of the kernel, (m 3n, m 3n)."""
        rate, count, size = 5**0.5 / self.length, len(x), slopes.shape[2]
        out = np.empty((count, size, count, size))
        flat = permuted.transpose(1, 0, 2).reshape(permuted.shape[1], -1)
        for row in range(count):
            apart = x[row] - other
            far = np.linalg.norm(apart, axis=1)
            decay = rate**2 / 3 * np.exp(-rate * far)
            both = (slopes[row].T @ flat).reshape(size, count, size)
            left = slopes[row].T @ apart.T
            right = np.einsum("mp,mpk->mk", apart, permuted)
            out[row] = both * (decay * (1 + rate * far))[None, :, None]
            out[row] -= (decay * rate**2)[None, :, None] * left[:, :, None] * right[None]
        return out.reshape(count * size, count * size)


def fit_kernel(
    symbols: Sequence[str],
    train: tuple[np.ndarray, np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Kernel:
    """Return the model whose length and ridge are best on validation forces.

    Training and validation are positions (m, atom, 3), A, energies (m,), eV, and forces
    (m, atom, 3), eV/A.
    """
    turns = permutations(symbols, train[0])
    models = [Kernel(turns, length, ridge).fit(*train) for length in LENGTHS for ridge in RIDGES]
    return min(models, key=lambda one: float(np.square(one.predict(val[0])[1] - val[2]).mean()))


def permutations(symbols: Sequence[str], positions: np.ndarray) -> list[tuple[int, ...]]:
    """Return permutations of equal atoms that keep the bonds.

    Atoms within 1.25 times the sum of their covalent radii are bonded. A hydrogen at N, O or F is
    also joined to others of them within 2.2 A, since it may go over. Three atoms at one centre are
    turned and not mirrored: they cannot pass through each other.

    The mean distances of the positions, (m, atom, 3), A, count.
    """
    import networkx as nx

    radii = covalent(symbols)
    apart = positions[:, :, None] - positions[:, None]
    lengths = np.linalg.norm(apart, axis=3).mean(0)
    bonded = lengths < 1.25 * (radii[:, None] + radii)
    polar = np.isin(symbols, ("N", "O", "F"))
    moving = (np.asarray(symbols) == "H") & (bonded & polar).any(1)
    bonded |= moving[:, None] & polar & (lengths < 2.2)
    bonded |= bonded.T
    graph = nx.Graph(zip(*np.nonzero(np.triu(bonded, 1)), strict=True))
    graph.add_nodes_from((at, {"element": name}) for at, name in enumerate(symbols))
    same_element = nx.isomorphism.categorical_node_match("element", None)
    matcher = nx.isomorphism.GraphMatcher(graph, graph, node_match=same_element)
    tops = [_leaves(bonded, at) for at in range(len(symbols))]
    symmetries: list[tuple[int, ...]] = []
    for match in matcher.isomorphisms_iter():
        turn = tuple(match[at] for at in range(len(symbols)))
        if all(_is_even([turn[at] for at in leaves]) for leaves in tops if len(leaves) == 3):
            symmetries.append(turn)
        if len(symmetries) > MOST_PERMUTATIONS:
            return [tuple(range(len(symbols)))]
    return symmetries


def _leaves(bonded: np.ndarray, centre: int) -> list[int]:
    """Return the neighbours of an atom that have no other neighbour."""
    return [int(at) for at in np.nonzero(bonded[centre])[0] if bonded[at].sum() - 1 == 1]


def _is_even(places: list[int]) -> bool:
    pairs = [(i, j) for i in range(len(places)) for j in range(i + 1, len(places))]
    return sum(places[i] > places[j] for i, j in pairs) % 2 == 0


def _described(positions: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inverse distances (m, pair) of permuted atoms and their slopes (m, pair, 3n).

    The slopes are those by the coordinates of the atoms before the permutation.
    """
    start, end = np.triu_indices(positions.shape[1], 1)
    start, end = turn[start], turn[end]
    apart = positions[:, start] - positions[:, end]
    lengths = np.linalg.norm(apart, axis=2)
    slopes = np.zeros((len(positions), len(start), positions.shape[1], 3))
    pull = -apart / lengths[..., None] ** 3
    pairs = np.arange(len(start))
    slopes[:, pairs, start], slopes[:, pairs, end] = pull, -pull
    return 1 / lengths, slopes.reshape(len(positions), len(start), -1)


def arrays(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions (m, atom, 3), energies (m,) and forces (m, atom, 3) of labelled frames."""
    structures = [frame.structure for frame in frames]
    positions = np.array([one.positions for one in structures])
    energies = np.array([one.energy for one in structures], dtype=np.float64)
    return positions, energies, np.array([one.forces for one in structures], dtype=np.float64)
