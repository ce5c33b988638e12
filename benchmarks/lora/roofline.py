"""The least time of a LoRA linear layer on a card, from measured rates of the card."""

from __future__ import annotations

from typing import NamedTuple, final

import torch

from lora.forms import Case
from lora.timing import Row, timed

EDGE = 8192  # of the matrices whose product is timed
REPEATS = 50


@final
class Rates(NamedTuple):
    """The rates that a card reaches."""

    flops: float
    """bfloat16 products, operations a second."""
    bytes: float
    """A copy: bytes read and written a second."""

    def columns(self) -> Row:
        """Return the columns of the CSV."""
        return {"tflops": f"{self.flops / 1e12:.0f}", "tb_s": f"{self.bytes / 1e12:.2f}"}


def measured() -> Rates:
    """Measure the rates of the current CUDA card."""
    a, b = (torch.randn(EDGE, EDGE, device="cuda").bfloat16() for _ in range(2))
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    phases = {"product": lambda: a @ b, "copy": lambda: target.copy_(source)}
    timed(phases, "cuda", 5)
    seconds = timed(phases, "cuda", REPEATS)
    return Rates(2 * EDGE**3 / seconds["product"], 2 * source.nbytes / seconds["copy"])


def limits(case: Case, dtype: torch.dtype, rates: Rates) -> dict[str, float]:
    """Return the least seconds of each phase, with the rank-r work fused into the products.

    The frozen layer costs the time of its operations or of its bytes, whichever is longer. The
    adapter also reads x once forward, for z = A x, and x and dy once backward, for dA and dB. Two
    kernels for each direction cannot do with less. peft reads and writes 16 such arrays, and 40
    with float32 adapters.
    """
    m, k, n = case.limit
    size = dtype.itemsize
    base = max(2 * m * k * n / rates.flops, size * (m * k + k * n + m * n) / rates.bytes)
    x, y = size * m * k / rates.bytes, size * m * n / rates.bytes
    return {"forward": base + x, "backward": base + x + y}
