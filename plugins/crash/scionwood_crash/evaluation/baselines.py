"""Baselines without a network: proper orthogonal decomposition (POD) and regression.

The histories of all parts are sampled on common points and reduced to their first modes. The
coefficients of the modes are regressed on the features of a part. The common points are the coarse
grid that is morphed onto each part, so the baseline has the same alignment as the network.
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
"""Candidate correlation lengths of the Gaussian process, in standard deviations."""
NOISES = (1e-4, 1e-2, 1e-1, 0.5)
"""Candidate noise variances, relative to the variance of the signal."""


@final
class Pod:
    """POD of displacements on the coarse nodes, with a Gaussian process or nearest neighbours.

    The Gaussian process of each mode has a linear trend and a Matern 5/2 kernel. Length and noise
    maximise the likelihood.

    Source: Sirovich 1987 (POD); Rasmussen and Williams 2006, equations 2.30 (the likelihood, with
    its scale at the maximum) and 4.17 (the kernel).

    Args:
        regression: `gp`, or `knn` with inverse distance weights.
        energy: share of the variance that the modes keep.
        neighbours: number of neighbours of `knn`.
    """

    def __init__(
        self, regression: Regression = "gp", *, energy: float = 0.999, neighbours: int = 3
    ) -> None:
        self.regression, self.energy, self.neighbours = regression, energy, neighbours

    def fit(self, parts: Sequence[Encoded], nodes: int) -> Pod:
        """Fit the model to parts with known displacements.

        Args:
            parts: encoded with morphed coarse nodes.
            nodes: number of coarse nodes on the finest level.
        """
        self.nodes = nodes
        histories = np.stack([self._on_coarse(part) for part in parts])
        self.shape = histories.shape[1:]
        flat = histories.reshape(len(parts), -1)
        self.mean = flat.mean(0)
        _, values, modes = np.linalg.svd(flat - self.mean, full_matrices=False)
        energy_share = np.cumsum(values**2) / max((values**2).sum(), 1e-300)
        self.modes = modes[: int(np.searchsorted(energy_share, self.energy)) + 1]
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
        """Return the displacements of a part, (N, T, 3), in 100 mm; clamped nodes do not move."""
        x = self._standard(_numbers(part)[None])
        weights = self._gp(x) if self.regression == "gp" else self._knn(x)
        history = (self.mean + (weights * self.spread) @ self.modes).reshape(self.shape)
        near, share = part.graph.near.numpy(), part.graph.share.numpy()
        moved = np.einsum("nk,nktd->ntd", share, history[near])
        moved[part.graph.clamped.numpy()] = 0
        return np.asarray(moved)

    def _on_coarse(self, part: Encoded) -> np.ndarray:
        """Return the history at the coarse nodes, interpolated from 4 mesh nodes, (node, T, 3)."""
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
        weights = np.zeros(self.targets.shape[1])
        for length in LENGTHS:
            same_length = self.length == length
            weights[same_length] = (_kernel(x, self.x, length) @ self.alpha[:, same_length])[0]
        return weights

    def _choose(self) -> None:
        """Choose length, noise and weights of each mode."""
        count, modes = self.targets.shape
        best, self.length = np.full(modes, np.inf), np.zeros(modes)
        self.alpha = np.zeros_like(self.targets)
        for length in LENGTHS:
            kernel = _kernel(self.x, self.x, length)
            for noise in NOISES:
                factor = cho_factor(kernel + noise * np.eye(count), lower=True)
                alpha = cho_solve(factor, self.targets)
                determinant = 2 * np.log(np.diag(factor[0])).sum()
                # -2 log likelihood, with the variance of the signal at its maximum, apart from
                # constants.
                cost = count * np.log((self.targets * alpha).sum(0)) + determinant
                better = cost < best
                best[better], self.length[better] = cost[better], length
                self.alpha[:, better] = alpha[:, better]


def _numbers(part: Encoded) -> np.ndarray:
    return np.asarray(part.graph.condition[0].numpy(), np.float64)


def _kernel(a: np.ndarray, b: np.ndarray, length: float) -> np.ndarray:
    """Return the sum of a linear and a Matern 5/2 kernel."""
    r = np.sqrt(5) * cdist(a, b) / length
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r) + a @ b.T / a.shape[1])
