"""Time and accuracy of one LoRA layer in every form."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from functools import partial

import torch
from runner import Row, machine
from torch import nn

from lora.forms import Case, Form, errors, forms, no_compiler
from lora.roofline import Rates, limits
from lora.timing import compared, measure, total

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
