"""The parts of seismic_io.py that denoise: the CPU time of a core, and the clock of both."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHILD = """
import json, sys, time
from pathlib import Path
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
from scionwood import load_run
from scionwood_seismic.inference.files import denoise_file
from scionwood_seismic.inference.outputs import Outputs
from scionwood_seismic.inference.options import DenoiseOptions
noisy, clean = map(Path, sys.argv[1:3])
run, action, precision = sys.argv[3:]
model = load_run(run)
before, start = peak(), time.process_time()
del model
domain = "shot" if run.endswith("denoise") else "auto"
options = DenoiseOptions(run=run, model=domain, gate=action, precision=precision)
denoise_file(noisy, Outputs(clean), options)
seconds = time.process_time() - start
seen = [row["tiles"] for row in Outputs(clean).reports()]
passes = sum(gate for _, gate in seen) / sum(own for own, _ in seen)
told = {"before": before, "after": peak(), "seconds": seconds, "passes": passes}
print(json.dumps(told))
"""

RUNS = {
    "seismic/shot": ("seismic/shot", "blend", "float32"),
    "seismic/shot, no gate": ("seismic/shot", "off", "float32"),
    "seismic/shot, bfloat16": ("seismic/shot", "blend", "bfloat16"),
    "seismic/shot, bfloat16, no gate": ("seismic/shot", "off", "bfloat16"),
    "seismic/denoise": ("seismic/denoise", "blend", "float32"),
}
"""Tool -> run, what the harm gate does, and the arithmetic of the network."""


def denoise_rows(folder: Path, source: Path) -> list[dict[str, str]]:
    """Denoise a file of live traces, each time in a process of its own."""
    rows: list[dict[str, str]] = []
    size = source.stat().st_size
    for tool, options in RUNS.items():
        target = folder / f"{len(rows)}.sgy"
        child = [sys.executable, "-c", CHILD, source, target, *options]
        one = {"OMP_NUM_THREADS": "1"}
        process = subprocess.run(
            child, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | one
        )
        report = json.loads(process.stdout.splitlines()[-1])
        values = {
            "denoise live traces, CPU time of one core": (size / 1e6 / report["seconds"], "MB/s"),
            "denoise, peak memory over the loaded model": (
                (report["after"] - report["before"]) / 1e6,
                "MB",
            ),
        }
        if report["passes"]:
            values["denoise, network passes of the gate"] = (
                100 * report["passes"],
                "% of the others",
            )
        rows += [
            {
                "measure": name,
                "tool": tool,
                "gigabytes": f"{size / 1e9:.2f}",
                "median": f"{value:.2f}" if value < 10 else f"{value:.0f}",
                "unit": unit,
                "rounds": "1",
                "cpu_seconds": f"{report['seconds']:.1f}",
            }
            for name, (value, unit) in values.items()
        ]
    return rows


CORES = {
    "one process, one thread": ("1", "1"),
    "one process, two threads": ("1", "2"),
    "--jobs 2, one thread each": ("2", "1"),
}
"""Tool -> processes, and threads of each."""


def core_rows(folder: Path, files: list[Path], rounds: int) -> list[dict[str, str]]:
    """Denoise the files of a folder with one and with both cores, by the clock.

    The start of the processes counts. Rounds are interleaved, because other work shares the cores.
    """
    size = sum(file.stat().st_size for file in files)
    seconds: dict[str, list[float]] = {tool: [] for tool in CORES}
    spent: dict[str, list[float]] = {tool: [] for tool in CORES}
    for i in range(rounds):
        tools = list(CORES)
        for tool in tools[i % len(tools) :] + tools[: i % len(tools)]:
            jobs, threads = CORES[tool]
            target = folder / "out"
            command = [sys.executable, "-m", "scionwood.cli", "seismic", "denoise"]
            command += [str(files[0].parent), str(target), "--jobs", jobs, "--model", "shot"]
            start, before = time.perf_counter(), sum(os.times()[2:4])
            environment = os.environ | {"OMP_NUM_THREADS": threads}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            seconds[tool].append(time.perf_counter() - start)
            spent[tool].append(sum(os.times()[2:4]) - before)
            shutil.rmtree(target)
            print(f"{tool}: {seconds[tool][-1]:.1f} s, CPU {spent[tool][-1]:.1f} s", flush=True)
    speeds = {tool: [size / 1e6 / item for item in runs] for tool, runs in seconds.items()}
    return [
        {
            "measure": f"denoise live traces by the clock, {len(files)} files",
            "tool": tool,
            "gigabytes": f"{size / 1e9:.2f}",
            "median": f"{statistics.median(runs):.2f}",
            "lowest": f"{min(runs):.2f}",
            "highest": f"{max(runs):.2f}",
            "unit": "MB/s",
            "rounds": str(rounds),
            "cpu_seconds": f"{statistics.median(spent[tool]):.1f}",
        }
        for tool, runs in speeds.items()
    ]
