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

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from lora.timing import interleaved, ratio
from runner import machine, option, parsed, printed, versions, write
from torch import Tensor

from scionwood import load_run
from scionwood_export import export_run
from scionwood_export.comparing import largest_gap, outputs_of
from scionwood_export.merging import plain

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


def rows(side: int, rounds: int) -> list[dict[str, Any]]:
    """Measure all forms on gathers of one size."""
    with tempfile.TemporaryDirectory() as folder:
        calls = rivals(side, Path(folder))
        sizes = {name: _size(Path(folder), name) for name in calls}
        x = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(3))
        expected = outputs_of(calls["run"], (x,))
        gaps = {name: largest_gap(expected, outputs_of(call, (x,))) for name, call in calls.items()}
        with torch.inference_mode():
            seconds = interleaved({name: partial(call, x) for name, call in calls.items()}, rounds)
    base, table = seconds["eager, merged"], []
    for name, times in seconds.items():
        middle, low, high = ratio(base, times)
        table.append(
            {
                "gather": f"{side}x{side}",
                "form": name,
                "median_ms": f"{1e3 * np.median(times):.2f}",
                "times_faster": f"{middle:.2f}",
                "ci_low": f"{low:.2f}",
                "ci_high": f"{high:.2f}",
                "difference": f"{gaps[name]:.1e}",
                "megabytes": sizes[name],
            }
        )
    return table


def _size(folder: Path, name: str) -> str:
    files = {"pt2": "d.pt2", "aoti": "a.pt2", "onnx": "d.onnx"}
    return f"{(folder / files[name]).stat().st_size / 1e6:.1f}" if name in files else ""


def main() -> None:
    rounds = parsed(__doc__, option("--rounds", type=int, default=40)).rounds
    capability = torch.backends.cpu.get_cpu_capability()
    about = {"capability": capability, "rounds": rounds} | machine() | versions("onnxruntime")
    write("export", printed((row for side in SIDES for row in rows(side, rounds)), about))


if __name__ == "__main__":
    main()
