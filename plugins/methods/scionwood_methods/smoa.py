"""SMoA: low-rank modulation of a weight's blocks, into which its spectrum sorts it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError, peft_method
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.generated import Generated, through
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner
from scionwood_methods.shared.support import is_linear


@final
class Order(nn.Module):
    """The orders of a weight's rows and columns, kept in the adapter's file.

    Near ties in the score may sort otherwise on another machine, hence nothing is computed again.
    """

    rows: Tensor
    cols: Tensor

    def __init__(self, rows: Tensor, cols: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows.to(torch.int32))
        self.register_buffer("cols", cols.to(torch.int32))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for name, own in self.named_buffers():
            found = state.get(prefix + name)
            if found is not None and not _is_permutation(found, len(own)):
                rule = f"it must hold each of 0 to {len(own) - 1} once"
                raise AdapterError(f"tensor {prefix}{name}", rule, "The file is damaged")
        super()._load_from_state_dict(state, prefix, *rest)


@final
class SmoaLayer(AdapterLayer):
    """`y = base(x) + dW x'`, `dW[rows_k, cols_k] = s (B_k A_k) * W[rows_k, cols_k]`, k = 1 ... K.

    The weight of a convolution counts as the matrix (out, in / groups * kernel).
    """

    smoa_A: Any
    smoa_B: Any
    smoa_order: Any
    adapter_layer_names = ("smoa_A", "smoa_B")
    other_param_names = (*AdapterLayer.other_param_names, "smoa_order")

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.smoa_A, self.smoa_B = nn.ModuleDict(), nn.ModuleDict()
        self.smoa_order = nn.ModuleDict()

    def build(self, name: str, config: SmoaConfig) -> None:
        """A_k uniform after Kaiming (a = sqrt 5), B_k = 0; the order from the frozen weight."""
        matrix = self._matrix(name)
        count = config.blocks
        if count > min(matrix.shape):
            found = f"blocks={count} of a weight {tuple(matrix.shape)}"
            raise AdapterError(found, "a block has a row and a column at least", "Use fewer")
        # A saved adapter brings its order: only one that is to be trained from here needs another.
        known = config.inference_mode or count == 1
        rows, cols = (torch.arange(n) for n in matrix.shape) if known else spectral_order(matrix)
        ranks = _sizes(config.r, count)
        a = [torch.empty(r, n) for r, n in zip(ranks, _sizes(matrix.shape[1], count), strict=True)]
        b = [torch.zeros(n, r) for r, n in zip(ranks, _sizes(matrix.shape[0], count), strict=True)]
        for factor in a:
            nn.init.kaiming_uniform_(factor, a=math.sqrt(5))
        self.smoa_A[name], self.smoa_B[name] = nn.ParameterList(a), nn.ParameterList(b)
        self.smoa_order[name] = Order(rows, cols)

    def change(self, name: str, x: Tensor) -> Tensor:
        """See `AdapterLayer.change`."""
        x = self.dropout[name](x)
        factors = [*self.smoa_A[name], *self.smoa_B[name]]
        blocks = self._blocks(name)
        if is_linear(self.base_layer):
            y: Tensor = _BlockLinear.apply(x, blocks, *factors)
            return y
        return through(self.base_layer, x, blocks, *factors)

    def delta(self, name: str) -> Tensor:
        """See `AdapterLayer.delta`."""
        factors = [*self.smoa_A[name], *self.smoa_B[name]]
        wide = torch.promote_types(factors[0].dtype, torch.float32)
        return self._blocks(name).build(wide, *factors)

    def _blocks(self, name: str) -> _Blocks:
        order, count = self.smoa_order[name], len(self.smoa_A[name])
        weight = self.slices[name].take(self.base_weight(), 0)
        rows, cols = order.rows.tensor_split(count), order.cols.tensor_split(count)
        return _Blocks(weight, rows, cols, self.scaling[name])

    def _matrix(self, name: str) -> Tensor:
        return self.slices[name].take(self.base_weight(), 0).flatten(1)


@final
class SmoaModel(MethodTuner):
    """The tuner of SMoA."""

    prefix = "smoa_"
    tuner_layer_cls = SmoaLayer


@peft_method("smoa", tuner=SmoaModel)
@final
@dataclass
class SmoaConfig(LowRankConfig):
    """Spectrum modulation: rows and columns are sorted by the spectrum and split into K blocks.

    A block of the update is the block of the frozen weight times a low-rank matrix, entry by entry,
    so that its rank is up to r_k times that of the weight. With one block it is HiRA.

    Trainable parameters of a layer: the sum over blocks of r_k (out_k + in_k), which is
    r (out + in) / K where K divides all three; K = 2 halves LoRA. The file holds the orders too.
    Dropout acts on x.

    Shapes: x (..., in) or (batch, in, *size), float; A_k (r_k, in_k), B_k (out_k, r_k).

    Args:
        alpha: the update is multiplied by alpha / r, r being the sum of all ranks.
        blocks: K; r is split among them.

    Source: arXiv 2605.21147; order, factors and scaling as in the authors' code (misonsky/SMoA).
    Convolutions are an extension of this package.
    """

    alpha: float = 8.0
    blocks: int = 2

    def __post_init__(self) -> None:
        """Refuse blocks that would have no rank.

        Raises:
            AdapterError: blocks is below 1 or above r.
        """
        super().__post_init__()
        if not 1 <= self.blocks <= self.r:
            rule = f"each block has a rank of 1 or more, 1 <= blocks <= r = {self.r}"
            raise AdapterError(f"blocks={self.blocks}", rule, "Raise r or use fewer blocks")


def spectral_order(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of a weight from those of the leading singular values to the others.

    Row i has the score `sum_k k u_ik^2 s_k^2 / sum_k u_ik^2 s_k^2`; columns likewise with V.

    Args:
        weight: (out, in), float.

    Returns:
        Indices (out,) and (in,), ties in their old order.
    """
    u, s, vh = torch.linalg.svd(weight.float(), full_matrices=False)
    place = torch.arange(len(s), device=s.device, dtype=s.dtype)
    orders = []
    for vectors in (u, vh.mT):
        energy = (vectors * s).square()
        score = energy @ place / energy.sum(1).clamp_min(torch.finfo(s.dtype).tiny)
        orders.append(score.argsort(stable=True))
    return orders[0], orders[1]


@final
class _Blocks(Generated):
    """The update of a weight as a function of all A_k, then all B_k."""

    def __init__(
        self, weight: Tensor, rows: tuple[Tensor, ...], cols: tuple[Tensor, ...], scaling: float
    ) -> None:
        self.weight, self.rows, self.cols, self.scaling = weight, rows, cols, scaling

    def blocks(self, factors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
        """Rows, columns, A_k, B_k and s W[rows_k, cols_k] of each block, in the factors' dtype."""
        matrix, count = self.weight.flatten(1), len(self.rows)
        for k, (rows, cols) in enumerate(zip(self.rows, self.cols, strict=True)):
            anchor = matrix.index_select(0, rows).index_select(1, cols).to(factors[k].dtype)
            yield rows, cols, factors[k], factors[count + k], self.scaling * anchor

    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """The update, with zeros between the blocks."""
        out = self.weight.new_zeros(self.weight.flatten(1).shape, dtype=dtype)
        for rows, cols, a, b, anchor in self.blocks(parameters):
            tile = ((b @ a) * anchor).to(dtype)
            out = out.index_put((rows[:, None], cols[None, :]), tile)
        return out.view(self.weight.shape)

    def pull(self, gradient: Tensor, *parameters: Tensor) -> tuple[Tensor | None, ...]:
        """See `Generated.pull`."""
        gradient = gradient.flatten(1)
        of_a, of_b = [], []
        for rows, cols, a, b, anchor in self.blocks(parameters):
            tile = gradient.index_select(0, rows).index_select(1, cols).to(a.dtype) * anchor
            of_a.append(b.mT @ tile)
            of_b.append(tile @ a.mT)
        return (*of_a, *of_b)


@final
class _BlockLinear(torch.autograd.Function):
    """`x dW^T` block by block: a block of dW exists at a time, and none is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, update: _Blocks, *factors: Tensor) -> Tensor:
        ctx.save_for_backward(x, *factors)
        ctx.update = update
        out = x.new_empty(*x.shape[:-1], len(update.weight))
        with torch.autocast(x.device.type, enabled=False):
            for rows, cols, a, b, anchor in update.blocks(factors):
                tile = ((b @ a) * anchor).to(x.dtype)
                out.index_copy_(-1, rows.long(), x.index_select(-1, cols) @ tile.mT)
        return out

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, *factors = ctx.saved_tensors
        dx, of_a, of_b = torch.zeros_like(x), [], []
        with torch.autocast(x.device.type, enabled=False):
            for rows, cols, a, b, anchor in ctx.update.blocks(tuple(factors)):
                tile = ((b @ a) * anchor).to(x.dtype)
                some, seen = dy.index_select(-1, rows), x.index_select(-1, cols)
                dx = dx.index_copy(-1, cols.long(), some @ tile)
                flat = some.reshape(-1, len(rows)).mT @ seen.reshape(-1, len(cols))
                of_tile = flat.to(a.dtype) * anchor
                of_a.append(b.mT @ of_tile)
                of_b.append(of_tile @ a.mT)
        return dx, None, *of_a, *of_b


def _sizes(total: int, count: int) -> list[int]:
    """Sizes of `count` parts that differ by one at most, as `torch.tensor_split` cuts."""
    return [total // count + (k < total % count) for k in range(count)]


def _is_permutation(found: Tensor, size: int) -> bool:
    known = torch.arange(size, dtype=torch.int64, device=found.device)
    return found.shape == (size,) and bool(torch.equal(found.long().sort().values, known))
