"""Choose the tiles of the Triton kernels by arithmetic, without autotuning.

Results are therefore the same in every run. The rules are for NVIDIA cards of compute capability
8.0 or later. They are computed and not measured.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple, final

import torch

PROGRAMS = 264
"""The number of programs wanted in a launch: by default two for each multiprocessor of an H100."""
JOINT = 32
"""The largest rank for which one read of dY computes both dh and dB."""
FOLD = 32 << 20
"""The bytes that stay in the cache: read again to save a launch, or written as sums of dh."""
WIDE = 2048
"""The number of outputs from which `through_b` has wide tiles, which halves the sums of dh."""
SHARES = 16
"""The largest number of partial sums of dh that are added by unrolled code."""
MASK = 16 * 1024
"""Bytes of shared memory in which `over_rows` orders the bits of a mask."""
EXCHANGE = 600
"""The depth of a product that takes as long as the exchange of a tile in float32.

A program writes 4 bytes for an entry, and another reads them: 8 bytes, from the cache at 5.4 TB/s,
against 2 operations for each step of the depth at 800 TFLOP/s. These are assumptions for an H100.
"""
SMALLEST = 99 * 1024
"""Bytes of shared memory for one program on every card of compute capability 8.0 or later."""


@final
class Tile(NamedTuple):
    """The elements that a program processes at a time, and the options of its compilation."""

    rows: int
    columns: int
    depth: int
    """The depth of the sum in `product`; the other kernels ignore it."""
    warps: int
    stages: int
    stream: bool = False
    """Whether the product is persistent: every program does an equal part of the sums."""

    def shared(self, size: int = 2) -> int:
        """Return the bytes of shared memory of a product, whose entries have `size` bytes."""
        return size * self.stages * self.depth * (self.rows + self.columns)

    def share(self, m: int, n: int, processors: int, depth: int) -> float:
        """Return the share of a card that works on entries of (m, n) and not beside them.

        A broken wave of tiles costs as much as a whole one. A persistent product has none, but
        exchanges a tile for each program.
        """
        waves = parts(m, self.rows) * parts(n, self.columns) / processors
        full = waves + (waves % 1 > 0) * EXCHANGE / depth if self.stream else math.ceil(waves)
        return m * n / (full * processors * self.rows * self.columns)


@final
class Shape(NamedTuple):
    """A linear layer with an adapter."""

    m: int
    """The number of tokens."""
    n: int
    """The number of outputs."""
    k: int
    """The number of inputs."""
    rank: int
    """The number of rows of A, those of a gate included."""
    dtype: torch.dtype = torch.bfloat16
    tf32: bool = False
    """Whether float32 operands are rounded to TF32."""


def allows_tf32(dtype: torch.dtype) -> bool:
    """Return whether torch may round the operands of a product on a card to TF32."""
    if dtype is not torch.float32:
        return False
    matmul = torch.backends.cuda.matmul
    # Since torch 2.9 the older name raises where the user has set the newer one.
    precision: object = getattr(matmul, "fp32_precision", None)
    return bool(matmul.allow_tf32) if precision is None else precision == "tf32"


@final
class Plan(NamedTuple):
    """The tiles of each kernel."""

    rank: int
    """The largest tile of rank width; higher ranks need several tiles."""
    up: Tile
    """`product` of the forward pass."""
    dx: Tile
    """`product` of the backward pass."""
    down: Tile
    through_b: Tile
    over_rows: Tile
    programs: int = PROGRAMS
    """The number of programs that fill the card."""
    tf32: bool = False
    """Whether float32 operands are rounded to TF32, which the matrix units multiply."""


PRODUCT = (
    Tile(128, 256, 64, 8, 3),
    Tile(128, 128, 64, 8, 3),
    Tile(64, 128, 64, 4, 3),
    Tile(64, 64, 64, 4, 4),
)
"""From large to small; the one that fits and has the largest product of rate and share is used."""
STREAM = (Tile(128, 256, 64, 8, 3, True), Tile(128, 128, 64, 8, 4, True))
"""The tiles of persistent products, for cards with a copy engine."""
RATES = {
    (128, 256): 1.0, (256, 128): 1.0, (128, 192): 0.97, (192, 128): 0.97, (128, 128): 0.9,
    (64, 256): 0.85, (64, 128): 0.75, (128, 64): 0.75, (64, 64): 0.5,
}  # fmt: skip
"""The speed of a product by rows and columns of its tiles, relative to the largest.

These are assumptions: smaller tiles read their operands more often. They are not measured.
"""
SMALL_RATE = 0.3
"""The same for the tiles that are not listed."""


def half(tile: Tile) -> Tile:
    """Return a tile of float32 with the bytes of one of 16 bits."""
    if tile.depth:
        return tile._replace(depth=tile.depth // 2)
    return tile._replace(columns=tile.columns // 2)


@cache
def plan(
    shape: Shape,
    shared: int = SMALLEST,
    programs: int = PROGRAMS,
    streams: bool = False,
) -> Plan:
    """Return the tiles for a layer, which depend on its dtype and shape and on the card only.

    Args:
        shape: The layer, with at least one token.
        shared: The bytes of shared memory for one program.
        programs: The number of programs that fill the card, `2 * multi_processor_count`.
        streams: Whether the card has a copy engine for persistent products.
    """
    m, n, k, rank, dtype, tf32 = shape
    if dtype == torch.float32 and not tf32:  # larger tiles do not fit in the registers
        layer, low = Tile(64, 64, 32, 4, 2), Tile(32, 32, 0, 4, 2)
        tiles = (_fit(layer, m, n), _fit(layer, m, k), *(_fit(low, m, size) for size in (k, n, k)))
        up, dx, *others = tiles
        down, through_b, over_rows = others
        return Plan(min(power(rank), 32), up, dx, down, through_b, over_rows, programs)
    width = min(power(rank), 32 if tf32 else 64)
    down = Tile(64 if m >= 64 * programs else 32, 128 if width <= 32 else 64, 0, 4, 3)
    through_b = Tile(32, 512, 0, 8, 2) if n >= WIDE else Tile(64, 256, 0, 8, 2)

    def fit(tile: Tile, columns: int) -> Tile:
        return _fit(half(tile) if tf32 else tile, m, columns)

    return Plan(
        width,
        _product_tile((m, n, k), shared, programs, streams, tf32),
        _product_tile((m, k, n), shared, programs, streams, tf32),
        fit(down, k),
        fit(through_b, n),
        fit(Tile(64, 128, 0, 4, 3), k),
        programs,
        tf32,
    )


def groups(m: int, tile: Tile, others: int, programs: int = PROGRAMS) -> tuple[int, int]:
    """Divide a sum over tokens into groups so that the programs fill a card.

    Args:
        m: The number of tokens.
        tile: The tile of the kernel.
        others: The number of programs of each group.
        programs: The number of programs that fill the card.

    Returns:
        The number of groups, and the number of tiles of rows in each group.
    """
    row_tiles = parts(m, tile.rows)
    steps = parts(row_tiles, max(1, programs // others))
    return parts(row_tiles, steps), steps


def folds(dh: tuple[int, ...], k: int, cut: Plan) -> bool:
    """Return whether the products add the partial sums of dh while they read them.

    This saves the launch of `through_gate`. Each tile of columns reads the sums again, from the
    cache.

    Args:
        dh: The shape of the partial sums, (shares, m, rank).
        k: The number of inputs.
        cut: The plan.
    """
    tile, (shares, _, rank) = cut.over_rows, dh
    readers = parts(k, tile.columns) + parts(k, cut.dx.columns)
    # `over_rows` loads ahead, so that the memory of a multiprocessor holds tiles of all shares,
    # and with dropout one tile more.
    row = (4 if cut.tf32 else 2) * tile.columns + 4 * shares * min(cut.rank, power(rank))
    ahead = (tile.stages - 1) * tile.rows * row + MASK
    return shares <= SHARES and ahead <= SMALLEST and 4 * math.prod(dh) * readers <= FOLD


def pieces(m: int, n: int, rank: int, cut: Plan) -> tuple[int, int]:
    """Return the rows for which the partial sums of dh take at most `FOLD` bytes, and the pieces.

    Beyond, the backward pass computes and adds these sums for one piece of the rows after another,
    so that they need no more memory and stay in the cache.
    """
    tile = cut.through_b
    max_rows = FOLD // (4 * rank * parts(n, tile.columns)) // tile.rows * tile.rows
    rows = max(tile.rows, max_rows)
    return rows, max(1, parts(m, rows))


def parts(size: int, part: int) -> int:
    """Return how many parts cover a size."""
    return -(-size // part)


def power(size: int) -> int:
    """Return the smallest power of two that is at least a size and 16, as a matrix unit needs."""
    return max(16, 1 << (size - 1).bit_length())


def _fit(tile: Tile, m: int, width: int) -> Tile:
    rows, columns = min(tile.rows, power(m)), min(tile.columns, power(width))
    return tile._replace(rows=rows, columns=columns)


def speed(tile: Tile, m: int, n: int, processors: int, depth: int) -> float:
    """Return the predicted speed of a product (m, n) relative to a card without waste."""
    rate = RATES.get((tile.rows, tile.columns), SMALL_RATE)
    return rate * tile.share(m, n, processors, depth)


def _product_tile(
    size: tuple[int, int, int], shared: int, programs: int, streams: bool, tf32: bool
) -> Tile:
    m, n, depth = size
    several = (*PRODUCT, *STREAM) if streams and not tf32 else PRODUCT
    fits = [half(tile) if tf32 else tile for tile in several if tile.shared() <= shared]
    best = max(fits, key=lambda tile: speed(tile, m, n, programs // 2, depth))  # first of equals
    return _fit(best, m, n)
