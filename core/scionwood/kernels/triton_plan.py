"""Which tiles the Triton kernels of the LoRA linear operator work on: a table by shape, no tuning.

Results do not change between runs or with what ran before. The table is for NVIDIA cards from
compute capability 8.0 on and is arithmetic, until measured; `configs` lists what can be measured.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, final

import torch

PROGRAMS = 264
"""Programs that a launch aims at: two for each multiprocessor of an H100."""
SMALLEST = 99 * 1024
"""Bytes of shared memory that one program may have on every card from compute capability 8.0 on."""


@final
class Tile(NamedTuple):
    """What a program works on at a time, in elements, and how it is compiled."""

    rows: int
    columns: int
    depth: int
    """Of the sum in `product`; the other kernels have no use for it."""
    warps: int
    stages: int


@final
class Plan(NamedTuple):
    """The tiles of each kernel."""

    rank: int
    """The largest tile of rank width; higher ranks take several."""
    up: Tile
    """`product` of the forward pass."""
    dx: Tile
    """`product` of the backward pass."""
    down: Tile
    through_b: Tile
    over_rows: Tile


PRODUCT = (
    Tile(128, 256, 64, 8, 3),
    Tile(128, 128, 64, 8, 3),
    Tile(64, 128, 64, 4, 3),
    Tile(64, 64, 64, 4, 4),
)
"""Largest first: the first that fits and gives every multiprocessor its share of tiles is taken."""
CONFIGS: dict[str, tuple[Tile, ...]] = {
    "up": (
        *PRODUCT,
        Tile(128, 256, 64, 8, 4),
        Tile(256, 128, 64, 8, 3),
        Tile(128, 128, 64, 4, 4),
        Tile(128, 128, 32, 8, 4),
        Tile(128, 64, 64, 4, 4),
    ),
    "down": tuple(Tile(r, c, 0, 4, s) for r in (32, 64, 128) for c in (64, 128) for s in (3, 4)),
    "through_b": tuple(
        Tile(r, c, 0, w, s) for r in (32, 64) for c in (128, 256) for w in (4, 8) for s in (2, 3)
    ),
    "over_rows": tuple(
        Tile(r, c, 0, w, 3) for r in (32, 64, 128) for c in (64, 128) for w in (4, 8)
    ),
}
"""Candidates by kernel, for 16-bit floats."""
CONFIGS["dx"] = CONFIGS["up"]


@cache
def plan(dtype: torch.dtype, m: int, n: int, k: int, rank: int, shared: int = SMALLEST) -> Plan:
    """The tiles for a layer, by its shape alone.

    Args:
        dtype: of the computation.
        m: tokens, at least 1.
        n: outputs.
        k: inputs.
        rank: rows of A.
        shared: bytes of shared memory that a program may have.
    """
    if dtype == torch.float32:  # without tensor cores larger tiles do not fit in the registers
        layer, low = Tile(64, 64, 32, 4, 2), Tile(32, 32, 0, 4, 2)
        tiles = (_fit(layer, m, n), _fit(layer, m, k), *(_fit(low, m, size) for size in (k, n, k)))
        return Plan(min(power(rank), 32), *tiles)
    width = min(power(rank), 64)
    down = Tile(64 if m >= 64 * PROGRAMS else 32, 128 if width <= 32 else 64, 0, 4, 3)
    return Plan(
        width,
        _product_tile(m, n, shared),
        _product_tile(m, k, shared),
        _fit(down, m, k),
        _fit(Tile(64, 256, 0, 8, 2), m, n),
        _fit(Tile(64, 128, 0, 4, 3), m, k),
    )


def configs(
    dtype: torch.dtype, m: int, n: int, k: int, rank: int, shared: int = SMALLEST
) -> list[tuple[str, Plan]]:
    """Plans to measure: `plan`'s own with one kernel's tile replaced, and that kernel's name."""
    start = plan(dtype, m, n, k, rank, shared)._asdict()
    return [
        (kernel, Plan(**{**start, kernel: tile}))
        for kernel, candidates in CONFIGS.items()
        for tile in candidates
    ]


def groups(m: int, tile: Tile, others: int) -> tuple[int, int]:
    """How sums over tokens are cut so that the programs fill a card.

    Args:
        m: tokens.
        tile: of the kernel.
        others: programs of each group.

    Returns:
        The number of groups, and the tiles of rows that each has.
    """
    row_tiles = parts(m, tile.rows)
    steps = parts(row_tiles, max(1, PROGRAMS // others))
    return parts(row_tiles, steps), steps


def parts(size: int, part: int) -> int:
    """How many parts of a size cover another."""
    return -(-size // part)


def power(size: int) -> int:
    """The power of two that holds a size, and at least what a matrix unit takes."""
    return max(16, 1 << (size - 1).bit_length())


def _fit(tile: Tile, m: int, width: int) -> Tile:
    rows, columns = min(tile.rows, power(m)), min(tile.columns, power(width))
    return tile._replace(rows=rows, columns=columns)


def _product_tile(m: int, n: int, shared: int) -> Tile:
    for tile in PRODUCT[:-1]:
        size = 2 * tile.stages * tile.depth * (tile.rows + tile.columns)
        if size <= shared and parts(m, tile.rows) * parts(n, tile.columns) >= PROGRAMS:
            return tile
    return _fit(PRODUCT[-1], m, n)
