"""Launch the Triton kernels of the LoRA linear operator: one function for each kernel."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from scionwood.kernels import mask, triton_sums
from scionwood.kernels import triton_tiles as tiles
from scionwood.kernels.triton_plan import JOINT, Plan, Tile, folds, groups, parts, pieces, power

BLOCK = 1024
"""The number of entries for each program of `through_gate` and `finish`."""


@final
class Drop(NamedTuple):
    """The dropout arguments of the kernels; no seed means no dropout."""

    seed: Tensor | None = None
    limit: int = 0
    growth: float = 1.0


def dropping(seed: Tensor | None, p: float) -> Drop:
    """Return the arguments for a probability."""
    return Drop() if seed is None else Drop(seed, mask.threshold(p), mask.growth(p))


@final
class Sums:
    """The partial sums of dA and dB, (count, ...), which the last kernel adds."""

    def __init__(self, da: Tensor, db: Tensor) -> None:
        self.shares = da, db
        self.da, self.db = da.new_empty(da.shape[1:]), db.new_empty(db.shape[1:])

    def programs(self) -> int:
        """Return the number of programs that add them."""
        return parts(self.da.numel(), BLOCK) + parts(self.db.numel(), BLOCK)

    def arguments(self) -> tuple[Tensor | int, ...]:
        """Return the arguments of the kernels that add them."""
        (a, b), da, db = self.shares, self.da, self.db
        return a, da, len(a), da.numel(), b, db, len(b), db.numel()

    def add(self) -> None:
        """Add them in a kernel of their own."""
        triton_sums.finish[(self.programs(),)](
            *self.arguments(), 0, BLOCK, num_warps=4, enable_fp_fusion=True
        )


@final
class Space(NamedTuple):
    """What the programs of a persistent product exchange."""

    shares: Tensor
    """(programs, entries of a tile), float32."""
    flags: Tensor
    """int32, one or more for each program; an earlier kernel of the layer clears them."""


def space(left: Tensor, right: Tensor, tile: Tile, programs: int) -> Space | None:
    """Return the space of a persistent product, or `None` if it cannot run.

    The copy engine reads rows that start at multiples of 16 bytes.

    Args:
        left: (m, depth).
        right: (depth, n).
        tile: The tile of the product.
        programs: The number of programs.
    """
    if not (tile.stream and _aligned(left) and _aligned(_matrix(right))):
        return None
    shares = left.new_empty((programs, tile.rows * tile.columns), dtype=torch.float32)
    return Space(shares, left.new_empty(power(programs), dtype=torch.int32))


def _matrix(right: Tensor) -> Tensor:
    return right.t() if right.stride(0) == 1 else right


def _aligned(matrix: Tensor) -> bool:
    starts = matrix.stride(0) * matrix.itemsize, matrix.data_ptr()
    return matrix.stride(1) == 1 and matrix.itemsize == 2 and not any(at % 16 for at in starts)


def rows_of(tensor: Tensor) -> Tensor:
    """Return a matrix whose rows are dense."""
    return tensor if tensor.stride(1) == 1 else tensor.contiguous()


def _shares(low: Tensor) -> int:
    return low.shape[0] if low.dim() == 3 else 1


def down(
    wide: Tensor,
    factor: Tensor,
    dtype: torch.dtype,
    drop: Drop,
    scale: float,
    cut: Plan,
    flags: Tensor | None = None,
) -> Tensor:
    """Return `scale drop(wide) factor^T`, (m, rank), of wide (m, n) and factor (rank, n)."""
    (m, n), rank, tile = wide.shape, len(factor), cut.down
    width = min(cut.rank, power(rank))
    out = wide.new_empty((m, rank), dtype=dtype)
    tiles.down[(parts(m, tile.rows) * parts(rank, width),)](
        wide, factor, out, drop.seed, flags, wide.stride(0), *factor.stride(),
        m, n, rank, drop.limit, scale * drop.growth,
        tile.rows, tile.columns, width, n % 2 == 0, _count(flags), cut.tf32,
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out


def _count(flags: Tensor | None) -> int:
    return 0 if flags is None else flags.numel()


@final
class Beside(NamedTuple):
    """What a product adds to `left right`, and where."""

    low: Tensor
    """(m, rank), or (shares, m, rank)."""
    factor: Tensor
    """(rank, n)."""
    scale: float
    drop: Drop = Drop()
    bias: Tensor | None = None
    gate_bias: Tensor | None = None
    sums: Sums | None = None
    onto: Tensor | None = None
    """(m, n), to which the result is added in place."""
    tf32: bool = False
    """Whether float32 operands are rounded to TF32."""


def product(
    left: Tensor, right: Tensor, tile: Tile, width: int, more: Beside, room: Space | None = None
) -> Tensor:
    """Return `left right + bias + drop(scale h factor)`, (m, n), and add `sums` besides.

    Args:
        left: (m, depth).
        right: (depth, n).
        tile: The tile.
        width: The largest tile of rank width.
        more: What is added.
        room: The space of the persistent form, or `None` for one program a tile.
    """
    (m, depth), (rank, n), drop = left.shape, more.factor.shape, more.drop
    out = left.new_empty((m, n)) if more.onto is None else more.onto
    operands = (out, more.bias, more.low, more.factor, more.gate_bias, drop.seed)
    strides = (more.low.stride(-2), *more.factor.stride())
    sizes = (m, n, depth, rank, drop.limit, more.scale * drop.growth)
    sums = more.sums.arguments() if more.sums else (None,) * 8
    last = more.sums.programs() if more.sums else 0
    shape = (tile.rows, tile.columns, tile.depth, min(width, power(rank)), n % 2 == 0)
    how = (*shape, _shares(more.low), BLOCK, more.onto is not None, more.tf32)
    options: Any = {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": True}
    if room is None:
        programs = parts(m, tile.rows) * parts(n, tile.columns)
        tiles.product[(programs + last,)](
            left, right, *operands, left.stride(0), *right.stride(), *strides, *sizes, *sums, *how,
            **options,
        )  # fmt: skip
        return out
    from triton.tools.tensor_descriptor import TensorDescriptor  # type: ignore[import-untyped]

    from scionwood.kernels.triton_stream import stream

    matrix, programs = _matrix(right), len(room.shares)
    across = matrix is not right
    block = [tile.columns, tile.depth] if across else [tile.depth, tile.columns]
    stream[(programs + last,)](
        TensorDescriptor.from_tensor(left, [tile.rows, tile.depth]),
        TensorDescriptor.from_tensor(matrix, block),
        *operands, *room, *strides, *sizes, *sums, *how, across, programs, **options,
    )  # fmt: skip
    return out


def by_rank(
    grad: Tensor,
    b: Tensor,
    z: Tensor | None,
    gate_bias: Tensor | None,
    scaling: float,
    cut: Plan,
    k: int,
    learns: bool = True,
    flags: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Return dz, (shares, m, rank or 2 rank), and the partial sums of dB, or `None`.

    The latter are (groups, n, rank), or (groups, rank, n) for a rank above `JOINT`.

    Args:
        grad: (m, n).
        b: (n, rank).
        z: (m, rank or 2 rank). `None` if dB is not wanted and there is no gate.
        gate_bias: (rank,), or `None`.
        scaling: The factor s.
        cut: The plan.
        k: The number of inputs of the layer.
        learns: Whether dB is wanted.
        flags: Those of a later persistent product, to be cleared.
    """
    (m, n), rank = grad.shape, b.shape[1]
    if z is None or not learns or rank > JOINT:
        dh = down(grad, b.t(), torch.float32, Drop(), scaling, cut, flags)[None]
        z_for_db = z if learns else None
        db = (
            None if z_for_db is None else over_rows(grad, z_for_db, gate_bias, Drop(), scaling, cut)
        )
        return _gated(dh, z, gate_bias, grad, k, cut), db
    rows, _ = pieces(m, n, rank, cut)
    if rows >= m:
        dh, db = _through_b(grad, b, z, gate_bias, scaling, cut, flags)
        return _gated(dh, z, gate_bias, grad, k, cut), db
    dz = grad.new_empty((m, z.shape[1]))
    db_parts = []
    for start in range(0, m, rows):
        part, low = grad[start : start + rows], z[start : start + rows]
        dh, db = _through_b(part, b, low, gate_bias, scaling, cut, flags)
        _through_gate(dh, low, gate_bias, dz[start : start + rows])
        db_parts.append(db)
    return dz[None], torch.cat(db_parts)


def _gated(
    dh: Tensor, z: Tensor | None, gate_bias: Tensor | None, grad: Tensor, k: int, cut: Plan
) -> Tensor:
    if gate_bias is None and folds(tuple(dh.shape), k, cut):
        return dh
    _, m, rank = dh.shape
    dz = grad.new_empty((m, rank if gate_bias is None else 2 * rank))
    _through_gate(dh, z, gate_bias, dz)
    return dz[None]


def _through_b(
    grad: Tensor,
    b: Tensor,
    z: Tensor,
    gate_bias: Tensor | None,
    scaling: float,
    cut: Plan,
    flags: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return the partial sums of dh, (shares, m, rank), and of dB, in one read of dY."""
    (m, n), rank, tile = grad.shape, b.shape[1], cut.through_b
    across = parts(n, tile.columns)
    count, steps = groups(m, tile, across, cut.programs)
    dh = grad.new_empty((across, m, rank), dtype=torch.float32)
    db = grad.new_empty((count, n, rank), dtype=torch.float32)
    tiles.through_b[(across, count)](
        grad, z, b, gate_bias, dh, db, flags, grad.stride(0), z.stride(0), *b.stride(),
        m, n, rank, steps, scaling, tile.rows, tile.columns, power(rank), _count(flags), cut.tf32,
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return dh, db


def over_rows(
    wide: Tensor, low: Tensor, gate_bias: Tensor | None, drop: Drop, scale: float, cut: Plan
) -> Tensor:
    """Return the partial sums of `scale h^T drop(wide)`, (groups, rank, n).

    Shapes: wide (m, n), low (shares, m, rank) or (m, rank), or (m, 2 rank) with a gate.
    """
    (m, n), tile = wide.shape, cut.over_rows
    rank = low.shape[-1] if gate_bias is None else len(gate_bias)
    width = min(cut.rank, power(rank))
    across = parts(n, tile.columns) * parts(rank, width)
    count, steps = groups(m, tile, across, cut.programs)
    out = wide.new_empty((count, rank, n), dtype=torch.float32)
    tiles.over_rows[(across, count)](
        wide, low, gate_bias, out, drop.seed, wide.stride(0), low.stride(-2),
        m, n, rank, steps, drop.limit, scale * drop.growth,
        tile.rows, tile.columns, width, n % 2 == 0, _shares(low), cut.tf32,
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out


def _through_gate(dh: Tensor, z: Tensor | None, gate_bias: Tensor | None, dz: Tensor) -> None:
    """Write dz, (m, rank), or (m, 2 rank) with a gate, from the partial sums of dh."""
    shares, m, rank = dh.shape
    triton_sums.through_gate[(parts(m * rank, BLOCK),)](
        dh, z, gate_bias, dz, m * rank, rank, shares, BLOCK, num_warps=4, enable_fp_fusion=True
    )
