"""Baselines without a network: proper orthogonal decomposition with regression on a part's numbers.

What engineers use today: the histories of all parts on one set of points, their first modes, and a
regression of the modes' coefficients. The common points are the coarse grid that is morphed onto
each part, so that the baseline has the same alignment as the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from scionwood_crash.data.encode import Encoded

Regression = Literal["gp", "knn"]
LENGTHS = (2.0, 4.0, 8.0, 16.0)
"""Correlation lengths among which the Gaussian process chooses, in standard deviations."""
NOISES = (1e-4, 1e-2, 1e-1, 0.5)
"""And variances of its noise, relative to the signal's."""


@final
class Pod:
    """POD of displacements on the coarse nodes, with a Gaussian process or nearest neighbours.

    The process of each mode is a linear trend and a Matern 5/2 kernel; its length and noise are
    those of the largest likelihood.

    Source: Sirovich 1987 (POD); Rasmussen and Williams 2006, equations 2.30 (the likelihood, with
    its scale at the maximum) and 4.17 (the kernel).

    Args:
        regression: `gp`, or `knn` with weights of the inverse distance.
        energy: the share of variance that the modes keep.
        neighbours: of `knn`.
    """

    def __init__(
        self, regression: Regression = "gp", *, energy: float = 0.999, neighbours: int = 3
    ) -> None:
        self.regression, self.energy, self.neighbours = regression, energy, neighbours

    def fit(self, parts: Sequence[Encoded], nodes: int) -> Pod:
        """Learn from parts with known displacements.

        Args:
            parts: encoded with morphed coarse nodes.
            nodes: coarse nodes of the finest level.
        """
        self.nodes = nodes
        histories = np.stack([self._on_coarse(part) for part in parts])
        self.shape = histories.shape[1:]
        flat = histories.reshape(len(parts), -1)
        self.mean = flat.mean(0)
        _, values, modes = np.linalg.svd(flat - self.mean, full_matrices=False)
        kept = np.cumsum(values**2) / max((values**2).sum(), 1e-300)
        self.modes = modes[: int(np.searchsorted(kept, self.energy)) + 1]
        targets = (flat - self.mean) @ self.modes.T
        x = np.stack([_numbers(part) for part in parts])
        self.centre, self.scale = x.mean(0), np.maximum(x.std(0), 1e-6)
        self.x = self._standard(x)
        self.spread = np.maximum(targets.std(0), 1e-12)
        self.targets = targets / self.spread
        if self.regression == "gp":
            self._choose()
        return self

    def predict(self, part: Encoded) -> np.ndarray:
        """Displacements of the nodes of a part, (N, T, 3) in 100 mm; clamped ones stay."""
        x = self._standard(_numbers(part)[None])
        found = self._gp(x) if self.regression == "gp" else self._knn(x)
        history = (self.mean + (found * self.spread) @ self.modes).reshape(self.shape)
        near, share = part.graph.near.numpy(), part.graph.share.numpy()
        moved = np.einsum("nk,nktd->ntd", share, history[near])
        moved[part.graph.clamped.numpy()] = 0
        return np.asarray(moved)

    def _on_coarse(self, part: Encoded) -> np.ndarray:
        """The true history at the coarse nodes, from the nearest node of each: (node, T, 3)."""
        coarse = part.graph.coarse[: self.nodes].numpy()
        distance, near = cKDTree(part.graph.position.numpy()).query(coarse, 4)
        weights = 1 / np.maximum(distance, 1e-6)
        weights /= weights.sum(1, keepdims=True)
        return np.asarray(np.einsum("nk,nktd->ntd", weights, part.displacement.numpy()[near]))

    def _standard(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip((x - self.centre) / self.scale, -5, 5))

    def _knn(self, x: np.ndarray) -> np.ndarray:
        count = min(self.neighbours, len(self.x))
        distance, near = cKDTree(self.x).query(x[0], [*range(1, count + 1)])
        weights = 1 / np.maximum(distance, 1e-9)
        return np.asarray(weights @ self.targets[near] / weights.sum())

    def _gp(self, x: np.ndarray) -> np.ndarray:
        found = np.zeros(self.targets.shape[1])
        for length in LENGTHS:
            own = self.length == length
            found[own] = (_kernel(x, self.x, length) @ self.alpha[:, own])[0]
        return found

    def _choose(self) -> None:
        """Length, noise and weights of each mode."""
        count, modes = self.targets.shape
        best, self.length = np.full(modes, np.inf), np.zeros(modes)
        self.alpha = np.zeros_like(self.targets)
        for length in LENGTHS:
            kernel = _kernel(self.x, self.x, length)
            for noise in NOISES:
                factor = cho_factor(kernel + noise * np.eye(count), lower=True)
                alpha = cho_solve(factor, self.targets)
                determinant = 2 * np.log(np.diag(factor[0])).sum()
                cost = count * np.log((self.targets * alpha).sum(0)) + determinant
                better = cost < best
                best[better], self.length[better] = cost[better], length
                self.alpha[:, better] = alpha[:, better]


def _numbers(part: Encoded) -> np.ndarray:
    return np.asarray(part.graph.condition[0].numpy(), np.float64)


def _kernel(a: np.ndarray, b: np.ndarray, length: float) -> np.ndarray:
    """A linear trend and Matern with smoothness 5/2."""
    r = np.sqrt(5) * cdist(a, b) / length
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r) + a @ b.T / a.shape[1])
