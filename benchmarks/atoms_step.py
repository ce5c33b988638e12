"""The CPU seconds of a training step of SevenNet-0, with the convolution of e3nn and with ours.

    python benchmarks/atoms_step.py --data FOLDER

FOLDER is that of `atoms_few_shot.py`. A step has forces, the gradients of their loss by all weights
and an update by Adam. The largest difference is that of forces, relative to the largest force.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from runner import Table, option, parsed

from scionwood_atoms.backbones import potential
from scionwood_atoms.data.labels import read_frames
from scionwood_atoms.model import sevennet
from scionwood_atoms.model.graph import Graph, batch


def seconds(network: Any, graph: Graph, steps: int) -> float:
    """Return the CPU seconds of a step, after three that compile."""
    optimiser = torch.optim.Adam([one for one in network.parameters() if one.requires_grad], 1e-6)
    start = 0.0
    for step in range(steps + 3):
        if step == 3:
            start = time.process_time()
        network(*graph).forces.square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    return (time.process_time() - start) / steps


def main() -> None:
    options = parsed(
        __doc__,
        option("--data", type=Path, required=True, help="the folder of dataset_acac"),
        option("--batches", type=int, nargs="+", default=[1, 2, 5, 10]),
        option("--steps", type=int, default=5),
    )
    warnings.filterwarnings("ignore", module="torch|e3nn")
    ours: Any = potential("sevennet/0").train()
    with mock.patch.object(sevennet, "Convolution", lambda layer: layer):
        e3nn: Any = potential("sevennet/0").train()
    frames = list(read_frames(options.data / "dataset_acac" / "test_MD_300K.xyz"))
    table = Table("atoms_step")
    for job in table.missing({"batch": size} for size in options.batches):
        graph = batch([ours.graph(frame.structure.atoms()) for frame in frames[: job["batch"]]])
        forces = [network(*graph).forces.detach() for network in (e3nn, ours)]
        apart = float((forces[0] - forces[1]).abs().max() / forces[0].abs().max())
        times = [seconds(network, graph, options.steps) for network in (e3nn, ours)]
        row = {"e3nn": round(times[0], 3), "ours": round(times[1], 3), "difference": f"{apart:.0e}"}
        table.add({**job, **row})


if __name__ == "__main__":
    main()
