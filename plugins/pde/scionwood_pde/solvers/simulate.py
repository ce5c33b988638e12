"""Trajectories: draw initial states, step them, and say which samples hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.registry import equation_class
from scionwood_pde.solvers.spectral import Grid


@final
@dataclass(frozen=True)
class Simulation:
    """A batch of trajectories of one equation.

    Args:
        fields: (batch, time, channel, *space); time 0 is the initial state.
        valid: (batch,) bool; False where a sample met NaN or infinity or left its bound. Such a
            sample is kept as it came, so look here before it is used.
        times: (time,) float64, T.
        channels: the names of the channels.
        equation: with its parameters, those of the samples among them.
        grid: of the fields.
    """

    fields: Tensor
    valid: Tensor
    times: Tensor
    channels: tuple[str, ...]
    equation: Equation
    grid: Grid


@torch.no_grad()
def simulate(
    equation: str | Equation,
    n_points: int,
    dims: int,
    n_steps: int,
    dt: float,
    batch: int,
    generator: torch.Generator,
    substeps: int = 1,
    *,
    order: int = 2,
    initial: Tensor | None = None,
    bound: float = 1e4,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Simulation:
    """Simulate a batch of samples, all in one, without gradients (a `stepper` keeps them).

    Args:
        equation: its configuration; or a name of `EQUATIONS`, whose parameters are then drawn from
            their ranges, one set a sample.
        n_points: points an axis.
        dims: space dimensions.
        n_steps: frames after the initial state.
        dt: time between frames, T; `INTERVAL` of the equation is a fair choice.
        batch: the number of samples.
        generator: the source of all randomness; parameters are drawn before states.
        substeps: time steps a frame, each of `dt / substeps`.
        order: of the scheme, 2 (ETDRK2: two evaluations a step, enough in float32) or 4 (ETDRK4).
        initial: (batch, channel, *space) to start from, in place of the equation's own.
        bound: where |u| exceeds it a sample is not valid, although it may be finite yet.
        dtype: float32 or float64; coefficients are computed in float64 for both.
        device: of the fields.

    Returns:
        The trajectories and the mask of those that hold.

    Raises:
        ValueError: a size, shape, name or order that does not fit.
    """
    if isinstance(equation, str):
        equation = equation_class(equation)().drawn(generator, batch)
    equation.check(dims, batch)
    for name, value in (("n_steps", n_steps), ("batch", batch), ("substeps", substeps), ("dt", dt)):
        if not value > 0:
            raise ValueError(
                f"{name}={value}: a run needs a sample, a step and time. Make it positive"
            )
    grid = Grid(n_points, dims, equation.length, dtype, device)
    start = _start(equation, grid, batch, generator, initial)
    step = equation.stepper(grid, dt / substeps, order)
    fields = torch.empty((batch, n_steps + 1, *start.shape[1:]), dtype=dtype, device=device)
    fields[:, 0] = start
    for frame in range(1, n_steps + 1):
        # From the real field: rounding that is no spectrum of a real field cannot add up.
        spectrum = grid.forward(fields[:, frame - 1])
        for _ in range(substeps):
            spectrum = step(spectrum)
        fields[:, frame] = grid.inverse(spectrum)
    valid = (fields.abs() <= bound).flatten(1).all(1)  # of NaN no comparison holds
    times = torch.arange(n_steps + 1, dtype=torch.float64, device=device) * dt
    return Simulation(fields, valid, times, equation.channels(dims), equation, grid)


def _start(
    equation: Equation, grid: Grid, batch: int, generator: torch.Generator, initial: Tensor | None
) -> Tensor:
    """The state at time 0, drawn or given."""
    channels = len(equation.channels(grid.dims))
    if initial is None:
        return equation.initial(grid, batch, channels, generator)
    wanted = (batch, channels, *grid.shape)
    if initial.shape != wanted:
        raise ValueError(
            f"initial of shape {tuple(initial.shape)}: (batch, channel, *space) is {wanted}. "
            f"Channels are {equation.channels(grid.dims)}"
        )
    return initial.to(grid.device, grid.dtype)
