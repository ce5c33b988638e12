"""The trajectories, the training and the scores of `pde_dynamics.py`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from runner import Row
from torch import Tensor, nn

import scionwood_pde as pde
from scionwood_pde.data.files import Files
from scionwood_pde.data.trajectories import Trajectories
from scionwood_pde.evaluation.metrics import by_window, vrmse
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.solvers.registry import equation_class

Step = Callable[[Tensor], Tensor]
"""A function from normalised states (sample, field, x, y, z) to the next ones."""

Unroll = Sequence[tuple[float, int]]
"""Predicted states of a training sample, each with the share of the training at which it ends."""

ONE: Unroll = ((1.0, 1),)
NOISE = 0.05
STEPS = 30  # of a rollout
N_POINTS = 32


class Case(NamedTuple):
    """An equation with its parameters, and how its trajectories are made."""

    parameters: Mapping[str, float]
    interval: float
    substeps: int
    skip: int
    options: Mapping[str, Any] = {}
    shifts: tuple[int, ...] = (-3, -2, -1)
    seconds: float = 40.0
    equation: str = ""  # if it is not the name of the case
    files: bool = False  # whether the trajectories are written in The Well's layout, and read


PUBLISHED = {
    "kuramoto_sivashinsky": {
        "length": 1.0,
        "second_order": 0.0009765624999999998,
        "fourth_order": 2.980232238769531e-06,
        "gradient_norm": 0.009765624999999998,
    },
    "burgers": {"length": 1.0, "diffusivity": 0.01220703125, "convection": 0.78125},
}
"""The parameters of APEBench's difficulties on 32^3 points of a box of side 1."""

THETA = {
    "diffusivity_u": 2e-5,
    "diffusivity_v": 1e-5,
    "feed": 0.04,
    "kill": 0.06,
    "length": 0.5,
}
"""APEBench's Gray-Scott of type theta; its box has the side 2.5 on 160 points, so cells are equal.
A frame is 20 T, as there."""

MAZE = THETA | {"feed": 0.029, "kill": 0.057}
"""The `maze` of The Well's set `gray_scott_reaction_diffusion`, in three dimensions: its box has
the side 2 on 128 points, so cells are equal. A frame is 10 T and a step 1 T, as there."""

FORCED = {"forcing": 3.0, "forcing_mode": 4, "viscosity": 0.05}
CASES = {
    "kolmogorov_flow": Case(
        FORCED,
        2.5,
        3,
        40,
        {"fields": 3, "solenoidal": (0, 1, 2), "forced_axis": "y", "forced_mode": 4},
        (-3, -1),
    ),
    "kuramoto_sivashinsky": Case(
        PUBLISHED["kuramoto_sivashinsky"], 1.0, 2, 100, {"fields": 1}, seconds=20.0
    ),
    "navier_stokes": Case(
        {"viscosity": 0.02}, 2.5, 3, 8, {"fields": 3, "solenoidal": (0, 1, 2)}, seconds=40.0
    ),
    "gray_scott": Case(THETA, 4.0, 10, 8, {"fields": 2}, seconds=20.0),
    "burgers": Case(PUBLISHED["burgers"], 1.0, 2, 0, {"fields": 3}, seconds=20.0),
    "gray_scott, the well": Case(
        MAZE, 2.0, 10, 20, {"fields": 2}, seconds=20.0, equation="gray_scott", files=True
    ),
}
LENGTHS = {"train": 8, "val": 2, "test": 4}  # trajectories of each split


class WellFiles:
    """Trajectories that are written as HDF5 of The Well, and read as `pde/files` reads them."""

    def __init__(self, case: Case, seed: int, folder: Path) -> None:
        self.equation = equation_class(case.equation)()
        paths = {split: folder / f"{split}.hdf5" for split in LENGTHS}
        for number, (split, path) in enumerate(paths.items()):
            states = pde.simulate(
                equation=case.equation,
                n=LENGTHS[split],
                n_points=N_POINTS,
                n_steps=STEPS + 2,
                interval=case.interval * self.equation.INTERVAL,
                substeps=case.substeps,
                seed=3 * seed + number,
                parameters=case.parameters,
                skip=case.skip,
            )
            pde.write_states(states, path)
        files = {split: [str(path)] for split, path in paths.items()}
        read = Files(
            files=files["train"], val_files=files["val"], test_files=files["test"], measured=0
        )
        self.normaliser = read.normaliser
        self.states = {
            split: self.normaliser.apply(torch.from_numpy(pde.open_states(path).values))
            for split, path in paths.items()
        }

    def trajectories(self, split: str) -> Tensor:
        """Return the normalised trajectories of a split, (sample, time, field, x, y, z)."""
        return self.states[split]


@cache
def data_of(name: str, seed: int) -> Trajectories | WellFiles:
    """Return the trajectories of a case, with `LENGTHS` of them for each split."""
    case = CASES[name]
    if case.files:
        with TemporaryDirectory() as folder:
            return WellFiles(case, seed, Path(folder))
    return Trajectories(
        equation=name,
        parameters=case.parameters,
        n_points=N_POINTS,
        n_frames=case.skip + STEPS + 3,
        skip=case.skip,
        interval=case.interval,
        substeps=case.substeps,
        n_train=LENGTHS["train"],
        n_val=LENGTHS["val"],
        n_test=LENGTHS["test"],
        seed=seed,
    )


def trained(
    make: Callable[..., Forecast],
    name: str,
    seed: int,
    n: int,
    lr: float,
    seconds: float,
    steps: int = 0,
    unroll: Unroll = ONE,
) -> Forecast:
    """Train a network for CPU seconds; warm-up and cosine follow the time that was spent.

    With a number of steps, these count instead. `unroll` says how many predicted states the loss
    has.
    """
    case, data = CASES[name], data_of(name, seed)
    states = data.trajectories("train")[:n]
    model = make(init_seed=seed, **case.options)
    pairs = {"state": states[:, :-1].flatten(0, 1), "next": states[:, 1:].flatten(0, 1)}
    model.measure([pairs], data.normaliser.std)
    network: Any = model.network
    for part in ("encoder", "decoder") if hasattr(network, "mixing") else ():
        network.get_submodule(part).requires_grad_(False)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    spent, start, count_of_steps = 0.0, time.process_time(), 0
    while count_of_steps < steps if steps else spent < seconds:
        share = count_of_steps / steps if steps else spent / seconds
        rate = min(1.0, share / 0.05 + 0.02) * 0.5 * (1 + math.cos(math.pi * share))
        optimizer.param_groups[0]["lr"] = lr * rate
        predicted = next(count for until, count in unroll if share < until)
        loss = _loss(model, states, predicted, case.shifts, generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        count_of_steps += 1
        spent = time.process_time() - start
    return model.eval()


def _loss(
    model: Forecast,
    states: Tensor,
    predicted: int,
    axes: tuple[int, ...],
    generator: torch.Generator,
) -> Tensor:
    """Return the loss of a rollout from one state with noise, moved along the axes of symmetry."""
    starts = states.shape[1] - predicted
    place = int(torch.randint(len(states) * starts, (), generator=generator))
    moves = torch.randint(N_POINTS, (len(axes),), generator=generator).tolist()
    trajectory, start = divmod(place, starts)
    window = states[trajectory, start : start + predicted + 1, None].roll(moves, axes)
    x = window[0] + NOISE * torch.randn(window[0].shape, generator=generator)
    errors = []
    for after in window[1:]:
        output = model(x)
        error = (output - after) / model.scales.change.view(-1, 1, 1, 1)
        errors.append(error.square().mean())
        x = model.limited(output) if predicted > 1 else output
    return torch.stack(errors).mean()


@torch.no_grad()
def next_error(step: Step, states: Tensor) -> float:
    """Return the VRMSE of the next state, averaged over every fourth state."""
    now, after = states[:, 1:-1:4].flatten(0, 1), states[:, 2::4].flatten(0, 1)
    errors = [vrmse(step(a[None])[:, None], b[None, None]) for a, b in zip(now, after, strict=True)]
    return float(torch.stack(errors).mean())


@torch.no_grad()
def rolled(step: Step, states: Tensor) -> Tensor:
    """Return a rollout from the second state of each trajectory, (sample, step, ...)."""
    x, states_after = states[:, 1], []
    for _ in range(STEPS):
        x = step(x)
        states_after.append(x)
    return torch.stack(states_after, dim=1)


def scores(step: Step, predicted: Tensor, states: Tensor) -> Row:
    """Return the errors of the next state and of a rollout by horizon."""
    spent = time.process_time()
    with torch.no_grad():
        step(states[:1, 1])
    ms = 1e3 * (time.process_time() - spent)
    windows = by_window(vrmse(predicted, states[: len(predicted), 2 : 2 + STEPS]))
    row: Row = {"ms": f"{ms:.1f}", "next": f"{next_error(step, states):.4f}"}
    return row | {h: f"{float(windows[h].mean()):.4f}" for h in ("6:12", "13:30")}
