"""SMoA: low-rank modulation of the entries of a weight, in blocks that its spectrum orders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood import AdapterError
from scionwood.authoring import peft_method
from scionwood_methods.shared.config import LowRankConfig
from scionwood_methods.shared.generated import Generated, through
from scionwood_methods.shared.layers import AdapterLayer, MethodTuner
from scionwood_methods.shared.support import is_linear


@final
class Order(nn.Module):
    """The orders of the rows and columns of a weight. They are saved with the adapter.

    They are not computed again, because near ties may be sorted differently on another machine.
    """

    rows: Tensor
    cols: Tensor

    def __init__(self, rows: Tensor, cols: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows.to(torch.int32))
        self.register_buffer("cols", cols.to(torch.int32))

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *arguments: Any) -> None:
        for name, buffer in self.named_buffers():
            order = state.get(prefix + name)
            if order is not None and not _is_permutation(order, len(buffer)):
                rule = f"it must hold each number from 0 to {len(buffer) - 1} once"
                remedy = "The file is damaged: save the adapter again"
                raise AdapterError(f"tensor {prefix}{name}", rule, remedy)
        super()._load_from_state_dict(state, prefix, *arguments)


@final
class SmoaLayer(AdapterLayer):
    """`y = base(x) + dW x'`, `dW[rows_k, cols_k] = s (B_k A_k) * W[rows_k, cols_k]`, k = 1 ... K.

    The weight of a convolution is treated as the matrix (out, in / groups * kernel).
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
        """Initialise A_k (Kaiming uniform, a = sqrt 5), B_k = 0, and the order of the weight."""
        matrix = self._matrix(name)
        count = config.blocks
        if count > min(matrix.shape):
            value = f"blocks={count} of a weight {tuple(matrix.shape)}"
            raise AdapterError(value, "a block needs at least one row and one column", "Use fewer")
        # A saved adapter brings its order, so only an adapter that starts here computes one.
        has_order = config.inference_mode or count == 1
        rows, cols = (
            (torch.arange(n) for n in matrix.shape) if has_order else spectral_order(matrix)
        )
        # r is the budget of all blocks together, as in the authors' code: r_k is about r / K.
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
            y: Tensor = _BlockLinear.apply(x, blocks, *factors)  # type: ignore[no-untyped-call, unused-ignore]
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

    A block of the update is the block of the frozen weight multiplied, entry by entry, by a
    low-rank matrix. Its rank is therefore up to r_k times the rank of the weight. With one block
    this is HiRA.

    Trainable parameters of a layer: the sum over blocks of r_k (out_k + in_k). This is
    r (out + in) / K if K divides all three, so K = 2 has half the parameters of LoRA. The file
    also holds the orders. Dropout acts on x.

    Shapes: x (..., in) or (batch, in, *size), float; A_k (r_k, in_k), B_k (out_k, r_k).

    Args:
        alpha: the update is multiplied by alpha / r, where r is the sum of all ranks.
        blocks: the number K of blocks; r is split among them.

    Source: arXiv 2605.21147; order, factors and scaling as in the authors' code (misonsky/SMoA).
    Convolutions are an extension of this package.
    """

    poolable: ClassVar[str] = "product"  # how federated learning may pool it
    alpha: float = 8.0
    blocks: int = 2

    def __post_init__(self) -> None:
        """Check the number of blocks.

        Raises:
            AdapterError: blocks is below 1 or above r.
        """
        super().__post_init__()
        if not 1 <= self.blocks <= self.r:
            rule = f"each block needs a rank of at least 1, so 1 <= blocks <= r = {self.r}"
            raise AdapterError(f"blocks={self.blocks}", rule, "Raise r or use fewer blocks")


def spectral_order(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the order of a weight's rows and columns, from leading singular values to the last.

    Row i has the score `sum_k k u_ik^2 s_k^2 / sum_k u_ik^2 s_k^2`; a column has the same with V.

    Args:
        weight: (out, in), float.

    Returns:
        Indices (out,) and (in,); rows with equal scores keep their order.
    """
    u, s, vh = torch.linalg.svd(weight.float(), full_matrices=False)
    # The score is the mean number k of a singular vector, weighted by its energy in the row.
    place = torch.arange(len(s), device=s.device, dtype=s.dtype)
    orders = []
    for vectors in (u, vh.mT):
        energy = (vectors * s).square()
        # A row of zeros has no energy; it gets the score 0 instead of 0 / 0.
        score = energy @ place / energy.sum(1).clamp_min(torch.finfo(s.dtype).tiny)
        orders.append(score.argsort(stable=True))
    return orders[0], orders[1]


@final
class _Blocks(Generated):
    """The update of a weight as a function of all A_k, followed by all B_k."""

    def __init__(
        self, weight: Tensor, rows: tuple[Tensor, ...], cols: tuple[Tensor, ...], scaling: float
    ) -> None:
        self.weight, self.rows, self.cols, self.scaling = weight, rows, cols, scaling

    def blocks(self, factors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
        """Yield rows, columns, A_k, B_k and s W[rows_k, cols_k] of each block."""
        matrix, count = self.weight.flatten(1), len(self.rows)
        for k, (rows, cols) in enumerate(zip(self.rows, self.cols, strict=True)):
            anchor = matrix.index_select(0, rows).index_select(1, cols).to(factors[k].dtype)
            yield rows, cols, factors[k], factors[count + k], self.scaling * anchor

    def build(self, dtype: torch.dtype, *parameters: Tensor) -> Tensor:
        """Return the update; entries outside the blocks are zero."""
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
            # dL/d(B A) = s dL/dW * W, from which both factors take their part as in LoRA.
            tile = gradient.index_select(0, rows).index_select(1, cols).to(a.dtype) * anchor
            of_a.append(b.mT @ tile)
            of_b.append(tile @ a.mT)
        return (*of_a, *of_b)


@final
class _BlockLinear(torch.autograd.Function):
    """`x dW^T`, block by block: one block of dW exists at a time, and none is stored."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, update: _Blocks, *factors: Tensor) -> Tensor:
        ctx.save_for_backward(x, *factors)
        ctx.update = update
        # No entry stays unwritten: the blocks divide the rows, and each row lies in one of them.
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
                dy_part, x_part = dy.index_select(-1, rows), x.index_select(-1, cols)
                # A copy and not a sum, because each column lies in one block; not in place, so that
                # a second derivative can go through this function.
                dx = dx.index_copy(-1, cols.long(), dy_part @ tile)
                flat = dy_part.reshape(-1, len(rows)).mT @ x_part.reshape(-1, len(cols))
                of_tile = flat.to(a.dtype) * anchor
                of_a.append(b.mT @ of_tile)
                of_b.append(of_tile @ a.mT)
        return dx, None, *of_a, *of_b


def _sizes(total: int, count: int) -> list[int]:
    """Return `count` sizes that differ by at most one, as in `torch.tensor_split`."""
    return [total // count + (k < total % count) for k in range(count)]


def _is_permutation(order: Tensor, size: int) -> bool:
    identity = torch.arange(size, dtype=torch.int64, device=order.device)
    return order.shape == (size,) and bool(torch.equal(order.long().sort().values, identity))
