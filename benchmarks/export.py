"""The shipped seismic denoiser on one thread of a CPU: the run itself, and its exported forms.

    python benchmarks/export.py

Writes benchmarks/results/export.csv. The baseline is `eager, merged`: the backbone with the adapter
merged, as `export --format merged` stores it. `run` is what `load_run` returns, with the adapter
beside the base. A call denoises one gather, (1, 1, trace, time), float32. Rounds are interleaved
A B C D D C B A. A time is the median over rounds of the process's CPU time; a ratio is the median
over rounds of baseline / rival with a bootstrapped 95 % interval. `difference` is the largest
difference from `run`, over its largest output, on a gather that no form was traced with.
"""

from __future__ import annotations

import argparse
import csv
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from scionwood import load_run
from scionwood.authoring import atomic_path
from scionwood_export import export_run
from scionwood_export.comparing import largest_gap, outputs_of
from scionwood_export.merging import plain

RESULTS = Path(__file__).parent / "results" / "export.csv"
RUN = "seismic/denoise"
SIDES = (128, 256)

Call = Callable[[Tensor], Any]


def rivals(side: int, folder: Path) -> dict[str, Call]:
    """Return the run and its forms for gathers of one size; `run` is what the others must equal."""
    files = {"pt2": "d.pt2", "aoti": "a.pt2", "onnx": "d.onnx"}
    for kind, name in files.items():
        export_run(RUN, folder / name, format=kind, shape=(1, side, side), force=True)
    merged, _ = plain(load_run(RUN).backbone)
    merged = merged.eval()
    return {
        "eager, merged": merged,
        "run": load_run(RUN).backbone,
        "torch.compile": torch.compile(merged, dynamic=False),
        "pt2": torch.export.load(folder / "d.pt2").module(),
        "aoti": torch._inductor.aoti_load_package(str(folder / "a.pt2")),
        "onnx": _onnx(folder / "d.onnx"),
    }


def _onnx(path: Path) -> Call:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"noisy": x.numpy()})[0])


@torch.inference_mode()
def measure(calls: dict[str, Call], x: Tensor, rounds: int) -> dict[str, np.ndarray]:
    """Return the CPU seconds of each form in each round."""
    for call in calls.values():
        for _ in range(3):
            call(x)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for at in range(rounds):
        for name in list(calls)[:: 1 if at % 2 == 0 else -1]:
            start = time.process_time()
            calls[name](x)
            seconds[name].append(time.process_time() - start)
    return {name: np.array(each) for name, each in seconds.items()}


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """Return the bootstrapped 95 % interval of the median."""
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, 1), [2.5, 97.5])
    return float(low), float(high)


def rows(side: int, rounds: int) -> list[dict[str, Any]]:
    """Measure all forms on gathers of one size."""
    with tempfile.TemporaryDirectory() as folder:
        calls = rivals(side, Path(folder))
        sizes = {name: _size(Path(folder), name) for name in calls}
        x = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(3))
        expected = outputs_of(calls["run"], (x,))
        gaps = {name: largest_gap(expected, outputs_of(call, (x,))) for name, call in calls.items()}
        seconds = measure(calls, x, rounds)
    base, made = seconds["eager, merged"], []
    for name, own in seconds.items():
        low, high = interval(base / own)
        made.append(
            {
                "gather": f"{side}x{side}",
                "form": name,
                "median_ms": f"{1e3 * np.median(own):.2f}",
                "times_faster": f"{np.median(base / own):.2f}",
                "ci_low": f"{low:.2f}",
                "ci_high": f"{high:.2f}",
                "difference": f"{gaps[name]:.1e}",
                "megabytes": sizes[name],
            }
        )
    return made


def _size(folder: Path, name: str) -> str:
    files = {"pt2": "d.pt2", "aoti": "a.pt2", "onnx": "d.onnx"}
    return f"{(folder / files[name]).stat().st_size / 1e6:.1f}" if name in files else ""


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    place = {
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": 1,
        "rounds": arguments.rounds,
        **{name: version(name) for name in ("torch", "onnxruntime")},
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    table = [row | place for side in SIDES for row in rows(side, arguments.rounds)]
    with atomic_path(RESULTS) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(RESULTS.read_text())


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
