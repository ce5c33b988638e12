"""The detection of CLAIR (arXiv 2605.21217), and no more of it: shared subspace and sparse blocks.

The paper also refines the estimate of each site by the mean of all changes outside of the subspace.
That part is not here: in our trials it helped no site. What is here is a reconstruction from the
abstract.

The changes of a layer at K sites are put side by side. Outlier pursuit splits them into a part of
low rank and blocks that are zero for most sites, by an augmented Lagrangian. It minimises
|L|_* + lambda sum_k |S_k|_F with L + S = M. A site whose change lies outside of the shared subspace
stands apart. On trained adapters it finds noise, and hardly anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scionwood_federated.rules.averages import exact
from scionwood_federated.rules.low_rank import dense
from scionwood_federated.rules.pooled import Pooled, stacks
from scionwood_federated.update.record import FederationError, Update

FLOOR = 0.02
"""The least spread of the scores, so that nearly equal sites are not told apart by noise."""


def clair(updates: Sequence[Update], weights: Sequence[float], like: Update) -> Pooled:
    """Leave out the sites outside of the shared subspace, and take the exact mean of the rest.

    Args:
        updates: at least four updates.
        weights: the weights, which sum to one.
        like: gives the rank and the scale of the result.

    Raises:
        FederationError: there are fewer than four sites.
    """
    scores = outside(updates)
    centre = scores.median()
    # Median and median deviation: the sites that are to be found do not move them.
    spread = max(float((scores - centre).abs().median()), FLOOR)
    inliers = [n for n, score in enumerate(scores.tolist()) if score <= centre + 5 * spread]
    total = sum(weights[n] for n in inliers)
    return exact([updates[n] for n in inliers], [weights[n] / total for n in inliers], like)


def outside(updates: Sequence[Update]) -> Tensor:
    """Return the share of each site's change outside of the shared subspace, a mean over layers.

    Args:
        updates: at least four updates.

    Returns:
        (sites,) float64, from 0 to 1.

    Raises:
        FederationError: there are fewer than four sites.
    """
    if len(updates) < 4:
        rule = "a shared subspace of fewer than four sites says nothing"
        raise FederationError(f"{len(updates)} sites", rule, "Use another rule")
    layers = stacks(updates).values()
    rows = [_layer([dense(part) for part in parts], parts[0].rank) for parts in layers]
    return torch.stack(rows).mean(0)


def _layer(changes: list[Tensor], rank: int) -> Tensor:
    count = len(changes)
    norms = torch.stack([change.norm() for change in changes]).clamp(min=1e-30)
    # Equal norms: a site cannot draw the shared subspace to itself by a large update.
    equal = [change / norm * norms.median() for change, norm in zip(changes, norms, strict=True)]
    matrix, width = _spanned(equal)
    low = _low_part(matrix, width, 1.5 * (rank / count) ** 0.5)
    basis = torch.linalg.eigh(low @ low.T)[1][:, -rank:]
    blocks = matrix.reshape(len(matrix), count, width).transpose(0, 1)
    beyond = blocks - basis @ (basis.T @ blocks)
    share: Tensor = beyond.norm(dim=(1, 2)) / blocks.norm(dim=(1, 2)).clamp(min=1e-30)
    return share


def _spanned(changes: list[Tensor]) -> tuple[Tensor, int]:
    """Return all changes side by side in bases of their rows and columns, which is exact."""
    rows = _basis(torch.stack([change.T @ change for change in changes]).sum(0))
    wide = torch.cat([change @ rows for change in changes], 1)
    return _basis(wide @ wide.T).T @ wide, rows.shape[1]


def _basis(gram: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(gram)
    # Eigenvalues are squares of singular values: 1e-14 of them is 1e-7.
    basis: Tensor = vectors[:, values > 1e-14 * values[-1].clamp(min=1e-30)]
    return basis


def _low_part(matrix: Tensor, width: int, weight: float) -> Tensor:
    low, sparse, dual = (torch.zeros_like(matrix) for _ in range(3))
    step = 1.25 / float(torch.linalg.matrix_norm(matrix, 2))
    for _ in range(120):
        # Alternating minimisation of |L|_* + weight * sum of |S_site|, with M = L + S held by a
        # dual and a penalty that grows.
        low = _shrunk(matrix - sparse + dual / step, 1 / step)
        blocks = (matrix - low + dual / step).reshape(len(matrix), -1, width)
        norms = blocks.norm(dim=(0, 2), keepdim=True).clamp(min=1e-12)
        # Soft threshold of whole blocks: all of a site's change is sparse, or nothing of it.
        sparse = (blocks * (1 - weight / step / norms).clamp(min=0)).flatten(1)
        gap = matrix - low - sparse
        dual, step = dual + step * gap, min(step * 1.05, 1e6)
        if gap.norm() < 1e-6 * matrix.norm():
            break
    return low


def _shrunk(matrix: Tensor, by: float) -> Tensor:
    # The matrix is wide: M M' is small, and has its left singular vectors.
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    singular = values.clamp(min=1e-30).sqrt()
    out: Tensor = (vectors * ((singular - by).clamp(min=0) / singular)) @ (vectors.T @ matrix)
    return out
