"""The tiles that `python -m scionwood.kernels tune` measures."""

from __future__ import annotations

import torch

from scionwood.kernels.triton_plan import PRODUCT, STREAM, Shape, Tile, half

CONFIGS: dict[str, tuple[Tile, ...]] = {
    "up": (
        *PRODUCT,
        *STREAM,
        Tile(128, 256, 64, 8, 4),
        Tile(256, 128, 64, 8, 3),
        Tile(128, 128, 64, 4, 4),
        Tile(128, 128, 32, 8, 4),
        Tile(128, 64, 64, 4, 4),
    ),
    "down": tuple(Tile(r, c, 0, 4, s) for r in (32, 64, 128) for c in (64, 128) for s in (3, 4)),
    "through_b": (
        *(
            Tile(r, c, 0, w, s)
            for r in (32, 64)
            for c in (128, 256)
            for w in (4, 8)
            for s in (2, 3)
        ),
        Tile(32, 512, 0, 8, 2),
        Tile(16, 512, 0, 8, 3),
    ),
    "over_rows": tuple(
        Tile(r, c, 0, w, 3) for r in (32, 64, 128) for c in (64, 128) for w in (4, 8)
    ),
}
"""The candidates of each kernel for 16-bit floats."""
CONFIGS["dx"] = CONFIGS["up"]
FLOAT32 = (
    Tile(64, 64, 32, 4, 2),
    Tile(64, 64, 16, 4, 3),
    Tile(128, 64, 16, 8, 3),
    Tile(64, 128, 16, 8, 3),
    Tile(32, 64, 32, 4, 2),
)
"""The candidates of products in float32, which have no matrix unit."""


def candidates(shape: Shape) -> dict[str, tuple[Tile, ...]]:
    """Return the tiles to measure for each kernel of a layer."""
    if shape.dtype != torch.float32:
        return CONFIGS
    halved = {
        kernel: tuple(dict.fromkeys(half(tile) for tile in tiles if not tile.stream))
        for kernel, tiles in CONFIGS.items()
    }
    return halved if shape.tf32 else {**halved, "up": FLOAT32, "dx": FLOAT32}
