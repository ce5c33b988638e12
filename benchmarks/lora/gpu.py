"""Measurements that need a GPU: graphs, launches, allocated memory, and energy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import torch
from runner import Row
from timm.models.vision_transformer import Block
from torch.profiler import ProfilerActivity, profile

from lora.models import Setup, Step, Variant
from lora.timing import Phases
from scionwood.kernels import dispatch

REPLAY = "replay"
WINDOW = 3.0  # seconds of energy; the counter moves ten times a second


def faster(setup: Setup, variants: Sequence[Variant]) -> dict[Variant, Phases]:
    """Return the forms on a bfloat16 base with compiled blocks and, if small, as CUDA graphs."""
    phases: dict[Variant, Phases] = {}
    for variant in variants:
        if variant.regime.base != torch.bfloat16:
            continue
        if not dispatch.obstacle():
            step = Step(setup, variant, "cuda")
            for module in step.model.modules():
                if isinstance(module, Block):
                    module.compile()
            phases[variant._replace(form=f"{variant.form}, compiled blocks")] = step.phases()
        if setup.small:
            replay = graph(Step(setup, variant, "cuda").run)
            phases[variant._replace(form=f"{variant.form}, CUDA graph")] = {REPLAY: replay}
    return phases


def graph(run: Callable[[], None]) -> Callable[[], None]:
    """Capture a whole step as one launch."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        run()
    return captured.replay


def gpu_columns(run: Callable[[], None]) -> Row:
    """Return memory, launches and energy of a step after a first run."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return {
        "allocated_mib": f"{(torch.cuda.max_memory_allocated() - before) / 2**20:.1f}",
        "reserved_mib": f"{torch.cuda.max_memory_reserved() / 2**20:.1f}",
        "launches": launches(run),
        "joules": joules(run) if find_spec("pynvml") else "",
    }


def launches(run: Callable[[], None]) -> int:
    """Count the kernels of a step."""
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        run()
        torch.cuda.synchronize()
    kernels = (event for event in trace.events() if event.device_type.name == "CUDA")
    return sum(not event.name.startswith(("Memcpy", "Memset")) for event in kernels)


def joules(run: Callable[[], None]) -> str:
    """Return the energy of a step in joules, from the card's counter."""
    import pynvml

    pynvml.nvmlInit()
    uuid = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    start, steps = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), 0
    end = time.monotonic() + WINDOW
    while time.monotonic() < end:
        run()
        torch.cuda.synchronize()
        steps += 1
    spent = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) - start
    pynvml.nvmlShutdown()
    return f"{spent / 1e3 / steps:.3f}"
