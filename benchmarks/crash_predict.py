"""Measure the time of a prediction: a hat of about 2,000 nodes, 21 frames, the shipped network.

    python benchmarks/crash_predict.py

The benchmark times what `scionwood crash predict` does between reading and writing: it morphs the
grids, encodes the part and runs the network. For comparison it simulates the same part once with
the project's solver, after compilation.

It reports medians and minima over rounds on one thread, as CPU time and as wall time. Other work on
the machine lengthens the wall time, so the load is reported too. It also checks that one and two
threads give the same prediction (1e-5 of the largest value), and that clamped nodes do not move.
Writes benchmarks/results/crash_predict.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.progress import track

from scionwood.authoring import atomic_path
from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoded, Encoder, outward
from scionwood_crash.model import SIZES
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.explicit import Options
from scionwood_crash.solver.run import solve
from scionwood_crash.suite.families import Design, hat

RESULTS = Path(__file__).parent / "results" / "crash_predict.csv"
MESH, FINE = 9.2, 6.4
"""Element sizes, mm, of about 2,000 nodes, and of 4,000 nodes for the morphing alone."""
FRAMES = 21


def design(size: float = MESH) -> Design:
    return hat(np.random.default_rng(4), size)


def part(made: Design) -> Part:
    shell = made.shell
    times = np.linspace(0, made.duration, FRAMES)
    given = (shell.nodes, shell.quads, shell.thickness, shell.clamped, shell.materials[0])
    return Part(*given, made.impactor, times, family="hat")


def simulation(made: Design, duration: float) -> float:
    """Return the CPU seconds of a simulation; a short one first compiles the solver."""
    options = Options(friction=made.impactor.friction)
    start = time.process_time()
    solve(made.shell, made.impactor, duration=duration, n_frames=FRAMES, options=options)
    return time.process_time() - start


def measure(run: Callable[[], Any], rounds: int, clock: Callable[[], float]) -> list[float]:
    run()
    seconds = []
    for _ in range(rounds):
        start = clock()
        run()
        seconds.append(clock() - start)
    return seconds


def rows(rounds: int) -> list[dict[str, Any]]:
    made, fine = design(), part(design(FINE))
    given = part(made)
    model, encoder = (
        MaskMorphUNet(size="small", weights="shipped").eval(),
        Encoder(SIZES["small"]),
    )
    encoded = encoder.encode(given)

    @torch.no_grad()
    def network(part: Encoded = encoded) -> np.ndarray:
        return outward(model(*part.graph), part.frame)

    stages: dict[str, Callable[[], Any]] = {
        "morph and encode": lambda: encoder.encode(given),
        "network": network,
        "prediction": lambda: network(encoder.encode(given)),
        "morph and encode, twice the nodes": lambda: encoder.encode(fine),
    }
    table: list[dict[str, Any]] = []
    torch.set_num_threads(1)
    for kind, clock in track([("CPU", time.process_time), ("wall", time.perf_counter)], "timing"):
        for name, run in stages.items():
            times = measure(run, rounds, clock)
            row = {"stage": name, "time": kind}
            table.append(row | {"median_s": median(times), "least_s": min(times)})
    first = network()
    torch.set_num_threads(2)
    check(first, network(), given)
    simulation(made, 0.05)
    seconds = simulation(made, made.duration)
    row = {"stage": "simulation", "time": "CPU"}
    table.append(row | {"median_s": seconds, "least_s": seconds})
    ours = table[2]["median_s"]
    for row in table:
        row["times_prediction"] = f"{row['median_s'] / ours:.2f}" if row["time"] == "CPU" else ""
        row |= {name: f"{row[name]:.3f}" for name in ("median_s", "least_s")}
        nodes = len(fine.points if "twice" in row["stage"] else given.points)
        row |= {"nodes": nodes, "frames": FRAMES, "rounds": rounds}
    return table


def check(first: np.ndarray, second: np.ndarray, given: Part) -> None:
    """Check that both thread counts agree, and that clamped nodes do not move."""
    largest = np.abs(first).max()
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-5 * largest)
    assert largest > 1
    assert not first[:, given.clamped].any()


def processor() -> str:
    """Return the name of the processor, if the system knows it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    table = [row | machine for row in rows(options.rounds)]
    with atomic_path(options.output) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    for row in table:
        print(*row.values(), sep="\t")


if __name__ == "__main__":
    main()
