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

import argparse
import csv
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from lora import layer, roofline
from lora.timing import Row, write

RESULTS = Path(__file__).parent / "results"
PARTS = ("layer", "step", "trainer", "memory", "capture", "overhead", "real")


def collect(rows: Iterable[Row]) -> list[Row]:
    """Print rows as they come."""
    kept = []
    for row in rows:
        print(*row.values(), sep="\t", flush=True)
        kept.append(row)
    return kept


def _part(name: str) -> Any:
    """Import a part when it runs: the layers need neither timm nor lightning."""
    return import_module(f"lora.{name}")


def _oldest(path: Path, device: str) -> str:
    """Return the oldest date of the rows of a device, or nothing."""
    if not path.exists():
        return ""
    with path.open(newline="") as file:
        dates = [row["date"] for row in csv.DictReader(file) if row["device"] == device]
    return min(dates, default="")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30, help="of a layer")
    parser.add_argument("--step-rounds", type=int, default=7, help="of a training step")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="of the layers")
    parser.add_argument("--quick", action="store_true", help="tiny layers: does it run?")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the CSVs")
    parser.add_argument("--since", default="", help="keep parts measured since, as 2026-11-28")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, quick = options.device, options.quick
    until = time.monotonic() + options.seconds
    rates = roofline.measured() if device == "cuda" else None
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "layer": lambda: layer.rows(device, options.rounds, quick, rates, until),
        "step": lambda: _part("step").rows(device, options.step_rounds, quick),
        "trainer": lambda: _part("trainer").rows(device, options.step_rounds, quick),
        "memory": lambda: _part("memory").rows(device, quick),
        "overhead": lambda: _part("overhead").rows(device, options.rounds, quick),
        "real": lambda: _part("real").rows(device, options.step_rounds, quick),
        "capture": lambda: _part("capture").rows(device, quick),
    }
    for name in options.only:
        if options.since and _oldest(options.output / f"lora_{name}.csv", device) >= options.since:
            print(f"{name}: measured already")
            continue
        write(options.output / f"lora_{name}.csv", collect(parts[name]()), device)


if __name__ == "__main__":
    main()
