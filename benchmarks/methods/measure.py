"""The cost of an adapter: memory of a step, its time relative to LoRA's, bytes on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lora.timing import compared, interleaved
from peft import PeftModel
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from scionwood import save_adapter

Step = Callable[[], object]


def memory(step: Step, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Return the peak bytes of a training step, and the bytes that stay between steps.

    `stays` counts weights, buffers and the optimiser's state. `peak` adds the largest sum of live
    allocations at any moment of the step, from the record of torch's allocator: activations,
    gradients and temporary results.
    """
    step()  # the optimiser makes its state
    optimizer.zero_grad()
    state = [v for item in optimizer.state.values() for v in item.values() if isinstance(v, Tensor)]
    before = {
        t.untyped_storage().data_ptr(): t for t in [*model.parameters(), *model.buffers(), *state]
    }
    stays = sum(tensor.untyped_storage().nbytes() for tensor in before.values())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    events = record.profiler.kineto_results.events()  # type: ignore[union-attr]
    live = peak = 0
    for event in sorted(events, key=lambda item: item.start_ns()):
        live += event.nbytes() if event.name() == "[memory]" else 0
        peak = max(peak, live)
    return {"stays": stays, "peak": stays + peak}


def step_times(step: Step, reference: Step, rounds: int) -> dict[str, Any]:
    """Time a step and the reference in turns; return CPU ms and the ratio."""
    times = interleaved({"this": step, "reference": reference}, rounds)
    times_over = compared(times["this"], times["reference"])
    return {
        "step_ms": float(str(times_over["median_ms"])),
        "step_over_lora": float(str(times_over["times_ours"])),
        "step_ci_low": float(str(times_over["ci_low"])),
        "step_ci_high": float(str(times_over["ci_high"])),
    }


def file_size(model: nn.Module) -> int:
    """Return the bytes of the saved tensors; without an adapter, of the trained parameters."""
    if not isinstance(model, PeftModel):
        return sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(model, Path(folder))
        return (Path(folder) / "adapter_model.safetensors").stat().st_size
