"""The dropout mask as a pure function of a seed and a position, so that it is never stored.

Every implementation computes the same bits: a 32-bit hash of the position's half, from which an
even position takes the low 16 bits and an odd one the high 16. An entry is dropped where its bits
are below `threshold(p)`; the probability is so rounded to a multiple of 2^-16.
"""

from __future__ import annotations

import torch
from torch import Tensor

GOLDEN, FIRST, SECOND = 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35
"""2^32 over the golden ratio, and the multipliers of MurmurHash3's finaliser (public domain)."""
RANGE = 1 << 16
CHUNK = 1 << 16
"""Hashes computed at a time, so that the passes over them stay in the cache of a CPU."""


def new_seed(device: torch.device) -> Tensor:
    """A seed from the device's global generator, as a tensor: reading it would stall a GPU.

    Returns:
        () int32.
    """
    return torch.randint(-(2**31), 2**31, (), dtype=torch.int32, device=device)


def threshold(p: float) -> int:
    """The number of 16-bit values that drop an entry, for a probability in [0, 1).

    Raises:
        ValueError: p is outside.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout {p}: a probability lies in [0, 1). Choose another")
    return min(round(p * RANGE), RANGE - 1)


def keep(seed: Tensor, shape: torch.Size | tuple[int, ...], p: float) -> Tensor:
    """Which entries of an array survive, by their position in row-major order.

    Args:
        seed: () int32.
        shape: of the array.
        p: the probability that an entry is dropped.

    Returns:
        `shape` bool, on the seed's device.
    """
    count = 1
    for size in shape:
        count *= size
    words = (count + 1) // 2
    limit = threshold(p) - RANGE // 2
    parts = [
        _bits(seed, start, min(words, start + CHUNK)) >= limit
        for start in range(0, max(words, 1), CHUNK if seed.device.type == "cpu" else max(words, 1))
    ]
    flat = torch.cat(parts) if len(parts) != 1 else parts[0]
    return flat[:count].view(shape)


def masked(x: Tensor, seed: Tensor, p: float) -> Tensor:
    """Put the dropped entries of x at 0.

    Survivors keep their size: the caller, who has smaller tensors at hand, multiplies by `growth`.
    """
    return x * keep(seed, x.shape, p)


def growth(p: float) -> float:
    """What survivors are multiplied by, so that the expectation stays: 1 / (1 - p)."""
    return 1 / (1 - threshold(p) / RANGE)


def _bits(seed: Tensor, start: int, end: int) -> Tensor:
    """The 16-bit values of words start to end, each less 2^15: comparisons then are signed."""
    word = torch.arange(start, end, dtype=torch.int32, device=seed.device)
    word.mul_(_signed(GOLDEN)).bitwise_xor_(seed)
    word.bitwise_xor_(_right(word, 16)).mul_(_signed(FIRST))
    word.bitwise_xor_(_right(word, 13)).mul_(_signed(SECOND))
    word.bitwise_xor_(_right(word, 16))
    return word.bitwise_xor_(_signed(0x80008000)).view(torch.int16)


def _right(word: Tensor, by: int) -> Tensor:
    """A shift that brings in zeros; torch's own copies the sign."""
    return (word >> by).bitwise_and_((1 << (32 - by)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
