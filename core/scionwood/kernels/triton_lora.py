"""The LoRA linear operator in Triton, with three passes more than the frozen layer.

In the forward pass, `down` reads x and computes z. The product of the layer then starts its sum
from the part of rank r. In the backward pass, `through_b` reads dY and computes dh and dB, and
`over_rows` reads x and computes dA. The product of the layer starts from the part of rank r again,
and its last programs add the partial sums of dA and dB. These are five launches. A gate, a rank
above `JOINT` or a large dh takes one more. Factors may have a wider dtype than x: the kernels
convert the tiles that they read. Above rank `JOINT`, dh and dB read dY once each, since partial
sums would cost more than this read.
Higher ranks are processed in tiles of `Plan.rank`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, final

import torch
from torch import Tensor

from scionwood.kernels import addmm, mask
from scionwood.kernels import triton_tiles as tiles
from scionwood.kernels.cards import card, measured
from scionwood.kernels.triton_plan import JOINT, Plan, Tile, folds, groups, parts, plan, power

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
BLOCK = 1024
"""The number of entries for each program of `through_gate` and `finish`."""


@final
class _Drop(NamedTuple):
    """The dropout arguments of the kernels; no seed means no dropout."""

    seed: Tensor | None = None
    limit: int = 0
    growth: float = 1.0


def lora_linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    a: Tensor,
    b: Tensor,
    gate_bias: Tensor | None,
    seed: Tensor | None,
    scaling: float,
    p: float,
    cut: Plan | None = None,
) -> tuple[Tensor, Tensor]:
    """See `reference.lora_linear`; `cut` replaces the plan of the table.

    Raises:
        ValueError: The dtype is not a float of 16 or 32 bits, or the mask has more than 2^32
            positions.
    """
    _check(x, weight, seed)
    if not len(x):
        a, b = a.to(x.dtype), b.to(x.dtype)
        return addmm.lora_linear(x, weight, bias, a, b, gate_bias, seed, scaling, p)
    x, bias, gate_bias = _rows(x), _dense(bias), _dense(gate_bias)
    cut = cut or planned(x, weight, a)
    with torch.cuda.device(x.get_device()):
        z = _down(x, a, x.dtype, _drop(seed, p), 1.0, cut)
        y = _product(x, weight.t(), z, b.t(), _Drop(), scaling, cut.up, cut.rank, bias, gate_bias)
    return y, z


def lora_linear_backward(
    grad: Tensor,
    x: Tensor | None,
    weight: Tensor,
    a: Tensor,
    b: Tensor,
    z: Tensor | None,
    gate_bias: Tensor | None,
    seed: Tensor | None,
    scaling: float,
    p: float,
    needs_x: bool,
    cut: Plan | None = None,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """See `addmm.lora_linear_backward`; `cut` and errors are those of `lora_linear`."""
    _check(grad, weight, seed)
    if not len(grad) or (x is None and not needs_x):
        a, b = a.to(grad.dtype), b.to(grad.dtype)
        return addmm.lora_linear_backward(
            grad, x, weight, a, b, z, gate_bias, seed, scaling, p, needs_x
        )
    grad, z, gate_bias = _rows(grad), _dense(z), _dense(gate_bias)
    drop, cut = _drop(seed, p), cut or planned(grad, weight, a)
    with torch.cuda.device(grad.get_device()):
        dh, db = _by_b(grad, b, None if x is None else z, gate_bias, scaling, cut)
        folded = gate_bias is None and folds(dh.shape, weight.shape[1], cut)
        dz = dh if folded else _through_gate(dh, z, gate_bias, grad)
        da = None if x is None else _over_rows(_rows(x), dz, None, drop, 1.0, cut)
        sums = None if da is None or db is None else _Sums(da, db)
        dx = None
        if needs_x:
            dx = _product(grad, weight, dz, a, drop, 1.0, cut.dx, cut.rank, sums=sums)
        elif sums is not None:
            sums.add()
        by_gate = None
        if x is not None and gate_bias is not None:
            by_gate = dz[0, :, len(gate_bias) :].sum(0, dtype=torch.float32)
    if sums is None:
        return dx, None, None, by_gate
    return dx, sums.da, sums.db if b.shape[1] <= JOINT else sums.db.t(), by_gate


@final
class _Sums:
    """The partial sums of dA and dB, (count, ...), which the last kernel adds."""

    def __init__(self, da: Tensor, db: Tensor) -> None:
        self.shares = da, db
        self.da, self.db = da.new_empty(da.shape[1:]), db.new_empty(db.shape[1:])

    def programs(self) -> int:
        return parts(self.da.numel(), BLOCK) + parts(self.db.numel(), BLOCK)

    def arguments(self) -> tuple[Tensor | int, ...]:
        (a, b), da, db = self.shares, self.da, self.db
        return a, da, len(a), da.numel(), b, db, len(b), db.numel()

    def add(self) -> None:
        """Add them in a kernel of their own."""
        tiles.finish[(self.programs(),)](
            *self.arguments(), 0, BLOCK, num_warps=4, enable_fp_fusion=True
        )


def _check(rows: Tensor, weight: Tensor, seed: Tensor | None) -> None:
    if rows.dtype not in DTYPES:
        names = ", ".join(str(dtype) for dtype in DTYPES)
        raise ValueError(f"{rows.dtype}: the Triton kernels need {names}. Use `addmm`")
    if seed is not None and len(rows) * weight.shape[1] > 2**32:
        shape = (len(rows), weight.shape[1])
        raise ValueError(f"x {shape}: a mask has at most 2^32 positions. Pass fewer rows at a time")


def _rows(tensor: Tensor) -> Tensor:
    return tensor if tensor.stride(1) == 1 else tensor.contiguous()


def _shares(low: Tensor) -> int:
    return low.shape[0] if low.dim() == 3 else 1


def _dense(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _drop(seed: Tensor | None, p: float) -> _Drop:
    return _Drop() if seed is None else _Drop(seed, mask.threshold(p), mask.growth(p))


def planned(rows: Tensor, weight: Tensor, a: Tensor) -> Plan:
    """Return the plan of a layer on the device of its rows."""
    return planned_for(rows.get_device(), rows.dtype, len(rows), *weight.shape, len(a))


@lru_cache(maxsize=4096)
def planned_for(device: int, dtype: torch.dtype, m: int, n: int, k: int, rank: int) -> Plan:
    """Return a plan, from the table of the card or by arithmetic; device -1 is a CPU."""
    if device < 0:
        return plan(dtype, m, n, k, rank)
    own = card(device)
    entry = measured(own, dtype, m, n, k, rank)
    if entry is not None:
        return entry.plan
    return plan(dtype, m, n, k, rank, own.shared, 2 * own.processors)


def _down(
    wide: Tensor, factor: Tensor, dtype: torch.dtype, drop: _Drop, scale: float, cut: Plan
) -> Tensor:
    """Return `scale drop(wide) factor^T`, (m, rank), of wide (m, n) and factor (rank, n)."""
    (m, n), rank, tile = wide.shape, len(factor), cut.down
    width = min(cut.rank, power(rank))
    out = wide.new_empty((m, rank), dtype=dtype)
    tiles.down[(parts(m, tile.rows) * parts(rank, width),)](
        wide, factor, out, drop.seed, wide.stride(0), *factor.stride(),
        m, n, rank, drop.limit, scale * drop.growth,
        tile.rows, tile.columns, width, n % 2 == 0,
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out


def _product(
    left: Tensor,
    right: Tensor,
    low: Tensor,
    factor: Tensor,
    drop: _Drop,
    scale: float,
    tile: Tile,
    width: int,
    bias: Tensor | None = None,
    gate_bias: Tensor | None = None,
    sums: _Sums | None = None,
) -> Tensor:
    """Return `left right + bias + drop(scale h factor)`, (m, n), and add `sums` besides.

    Shapes: left (m, d), right (d, n), factor (rank, n), low (m, rank) or (shares, m, rank).
    """
    (m, depth), (rank, n) = left.shape, factor.shape
    width = min(width, power(rank))
    out = left.new_empty((m, n))
    programs = parts(m, tile.rows) * parts(n, tile.columns) + (sums.programs() if sums else 0)
    tiles.product[(programs,)](
        left, right, out, bias, low, factor, gate_bias, drop.seed,
        left.stride(0), *right.stride(), low.stride(-2), *factor.stride(),
        m, n, depth, rank, drop.limit, scale * drop.growth,
        *(sums.arguments() if sums else (None,) * 8),
        tile.rows, tile.columns, tile.depth, width, n % 2 == 0, _shares(low), BLOCK,
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out


def _by_b(
    grad: Tensor, b: Tensor, z: Tensor | None, gate_bias: Tensor | None, scaling: float, cut: Plan
) -> tuple[Tensor, Tensor | None]:
    """Return the partial sums of dh, (shares, m, rank), and those of dB, or `None` without z.

    The latter are (groups, n, rank), or (groups, rank, n) for a rank above `JOINT`.
    """
    if z is not None and b.shape[1] <= JOINT:
        return _through_b(grad, b, z, gate_bias, scaling, cut)
    dh = _down(grad, b.t(), torch.float32, _Drop(), scaling, cut)[None]
    if z is None:
        return dh, None
    return dh, _over_rows(grad, z, gate_bias, _Drop(), scaling, cut)


def _through_b(
    grad: Tensor, b: Tensor, z: Tensor, gate_bias: Tensor | None, scaling: float, cut: Plan
) -> tuple[Tensor, Tensor]:
    """Do the same as `_by_b` in one read of dY."""
    (m, n), rank, tile = grad.shape, b.shape[1], cut.through_b
    across = parts(n, tile.columns)
    count, steps = groups(m, tile, across, cut.programs)
    dh = grad.new_empty((across, m, rank), dtype=torch.float32)
    db = grad.new_empty((count, n, rank), dtype=torch.float32)
    tiles.through_b[(across, count)](
        grad, z, b, gate_bias, dh, db, grad.stride(0), z.stride(0), *b.stride(),
        m, n, rank, steps, scaling, tile.rows, tile.columns, power(rank),
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return dh, db


def _over_rows(
    wide: Tensor, low: Tensor, gate_bias: Tensor | None, drop: _Drop, scale: float, cut: Plan
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
        tile.rows, tile.columns, width, n % 2 == 0, _shares(low),
        num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
    )  # fmt: skip
    return out


def _through_gate(dh: Tensor, z: Tensor | None, gate_bias: Tensor | None, grad: Tensor) -> Tensor:
    """Return dz, (1, m, rank), or (1, m, 2 rank) with a gate, from the partial sums of dh."""
    shares, m, rank = dh.shape
    dz = grad.new_empty((1, m, rank if gate_bias is None else 2 * rank))
    tiles.through_gate[(parts(m * rank, BLOCK),)](
        dh, z, gate_bias, dz, m * rank, rank, shares, BLOCK, num_warps=4, enable_fp_fusion=True
    )
    return dz
