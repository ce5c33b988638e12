"""Sums of low-rank products, without ever forming a weight matrix.

The change of a weight by LoRA is s B A with A (rank, in) and B (out, rank). The mean of A times the
mean of B is not the mean of B A. A sum of products is one product of stacked factors:
w1 s1 B1 A1 + w2 s2 B2 A2 = [w1 s1 B1, w2 s2 B2] [A1; A2], which is exact (FLoRA, arXiv 2409.05976).
Two QR decompositions and a small SVD then give its best approximation of a lower rank (FlexLoRA,
arXiv 2402.11505).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from peft import PeftConfig
from peft.utils.other import get_pattern_key
from torch import Tensor

from scionwood_federated.update.record import Update

_A = re.compile(
    r"(?P<module>.+)\.(?P<kind>lora_|lora_embedding_|smoa_)A(?P<end>\.weight|(?P<block>\.\d+))?"
)


class Pair(NamedTuple):
    """The factors of a layer as float64 matrices: the change of the weight is `scale * b @ a`.

    Attributes:
        a: (rank, in).
        b: (out, rank).
        scale: lora_alpha / rank, or with rsLoRA over the root of the rank.
    """

    a: Tensor
    b: Tensor
    scale: float

    @property
    def rank(self) -> int:
        """The rank."""
        return len(self.a)


def pair_names(tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, str]]:
    """Return the names of A and of B by the names of their modules.

    A method with a product for each block of a weight has a name for each block.
    """
    out = {}
    for name in tensors:
        if match := _A.fullmatch(name):
            module, kind, end = match["module"], match["kind"], match["end"] or ""
            out[module + (match["block"] or "")] = (name, f"{module}.{kind}B{end}")
    return out


def pairs(update: Update) -> dict[str, Pair]:
    """Return the factors of every layer of an update by the names of the modules."""
    tensors, out = update.adapter, {}
    for module, (a, b) in pair_names(tensors).items():
        first, second = tensors[a].flatten(1).double(), tensors[b].flatten(1).double()
        out[module] = Pair(first, second, scale_of(update.config, module, len(first)))
    return out


def others(update: Update) -> dict[str, Tensor]:
    """Return the tensors of the adapter that are no factor of a product, such as copied modules."""
    factors = {name for both in pair_names(update.adapter).values() for name in both}
    return {name: value for name, value in update.adapter.items() if name not in factors}


def scale_of(config: PeftConfig, module: str, rank: int) -> float:
    """Return the factor that peft multiplies with B A.

    Args:
        config: the config of a LoRA, or of a method with a product of factors.
        module: the name of the layer, as in peft's file.
        rank: the rank of the layer.
    """
    if isinstance(scale := getattr(config, "scale", None), float):  # a method that says so itself
        return scale
    alpha = float(_by_pattern(config, "alpha_pattern", module, getattr(config, "lora_alpha", rank)))
    return alpha / (rank**0.5 if getattr(config, "use_rslora", False) else rank)


def rank_of(config: PeftConfig, module: str) -> int:
    """Return the rank that the config of a LoRA states for a layer.

    Args:
        config: the config of a LoRA.
        module: the name of the layer, as in peft's file.
    """
    return int(_by_pattern(config, "rank_pattern", module, getattr(config, "r", 0)))


def _by_pattern(config: PeftConfig, option: str, module: str, default: float) -> float:
    patterns: Mapping[str, float] = getattr(config, option, None) or {}
    name = module.removeprefix("base_model.model.")
    return patterns.get(get_pattern_key(list(patterns), name), default)


def stacked(parts: Sequence[Pair], weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return B and A of a weighted sum, exactly; its rank is the sum of the ranks."""
    # sum of w s B A = [w s B, ...] [A, ...]': weights and scales are put into B alone.
    wide = torch.cat([w * part.scale * part.b for part, w in zip(parts, weights, strict=True)], 1)
    return wide, torch.cat([part.a for part in parts])


def compressed(wide: Tensor, tall: Tensor, rank: int, scale: float) -> tuple[Pair, float]:
    """Return the product nearest to `wide @ tall` of a rank, and the energy that it lacks.

    A direction that the sum does not use keeps a row in A and has zeros in B. Zeros in both would
    have no gradient, and would never train again.

    Args:
        wide: (out, any rank).
        tall: (any rank, in).
        rank: the rank of the result.
        scale: the scale of the result.

    Returns:
        The factors, and one minus the share of the squared Frobenius norm that they keep.
    """
    # wide @ tall = q (r t') p' with orthonormal q and p: the SVD of the small core is that of the
    # product, and the (out, in) matrix is never built.
    q, r = torch.linalg.qr(wide)
    p, t = torch.linalg.qr(tall.T)
    u, s, v = torch.linalg.svd(r @ t.T, full_matrices=False)
    energy = s.square()
    total = float(energy.sum())
    lost = float(energy[rank:].sum()) / total if total else 0.0
    effective_rank = min(rank, len(s))
    # Both factors get the root of a singular value, so that neither trains faster for its size.
    root = (s[:effective_rank] / scale).sqrt()
    a, b = (p @ v[:effective_rank].T).T, q @ u[:, :effective_rank]
    floor = float(root.mean()) or a.shape[1] ** -0.5
    # 1e-7 of the root is 1e-14 of the singular value: the rounding of float64.
    used = root > 1e-7 * max(float(root.max()), 1e-30)
    a = a * torch.where(used, root, root.new_tensor(floor))[:, None]
    b = b * torch.where(used, root, root.new_tensor(0.0))
    return _widened(Pair(a, b, scale), rank, floor), lost


def changed(update: Update, start: Update) -> dict[str, tuple[Tensor, Tensor]]:
    """Return B and A of the difference between two updates, by the names of the modules."""
    before, after = pairs(start), pairs(update)
    return {name: stacked([after[name], before[name]], [1.0, -1.0]) for name in after}


def inner(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """Return the inner product of two products B A, summed over their entries."""
    (b, a), (d, c) = one, other
    # <B A, D C> = trace(A' B' D C) = sum of (B' D) * (A C'), matrices of the size of the ranks.
    return float(((b.T @ d) * (a @ c.T)).sum())


def dense(pair: Pair) -> Tensor:
    """Return the change of the weight as an (out, in) matrix in float64."""
    return pair.scale * (pair.b @ pair.a)


def split(change: Tensor, rank: int, scale: float) -> tuple[Pair, float]:
    """Return the factors nearest to a change of a weight, and the energy that they lack."""
    out, into = change.shape
    # change = change @ 1 = 1 @ change; the smaller identity makes the smaller core.
    identity = torch.eye(min(out, into), dtype=change.dtype)
    wide, tall = (change, identity) if into <= out else (identity, change)
    return compressed(wide, tall, rank, scale)


def _widened(pair: Pair, rank: int, size: float) -> Pair:
    """Add rows to A, and zeros to B, where a layer is too narrow for the rank."""
    missing = rank - pair.rank
    if missing <= 0:
        return pair
    # A fixed seed: each site that widens the same result gets the same rows.
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(missing, pair.a.shape[1], generator=generator, dtype=pair.a.dtype)
    a = torch.cat([pair.a, rows * size / pair.a.shape[1] ** 0.5])
    return Pair(a, torch.cat([pair.b, pair.b.new_zeros(len(pair.b), missing)], 1), pair.scale)
