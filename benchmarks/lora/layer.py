"""Time and accuracy of one LoRA layer in every form."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, final

import torch
from runner import Row, machine
from torch import nn

from lora.forms import TOLERANCE, Case, Form, errors, forms, no_compiler
from lora.timing import apart, compared, measure, ratio, total

REPEATS = 20
"""The calls of which the rates of a card are the mean."""
HAND = "addmm by hand"
SMALL_FORMS = ("ours", HAND, "peft", "full fine-tuning")


def overhead_rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_overhead.csv: Python around one row of eight numbers; CPU only."""
    for dtype in (torch.float32, torch.bfloat16):
        by_name = forms(linear(1, 8, 8, 4), dtype, "cpu", "no need")
        present = {name: form for name in SMALL_FORMS if isinstance(form := by_name[name], Form)}
        mine, peer = present["ours"].once(), present["peft"].once()
        far = apart(mine, peer, "ours", TOLERANCE[dtype])
        phases = {name: form.phases() for name, form in present.items()}
        times = measure(phases, "cpu", rounds, 0.0 if quick else 0.2)
        hand = total(times[HAND], ("forward", "backward"))
        for name in SMALL_FORMS:
            spent = total(times[name], ("forward", "backward"))
            middle, low, high = ratio(spent - hand, hand * 0 + 1e-6)
            yield {
                "device": device,
                "dtype": str(dtype).removeprefix("torch."),
                "form": name,
                "us": f"{float(sorted(spent)[len(spent) // 2]) * 1e6:.1f}",
                "more_than_hand_us": f"{middle:.1f}",
                "ci_low": f"{low:.1f}",
                "ci_high": f"{high:.1f}",
                "distance_from_peft": far,
                "rounds": rounds,
                **machine(device),
            }


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


PASSES = {
    "forward": ("forward",),
    "backward": ("backward",),
    "forward+backward": ("forward", "backward"),
}
DTYPES = {"cpu": (torch.float32, torch.bfloat16), "cuda": (torch.bfloat16,)}
LINEAR = {
    "cpu": [
        (1576, 384, 1152, 8),
        (1576, 384, 1152, 64),
        (1576, 1536, 384, 8),
        (1576, 768, 2304, 8),
        (1576, 1024, 1024, 16),
        (1576, 256, 256, 8),
        (64, 64, 64, 8),
    ],
    "cuda": [
        (1576, 384, 1152, 8),
        (1576, 1536, 384, 8),
        (12608, 768, 2304, 8),
        (12608, 768, 2304, 64),
        (12608, 1024, 3072, 16),
        (65536, 1024, 4096, 64),
        (8192, 4096, 4096, 16),
        (65536, 4096, 4096, 16),
        (64, 64, 64, 8),
    ],
}
"""m, k, n and r: of ViT-S at batch 8, ViT-B, ViT-L and language models; last, overhead alone."""
COMPILED_ON_CPU = LINEAR["cpu"][0]


def linear(m: int, k: int, n: int, r: int) -> Case:
    """Return a linear layer."""
    return Case(f"linear {m} x {k} to {n}", partial(nn.Linear, k, n), (m, k), r, (m, k, n))


def conv(channels: int, size: int, r: int) -> Case:
    """Return a convolution of volumes with a 3 x 3 x 3 kernel and zero padding."""
    shape = (1, channels, size, size, size)
    name = f"conv3d {channels} channels, {size}^3"
    return Case(name, partial(nn.Conv3d, channels, channels, 3, padding=1), shape, r)


def cases(device: str, quick: bool) -> list[tuple[Case, str]]:
    """Return the layers, with the reason to leave torch.compile out, if any."""
    if quick:
        return [(case, "--quick") for case in (linear(32, 24, 48, 4), conv(4, 4, 2))]
    missing = no_compiler(device)
    elsewhere = missing or ("at one shape only on a CPU" if device == "cpu" else "")
    cases = [
        (linear(*shape), missing if shape == COMPILED_ON_CPU else elsewhere)
        for shape in LINEAR[device]
    ]
    return [*cases, (conv(64, 16, 8), elsewhere)]


def rows(
    device: str, rounds: int, quick: bool, rates: Rates | None, until: float = math.inf
) -> Iterator[Row]:
    """Yield the rows of lora_layer.csv; no layer starts after the `time.monotonic` of `until`."""
    reached: Row = rates.columns() if rates else {}
    for dtype in DTYPES[device]:
        for case, compiled in cases(device, quick):
            if time.monotonic() > until:
                print(f"{case.name}: not measured, since the time was over", file=sys.stderr)
                continue
            by_name = forms(case, dtype, device, compiled)
            wrong = errors(case, dtype, device, by_name)
            running = {name: form for name, form in by_name.items() if isinstance(form, Form)}
            phases = {name: form.phases() for name, form in running.items()}
            times = measure(phases, device, rounds, 0.0 if quick else 0.2)
            about: Row = {
                "device": device,
                "dtype": str(dtype).removeprefix("torch."),
                "layer": case.name,
                "rank": case.rank,
            }
            bound = limits(case.limit, dtype, rates) if rates and case.limit else {}
            for name, form in by_name.items():
                row = {"form": name, "rounds": rounds, **reached, **machine(device)}
                if isinstance(form, str):
                    yield about | row | {"note": form}
                    continue
                for _pass, columns in _passes(times[name], times["ours"], bound).items():
                    yield about | {"pass": _pass} | columns | _accuracy(wrong, name) | row
            del by_name, running, phases


def _passes(times: dict, base: dict, bound: dict[str, float]) -> dict[str, Row]:
    ratios = {}
    for name, phases in PASSES.items():
        mine, reference = total(times, phases), total(base, phases)
        row = compared(mine, reference)
        limit = sum(bound.get(phase, 0.0) for phase in phases)
        share = limit / (float(row["median_ms"]) / 1e3) if limit else None
        ratios[name] = row | {"of_limit": "" if share is None else f"{share:.3f}"}
    return ratios


def _accuracy(wrong: dict[str, tuple[float, float]], name: str) -> Row:
    if name not in wrong:
        return {"error": "", "error_over_eager": ""}
    error, over = wrong[name]
    return {"error": f"{error:.2e}", "error_over_eager": f"{over:.3f}"}
