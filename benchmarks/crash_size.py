"""Measure the memory of large crash simulations: an epoch over many runs, and one training step.

    python benchmarks/crash_size.py                     # 20 runs of 500,000 nodes, 51 states
    python benchmarks/crash_size.py --nodes 20000 --runs 4

Each figure is the peak of a process of its own (VmHWM of Linux), on one thread. The runs are a
flat sheet that is dented, written straight into stores as `crash/files` writes them. The table is
`benchmarks/results/crash_size.csv`. A case that exceeds the
limit of memory is stopped and named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from runner import option, parsed, peak_memory, replace_rows

from scionwood.training.preparation import checkpoint_blocks
from scionwood_crash.backbones import MaskMorphUNet, MeshGraphNet
from scionwood_crash.data.encode import Encoded
from scionwood_crash.data.lazy import Stored, write_stored
from scionwood_crash.data.parts import Collate
from scionwood_crash.model import SIZES, CrashGraph
from scionwood_crash.morph import Frame
from scionwood_crash.tasks.displacement import Displacement


def sheet(nodes: int, size: str) -> CrashGraph:
    """Return the graph of a flat sheet of about `nodes` nodes, for a size of network."""
    side = round(nodes**0.5)
    at = torch.arange(side * side).reshape(side, side)
    cells = torch.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1).reshape(-1, 4)
    along = torch.stack([at[:-1].reshape(-1), at[1:].reshape(-1)])
    across = torch.stack([at[:, :-1].reshape(-1), at[:, 1:].reshape(-1)])
    one = torch.cat([along, across], 1)
    both = torch.cat([one, one.flip(0)], 1)
    both = both[:, np.lexsort((both[0].numpy(), both[1].numpy()))]
    levels = [len(level) for level in SIZES[size].template().levels]
    lines = torch.linspace(0, 5, side)
    place = torch.stack(
        [lines.repeat_interleave(side), lines.repeat(side), torch.zeros(side**2)], 1
    )
    count, draw = side * side, torch.Generator().manual_seed(0)
    near = torch.randint(0, levels[0], (count, 4), generator=draw)
    features, condition = torch.zeros(count, 9), torch.zeros(1, 27)
    condition[0, 14] = -1.0  # the direction of the impact
    share, coarse = torch.full((count, 4), 0.25), torch.rand(sum(levels), 3, generator=draw)
    batch = torch.zeros(count, dtype=torch.long)
    return CrashGraph(features, condition, place, both, near, share, coarse, batch, cells)


def dents(graph: CrashGraph, states: int, run: int) -> Iterator[tuple[np.ndarray, None]]:
    """Yield the displacements of a dent that grows, mm."""
    squares = (graph.position[:, :2] - 2.5 - 0.05 * run).square().sum(1)
    shape = np.zeros((len(squares), 3))
    shape[:, 2] = -50 * np.exp(-squares.numpy())
    for at in range(states):
        yield shape * at / states, None


def epoch(folder: Path, *, lazy: bool) -> str:
    """Read every run once, as an epoch does, with all in memory or one at a time."""
    parts = Stored(sorted(folder.iterdir()))
    data = parts if lazy else [_copied(part) for part in parts]
    collate, total = Collate([1]), 0.0
    for part in data:
        batch = collate([part])
        total += float(batch["displacement"].sum())
        total += float(sum(value.double().sum() for value in batch["graph"]))
    return f"sum of all values {total:.6g}"


def _copied(part: Encoded) -> Encoded:
    graph = CrashGraph(*(value.clone() for value in part.graph))
    return part._replace(graph=graph, displacement=part.displacement.clone())


def step(case: str, nodes: int, states: int) -> str:
    """Run the forward and the backward pass of a training step."""
    kind, size, way = case.split("/")
    graph = sheet(nodes, size)
    make = MaskMorphUNet if kind == "unet" else MeshGraphNet
    network = make(size=size, frames=states).train()
    if way == "checkpointing":
        checkpoint_blocks(network)
    if way == "pieces":
        network.max_nodes = nodes // 8
    moved = torch.zeros(len(graph.position), states, 3)
    moved[..., 2] = -0.3 * torch.linspace(0, 1, states)
    loss = Displacement(network).losses({"graph": graph, "displacement": moved})["loss"]
    loss.backward()
    return f"loss {float(loss.detach()):.4f}"


def measured(what: str, options: argparse.Namespace, folder: str = "") -> dict[str, object]:
    """Run a case in a process of its own, and return its row."""
    command = [sys.executable, __file__, "--case", what, "--folder", folder]
    command += ["--nodes", str(options.nodes), "--states", str(options.states)]
    limit = f'ulimit -v {int(1e6 * options.limit)}; exec "$@"'
    start = time.perf_counter()
    process = subprocess.run(["bash", "-c", limit, "-", *command], capture_output=True, text=True)
    row: dict[str, object] = {"what": what, "nodes": options.nodes, "states": options.states}
    row["seconds"] = round(time.perf_counter() - start)
    if process.returncode:
        full = "allocate" in process.stderr or "MemoryError" in process.stderr
        why = f"more than {options.limit:g} GB" if full else f"stopped, status {process.returncode}"
        return row | {"note": why}
    value, note = process.stdout.strip().split(" ", 1)
    return row | {"peak GB": value, "note": note}


def main() -> None:
    """Measure all cases, or the one that `--case` names, in this process."""
    options = parsed(
        __doc__,
        option("--nodes", type=int, default=500_000),
        option("--states", type=int, default=51),
        option("--runs", type=int, default=20),
        option("--limit", type=float, default=14.0, help="GB of address space"),
        option("--only", nargs="*", default=None, help="cases, such as epoch/lazy"),
        option("--case", default=""),
        option("--folder", default=""),
    )
    if options.case:
        kind, _, form = options.case.partition("/")
        if kind == "epoch":
            note = epoch(Path(options.folder), lazy=form == "lazy")
        else:
            note = step(options.case, options.nodes, options.states)
        print(f"{peak_memory() / 1.024e9:.2f} {note}")  # millions of KiB, as in all rows
        return
    cases = options.only or CASES
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder or None) as place:
        if any(case.startswith("epoch") for case in cases):
            frame, none = Frame(np.zeros(3), np.eye(3)), torch.zeros(0)
            part = Encoded(sheet(options.nodes, "small"), frame, none, none)
            for run in range(options.runs):
                states = dents(part.graph, options.states, run)
                write_stored(Path(place) / f"{run:03d}", part, states, options.states, {})
        for case in cases:
            count = {"runs": options.runs} if case.startswith("epoch") else {}
            rows.append(measured(case, options, place) | count)
            print(rows[-1], flush=True)
    names = ("what", "nodes", "states", "runs")
    replace_rows("crash_size", rows, names)


CASES = [
    "epoch/eager",
    "epoch/lazy",
    "unet/small/plain",
    "unet/base/checkpointing",
    "meshgraphnet/base/plain",
    "meshgraphnet/base/checkpointing",
    "meshgraphnet/base/pieces",
]


if __name__ == "__main__":
    main()
