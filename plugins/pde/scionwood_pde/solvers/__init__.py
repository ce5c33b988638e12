"""Pseudo-spectral solvers of partial differential equations on periodic boxes, in torch.

`simulate(equation, ...)` returns trajectories (batch, time, channel, *space) and a mask of the
valid ones. `EQUATIONS` lists the equations by name. `spectral.py` has the conventions for space
(the box, the order of axes, wavenumbers, de-aliasing), and the docstring of each equation those for
signs. L is the unit of length, T of time, and U of the field.
"""

from scionwood_pde.solvers.registry import EQUATIONS
from scionwood_pde.solvers.simulate import Simulation, simulate

__all__ = ["EQUATIONS", "Simulation", "simulate"]
