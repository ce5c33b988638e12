"""Why shipped runs break limits of their probes: is the limit wrong, or the model? See `audit.py`.

Each broken probe is repeated on inputs like those of the run's own training.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

import scionwood
from scionwood_crash import ship
from scionwood_crash.data.encode import Encoder
from scionwood_crash.evaluation import behaviour as crash
from scionwood_crash.model.graph import DURATION
from scionwood_pde import simulate
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation import behaviour as pde

Row = dict[str, object]
PART, STATE = "crash/transfer_lora", "pde/dynamics"
DESIGNS = 4


@torch.no_grad()
def reasons() -> Iterator[Row]:
    """Yield one row for each question and input."""
    yield from _parts()
    yield from _states()


def _parts() -> Iterator[Row]:
    """Ask about the channel of the probe, and about bumper beams, on which the run was trained."""
    task = scionwood.load_run(PART)
    size = crash._size_of(task)
    beams = list(ship.held_out(n_test=DESIGNS).parts("test"))
    for name, parts in (("the channel of the probe", [crash._channel()]), ("bumper beams", beams)):
        quiet, worst, mean = [], [], []
        for part in parts:
            graph = Encoder(size).encode(part).graph
            still = graph.condition.clone()
            still[:, DURATION] = crash._TINY
            quiet.append(crash._most(crash._run(task, graph._replace(condition=still))))
            shape = crash._shape(task, part, size)
            far = float(np.abs(shape).max())
            other = crash._shape(task, crash._mirrored(part), size) * crash._FLIP
            worst.append(float(np.abs(other - shape).max()) / far)
            mean.append(float(np.linalg.norm(other - shape, axis=-1).mean()) / far)
        about = {"run": PART, "input": name}
        yield {**about, "question": "no travel, worst node, mm", "found": f"{max(quiet):.2f}"}
        yield {**about, "question": "mirrored part, worst node", "found": f"{max(worst):.3f}"}
        yield {**about, "question": "mirrored part, mean of the nodes", "found": f"{max(mean):.3f}"}


def _states() -> Iterator[Row]:
    """Ask about shifts that the stride of the network divides, and about a simulated state."""
    step, like = pde._step(scionwood.load_run(STATE))
    scale = Normaliser.read(scionwood.find_run(STATE, quiet=True))
    assert scale is not None
    simulated = torch.from_numpy(simulate(n=1, n_steps=3).values[0, 1][None]).float()
    states = {"waves of the probe": pde._smooth(like), "a simulated state": scale.apply(simulated)}
    for name, state in states.items():
        state_after = step(state)
        change = pde._rms(state_after - state)
        for points in (4, 8, 16):
            back = step(state.roll(points, 2)).roll(-points, 2)
            error = f"{pde._rms(back - state_after) / change:.3f}"
            yield {
                "run": STATE, "input": name, "question": f"shift by {points} points",
                "found": error,
            }  # fmt: skip
