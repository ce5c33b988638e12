"""Fixtures of the solvers' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from scionwood_pde.solvers import Simulation, simulate
from scionwood_pde.solvers.equation import Equation


@pytest.fixture
def advance() -> Callable[..., Simulation]:
    """Simulate from given states, (batch, channel, *space), in double precision."""

    def run(
        equation: Equation,
        initial: torch.Tensor,
        dt: float,
        *,
        n_steps: int = 1,
        substeps: int = 1,
        order: int = 4,
        dtype: torch.dtype = torch.float64,
    ) -> Simulation:
        batch, _, *space = initial.shape
        return simulate(
            equation,
            space[0],
            len(space),
            n_steps,
            dt,
            batch,
            torch.Generator(),
            substeps,
            order=order,
            initial=initial,
            dtype=dtype,
        )

    return run
