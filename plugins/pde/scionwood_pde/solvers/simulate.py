"""Simulate trajectories: draw initial states, step them, and check which samples are valid."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil, prod
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
        valid: (batch,) bool, false for a sample with NaN, infinity or a value above the bound. Its
            values are kept, so check `valid` before using them.
        times: (time,) float64, T.
        channels: names of the channels.
        equation: the equation with the parameters of the samples.
        grid: grid of the fields.
        substeps: time steps between two frames.
    """

    fields: Tensor
    valid: Tensor
    times: Tensor
    channels: tuple[str, ...]
    equation: Equation
    grid: Grid
    substeps: int = 1

    def remedy(self) -> str:
        """Return what helps samples that are not valid; it names a CFL number that was too large.

        The CFL number is the number of grid points over which a time step carries the flow. The
        schemes treat that term explicitly, and are unstable far above 1.
        """
        speed = self.equation.own_speed(self.fields[:, 0])
        if speed is None or self.valid.all():
            return "Take more substeps, or a finer grid"
        cell, dt = self.grid.length / self.grid.n_points, float(self.times[1]) / self.substeps
        # CFL = |u| dt / dx of the first state, the last one that is known to be finite.
        number = float(speed[~self.valid].max()) * dt / cell
        # Written so that NaN takes this branch too.
        if not number > 1:
            return "Take more substeps, or a finer grid"
        return (
            f"CFL number {number:.2g}: a time step carries the first state over so many points, "
            f"and about 1 is stable. Take {ceil(number * self.substeps)} substeps or more"
        )


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
    """Simulate a batch of samples together, without gradients; `Equation.stepper` keeps them.

    Args:
        equation: an equation; or a name of `EQUATIONS`, whose parameters are then drawn from their
            ranges for each sample.
        n_points: grid points along each axis.
        dims: number of space dimensions.
        n_steps: frames after the initial state.
        dt: time between frames, T; the equation's `INTERVAL` is a good choice.
        batch: number of samples.
        generator: source of the random numbers; parameters are drawn before states.
        substeps: time steps between two frames, of length `dt / substeps`.
        order: order of the scheme: 2 (ETDRK2, two evaluations in a step, sufficient in float32) or
            4 (ETDRK4).
        initial: initial states (batch, channel, *space). `None` means states from the equation's
            distribution.
        bound: largest |u| of a valid sample.
        dtype: float32 or float64; coefficients are always computed in float64.
        device: device of the fields.

    Returns:
        The trajectories and the mask of the valid ones.

    Raises:
        ValueError: a size, shape, name or order does not fit.
    """
    if isinstance(equation, str):
        equation = equation_class(equation)().drawn(generator, batch)
    equation.check(dims, batch)
    for name, value in (("n_steps", n_steps), ("batch", batch), ("substeps", substeps), ("dt", dt)):
        if not value > 0:
            raise ValueError(f"{name}={value}: it must be positive. Raise it")
    frames = (batch, n_steps + 1, len(equation.channels(dims)))
    _check_memory(frames, n_points, dims, dtype, device)
    grid = Grid(n_points, dims, equation.length, dtype, device)
    start = _start(equation, grid, batch, generator, initial)
    advance = equation.advance(grid, dt, order, substeps)
    fields = torch.empty((batch, n_steps + 1, *start.shape[1:]), dtype=dtype, device=device)
    fields[:, 0] = start
    for frame in range(1, n_steps + 1):
        fields[:, frame] = advance(fields[:, frame - 1])
    valid = (fields.abs() <= bound).flatten(1).all(1)  # a comparison with NaN is false
    times = torch.arange(n_steps + 1, dtype=torch.float64, device=device) * dt
    return Simulation(fields, valid, times, equation.channels(dims), equation, grid, substeps)


def _check_memory(
    frames: tuple[int, int, int],
    n_points: int,
    dims: int,
    dtype: torch.dtype,
    device: torch.device | str,
) -> None:
    """Refuse states that the memory of this machine cannot hold, before any is allocated.

    Raises:
        ValueError: they are larger than the memory.
    """
    needed = prod(frames) * n_points**dims * dtype.itemsize
    if torch.device(device).type != "cpu" or not hasattr(os, "sysconf"):
        return
    # Above the physical memory the system would swap or kill the process, without a message of
    # ours.
    limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > limit:
        raise ValueError(
            f"{frames[0]} samples, {frames[1]} states, {frames[2]} fields of {n_points}^{dims} "
            f"points: {needed / 2**30:.3g} GiB, and this machine has {limit / 2**30:.3g}. Simulate "
            "fewer samples or states at once, or a coarser grid"
        )


def _start(
    equation: Equation, grid: Grid, batch: int, generator: torch.Generator, initial: Tensor | None
) -> Tensor:
    """Return the state at time 0, drawn or given."""
    channels = len(equation.channels(grid.dims))
    if initial is None:
        return equation.initial(grid, batch, channels, generator)
    shape = (batch, channels, *grid.shape)
    if initial.shape != shape:
        raise ValueError(
            f"initial of shape {tuple(initial.shape)}: (batch, channel, *space) is {shape}. "
            f"Channels are {equation.channels(grid.dims)}"
        )
    return initial.to(grid.device, grid.dtype)
