"""Time of a whole training step of a ViT: forward, backward and AdamW."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from runner import Row, machine
from timm.models.vision_transformer import Block
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from lora.models import REGIMES, SETUPS, TINY, Setup, Step, Variant, adapters, floors
from lora.timing import Phases, apart, compared, measure, total
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


PASSES = {
    "forward+backward": ("forward", "backward"),
    "step": ("forward", "backward", "optimizer", REPLAY),
}
TOLERANCE = {"float32": 1e-4, "autocast bfloat16": 5e-2, "bfloat16 base": 5e-2}
"""The relative distance of a gradient from peft's, after all layers of rounding between them."""


def rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_step.csv."""
    for setup in [TINY] if quick else SETUPS[device]:
        yield from _setup(setup, device, rounds)


def _setup(setup: Setup, device: str, rounds: int) -> Iterator[Row]:
    variants = [v for regime in REGIMES for v in floors(regime)]
    variants += [v for regime in REGIMES for t in setup.targets for v in adapters(regime, t)]
    steps = {variant: Step(setup, variant, device) for variant in variants}
    for step in steps.values():
        step.run()  # the warm-up, whose gradients are checked
    far = _check({variant: step.gradients() for variant, step in steps.items()})
    phases: dict[Any, Phases] = {variant: step.phases() for variant, step in steps.items()}
    if device == "cuda":
        phases |= faster(setup, variants)
    times = measure(phases, device, rounds, 0.0 if device == "cpu" else 1.0)
    on_gpu = {v: gpu_columns(steps[v].run) for v in variants} if device == "cuda" else {}
    about: Row = {"device": device, "model": setup.title}
    for regime in REGIMES:
        for targets in setup.targets:
            base = Variant("ours", regime, targets, fused=True)
            plain = Variant("ours", REGIMES[0], targets, fused=True)
            peers = {v.form: v for v in phases if v.regime == regime and v.targets in ("", targets)}
            if regime != REGIMES[0]:
                peers["ours, float32"] = plain
            for form, variant in peers.items():
                for name, columns in _compare(times[variant], times[base]).items():
                    yield {
                        **about,
                        "regime": regime.name,
                        "targets": targets,
                        "pass": name,
                        "form": form,
                        **columns,
                        "gradient_distance": far.get(variant, "") if form == variant.form else "",
                        "rounds": rounds,
                        **(on_gpu.get(variant, {}) if name == "step" else {}),
                        **machine(device),
                    }


def _compare(times: Mapping[str, list[float]], base: Mapping[str, list[float]]) -> dict[str, Row]:
    totals = {name: (total(times, p), total(base, p)) for name, p in PASSES.items()}
    return {name: compared(*pair) for name, pair in totals.items() if pair[0].size}


def _check(gradients: dict[Variant, dict[str, Tensor]]) -> dict[Variant, str]:
    """Return the largest relative distance of our gradients from peft's, over the parameters.

    Raises:
        AssertionError: a gradient is missing or zero, or too far from peft's.
    """
    for variant, mine in gradients.items():
        assert mine, f"{variant.form}: no gradient"
        assert all(value.norm() > 0 for value in mine.values()), f"{variant.form}: a zero gradient"
    peers = {v: v._replace(form=v.form.replace("ours", "peft"), fused=False) for v in gradients}
    return {
        v: apart(mine, gradients[peers[v]], v.form, TOLERANCE[v.regime.name])
        for v, mine in gradients.items()
        if v.fused
    }
