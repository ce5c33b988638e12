"""The rates that a card reaches, and the least time of a LoRA linear layer with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import torch

REPEATS = 20


@final
class Rates(NamedTuple):
    """The rates that a card reaches."""

    flops: float
    """bfloat16 products, operations a second."""
    bytes: float
    """A copy: bytes read and written a second."""

    def columns(self) -> dict[str, object]:
        """Return the columns of the CSV."""
        return {"tflops": f"{self.flops / 1e12:.0f}", "tb_s": f"{self.bytes / 1e12:.2f}"}


def measured() -> Rates:
    """Measure the rates of the current CUDA card: a large product, and a copy."""
    a, b = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in range(2))
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    products = 2 * 8192**3 / _seconds(lambda: a @ b)
    return Rates(products, 2 * source.nbytes / _seconds(lambda: target.copy_(source)))


def _seconds(call: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    call()
    start.record()
    for _ in range(REPEATS):
        call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / REPEATS


def limits(size: tuple[int, int, int], dtype: torch.dtype, rates: Rates) -> dict[str, float]:
    """Return the least seconds of each phase, with the rank-r work fused into the products.

    The frozen layer costs the time of its operations or of its bytes, whichever is longer. The
    adapter also reads x once forward, for z = A x, and x and dy once backward, for dA and dB. Two
    kernels for each direction cannot do with less. peft reads and writes 16 such arrays, and 40
    with float32 adapters.
    """
    m, k, n = size
    width = dtype.itemsize
    base = max(2 * m * k * n / rates.flops, width * (m * k + k * n + m * n) / rates.bytes)
    x, y = width * m * k / rates.bytes, width * m * n / rates.bytes
    return {"forward": base + x, "backward": base + x + y}
