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

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.progress import track
from runner import machine, option, out, parsed, printed, write

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoded, Encoder, outward
from scionwood_crash.model import SIZES
from scionwood_crash.parts.part import Part
from scionwood_crash.solver.explicit import Options
from scionwood_crash.solver.run import solve
from scionwood_crash.suite.families import Design, hat

MESH, FINE = 9.2, 6.4
"""Element sizes, mm, of about 2,000 nodes, and of 4,000 nodes for the morphing alone."""
FRAMES = 21


def design(size: float = MESH) -> Design:
    return hat(np.random.default_rng(4), size)


def part(design: Design) -> Part:
    shell = design.shell
    times = np.linspace(0, design.duration, FRAMES)
    arrays = (shell.nodes, shell.quads, shell.thickness, shell.clamped, shell.materials[0])
    return Part(*arrays, design.impactor, times, family="hat")


def simulation(design: Design, duration: float) -> float:
    """Return the CPU seconds of a simulation; a short one first compiles the solver."""
    options = Options(friction=design.impactor.friction)
    start = time.process_time()
    solve(design.shell, design.impactor, duration=duration, n_frames=FRAMES, options=options)
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
    coarse, fine = design(), part(design(FINE))
    plate = part(coarse)
    model, encoder = (
        MaskMorphUNet(size="small", weights="shipped").eval(),
        Encoder(SIZES["small"]),
    )
    encoded = encoder.encode(plate)

    @torch.no_grad()
    def network(part: Encoded = encoded) -> np.ndarray:
        return outward(model(*part.graph), part.frame)

    stages: dict[str, Callable[[], Any]] = {
        "morph and encode": lambda: encoder.encode(plate),
        "network": network,
        "prediction": lambda: network(encoder.encode(plate)),
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
    check(first, network(), plate)
    simulation(coarse, 0.05)
    seconds = simulation(coarse, coarse.duration)
    row = {"stage": "simulation", "time": "CPU"}
    table.append(row | {"median_s": seconds, "least_s": seconds})
    prediction = table[2]["median_s"]
    for row in table:
        row["times_prediction"] = (
            f"{row['median_s'] / prediction:.2f}" if row["time"] == "CPU" else ""
        )
        row |= {name: f"{row[name]:.3f}" for name in ("median_s", "least_s")}
        nodes = len(fine.points if "twice" in row["stage"] else plate.points)
        row |= {"nodes": nodes, "frames": FRAMES, "rounds": rounds}
    return table


def check(first: np.ndarray, second: np.ndarray, part: Part) -> None:
    """Check that both thread counts agree, and that clamped nodes do not move."""
    largest = np.abs(first).max()
    np.testing.assert_allclose(second, first, rtol=0, atol=1e-5 * largest)
    assert largest > 1
    assert not first[:, part.clamped].any()


def main() -> None:
    options = parsed(
        __doc__,
        option("--rounds", type=int, default=9),
        out("crash_predict"),
        threads=None,
    )
    write(options.out, printed(rows(options.rounds), machine()))


if __name__ == "__main__":
    main()
