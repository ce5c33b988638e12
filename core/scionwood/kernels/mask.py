"""The dropout mask as a pure function of a seed and a position, so that it is never stored.

Every implementation computes the same bits. Two neighbouring positions share the 32-bit hash of
half the position: the even one takes its low 16 bits, the odd one its high 16 bits. An entry is
dropped if its bits are below `threshold(p)`, so the probability is rounded to a multiple of 2^-16.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

GOLDEN, FIRST, SECOND = 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35
"""2^32 divided by the golden ratio, and the multipliers of MurmurHash3 (public domain)."""
RANGE = 1 << 16
CHUNK = 1 << 16
"""The number of hashes computed at a time, so that they fit in the cache of a CPU."""


def new_seed(device: torch.device) -> Tensor:
    """Draw a seed, () int32, that is not read: a GPU would stall."""
    return torch.randint(-(2**31), 2**31, (), dtype=torch.int32, device=device)


def threshold(p: float) -> int:
    """Return how many of the 2^16 values of 16 bits drop an entry with a probability in [0, 1)."""
    if not 0 <= p < 1:
        raise ValueError(f"dropout {p}: a probability lies in [0, 1). Choose another")
    return min(round(p * RANGE), RANGE - 1)


def keep(seed: Tensor, shape: torch.Size | tuple[int, ...], p: float) -> Tensor:
    """Return which entries of an array dropout keeps, by their position in row-major order."""
    count = math.prod(shape)
    words = (count + 1) // 2
    limit = threshold(p) - RANGE // 2
    parts = [
        _bits(seed, start, min(words, start + CHUNK)) >= limit
        for start in range(0, max(words, 1), CHUNK if seed.device.type == "cpu" else max(words, 1))
    ]
    flat = torch.cat(parts) if len(parts) != 1 else parts[0]
    return flat[:count].view(shape)


def masked(x: Tensor, seed: Tensor, p: float) -> Tensor:
    """Set the dropped entries of x to 0.

    The other entries keep their values. The caller multiplies a smaller tensor by `growth` instead.
    """
    return x * keep(seed, x.shape, p)


def growth(p: float) -> float:
    """Return the factor 1 / (1 - p) for kept entries, which preserves the expectation."""
    return 1 / (1 - threshold(p) / RANGE)


def _bits(seed: Tensor, start: int, end: int) -> Tensor:
    """Return the 16-bit values of words start to end, minus 2^15 for signed comparisons."""
    word = torch.arange(start, end, dtype=torch.int32, device=seed.device)
    word.mul_(_signed(GOLDEN)).bitwise_xor_(seed)
    word.bitwise_xor_(_right(word, 16)).mul_(_signed(FIRST))
    word.bitwise_xor_(_right(word, 13)).mul_(_signed(SECOND))
    word.bitwise_xor_(_right(word, 16))
    return word.bitwise_xor_(_signed(0x80008000)).view(torch.int16)


def _right(word: Tensor, by: int) -> Tensor:
    """Shift right and fill with zeros; the shift of torch copies the sign."""
    return (word >> by).bitwise_and_((1 << (32 - by)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
