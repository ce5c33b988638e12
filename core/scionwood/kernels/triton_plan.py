"""Choose the tiles of the Triton kernels from a table by shape, without autotuning.

Results are therefore the same in every run. The table is for NVIDIA cards of compute capability 8.0
or later. Its entries are computed and not yet measured; `configs` lists alternatives to measure.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, final

import torch

PROGRAMS = 264
"""The number of programs wanted in a launch: two for each multiprocessor of an H100."""
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


PRODUCT = (
    Tile(128, 256, 64, 8, 3),
    Tile(128, 128, 64, 8, 3),
    Tile(64, 128, 64, 4, 3),
    Tile(64, 64, 64, 4, 4),
)
"""From large to small. The first that fits and gives enough tiles for all programs is used."""
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
"""The candidates of each kernel for 16-bit floats."""
CONFIGS["dx"] = CONFIGS["up"]


@cache
def plan(dtype: torch.dtype, m: int, n: int, k: int, rank: int, shared: int = SMALLEST) -> Plan:
    """Return the tiles for a layer, which depend on its dtype and shape only.

    Args:
        dtype: The dtype of the computation.
        m: The number of tokens, at least 1.
        n: The number of outputs.
        k: The number of inputs.
        rank: The number of rows of A.
        shared: The bytes of shared memory for one program.
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
    """List plans to measure: `plan` with the tile of one kernel replaced, and its name."""
    start = plan(dtype, m, n, k, rank, shared)._asdict()
    return [
        (kernel, Plan(**{**start, kernel: tile}))
        for kernel, candidates in CONFIGS.items()
        for tile in candidates
    ]


def groups(m: int, tile: Tile, others: int) -> tuple[int, int]:
    """Divide a sum over tokens into groups so that the programs fill a card.

    Args:
        m: The number of tokens.
        tile: The tile of the kernel.
        others: The number of programs of each group.

    Returns:
        The number of groups, and the number of tiles of rows in each group.
    """
    row_tiles = parts(m, tile.rows)
    steps = parts(row_tiles, max(1, PROGRAMS // others))
    return parts(row_tiles, steps), steps


def parts(size: int, part: int) -> int:
    """Return how many parts cover a size."""
    return -(-size // part)


def power(size: int) -> int:
    """Return the smallest power of two that is at least a size and 16, as a matrix unit needs."""
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
