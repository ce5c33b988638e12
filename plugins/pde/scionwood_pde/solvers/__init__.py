"""Pseudo-spectral solvers of partial differential equations on periodic boxes, in torch.

`simulate(equation, ...)` gives trajectories (batch, time, channel, *space) and a mask of those
that hold; `EQUATIONS` names the equations. Conventions: `spectral.py` for space (the box, the order
of axes, wavenumbers, de-aliasing), each equation's docstring for signs. L is the unit of length, T
of time, U of the field; nothing else has units.
"""

from scionwood_pde.solvers.registry import EQUATIONS
from scionwood_pde.solvers.simulate import Simulation, simulate

__all__ = ["EQUATIONS", "Simulation", "simulate"]
