"""The least time of a LoRA linear layer on a card, and the times that the plan predicts.

python benchmarks/lora/roofline.py    # needs no card: assumes an H100
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch

from scionwood.kernels import predict, tuning
from scionwood.kernels.cards import Card, card
from scionwood.kernels.triton_plan import Shape

FORMS = {
    "ours: triton": "triton",
    "ours: addmm": "addmm",
    "ours: augmented": "augmented",
    "addmm by hand": "addmm",
    "peft": "peft",
    "peft, bf16 adapters": "peft, bf16 adapters",
}
"""The forms of the benchmark that `predict` knows."""


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
    """Measure the rates of the current CUDA card."""
    rates = tuning.rates()
    return Rates(rates["flops"], rates["bytes"])


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


def predicted(
    size: tuple[int, int, int], rank: int, form: str, phases: tuple[str, ...], device: Card
) -> dict[str, object]:
    """Return the columns of what the plan predicts for a form; none for a form it does not know."""
    m, k, n = size
    shape = Shape(m, n, k, rank)
    directions = [predict.costs(device, shape, way) for way in predict.DIRECTIONS if way in phases]
    name = FORMS.get(form, "")
    costs = [forms[name] for forms in directions if name in forms]
    if len(costs) < len(phases):
        return {}
    return {
        "predicted_ms": f"{sum(cost.seconds for cost in costs) * 1e3:.4f}",
        "predicted_launches": sum(cost.launches for cost in costs),
        "waves": " and ".join(f"{cost.waves:.2f}" for cost in costs),
    }


if __name__ == "__main__":
    print(predict.table(card(), tuning.SHAPES))
