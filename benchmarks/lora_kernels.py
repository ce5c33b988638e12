"""LoRA kernels against peft, a hand-written function, the frozen floor and full fine-tuning.

    python benchmarks/lora_kernels.py                 # the CPU, one thread: about ten minutes
    python benchmarks/lora_kernels.py --since 2026-11-28  # go on with what was broken off
    python benchmarks/lora_kernels.py --device cuda

Writes into benchmarks/results: lora_layer.csv (one layer: time and accuracy), lora_step.csv
(training steps of a ViT), lora_trainer.csv (steps through the Trainer with the NaN guard on and
off), lora_memory.csv (bytes kept for backward), lora_capture.csv (what a CUDA graph can repeat),
lora_overhead.csv (Python around a layer) and lora_real.csv (networks with real weights, whose
packages must be installed). All forms have equal weights and inputs; rounds are interleaved; a
ratio is the median over rounds of peer / ours with a bootstrapped 95 % interval. Every gradient is
checked in the same run: none zero, all as peft's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from lora import layer
from runner import RESULTS, Row, option, parsed, printed, read, replace_rows

PARTS = ("layer", "step", "trainer", "memory", "capture", "overhead", "real")


def _part(name: str) -> Any:
    """Import a part when it runs: the layers need neither timm nor lightning."""
    return import_module(f"lora.{name}")


def _oldest(path: Path, device: str) -> str:
    """Return the oldest date of the rows of a device, or nothing."""
    return min((row["date"] for row in read(path) if row["device"] == device), default="")


def main() -> None:
    """Measure, print and write."""
    options = parsed(
        __doc__,
        option("--device", choices=["cpu", "cuda"], default="cpu"),
        option("--threads", type=int, default=1),
        option("--rounds", type=int, default=30, help="of a layer"),
        option("--step-rounds", type=int, default=7, help="of a training step"),
        option("--only", nargs="*", choices=PARTS, default=list(PARTS)),
        option("--seconds", type=float, default=float("inf"), help="of the layers"),
        option("--quick", action="store_true", help="tiny layers: does it run?"),
        option("--output", type=Path, default=RESULTS, help="folder of the CSVs"),
        option("--since", default="", help="keep parts measured since, as 2026-11-28"),
        threads=None,
    )
    torch.set_num_threads(options.threads)
    device, quick = options.device, options.quick
    until = time.monotonic() + options.seconds
    rates = layer.measured() if device == "cuda" else None
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "layer": lambda: layer.rows(device, options.rounds, quick, rates, until),
        "step": lambda: _part("step").rows(device, options.step_rounds, quick),
        "trainer": lambda: _part("trainer").rows(device, options.step_rounds, quick),
        "memory": lambda: _part("memory").rows(device, quick),
        "overhead": lambda: layer.overhead_rows(device, options.rounds, quick),
        "real": lambda: _part("real").rows(device, options.step_rounds, quick),
        "capture": lambda: _part("trainer").capture_rows(device, quick),
    }
    for name in options.only:
        path = options.output / f"lora_{name}.csv"
        if options.since and _oldest(path, device) >= options.since:
            print(f"{name}: measured already")
            continue
        replace_rows(path, printed(parts[name]()), ("device",))


if __name__ == "__main__":
    main()
