"""A coarse solver whose steps a small network corrects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from scionwood import RecipeError
from scionwood_pde.backbones.forecasts import bilinear
from scionwood_pde.model.corrector import CoarseSolver, Corrector
from scionwood_pde.model.setting import Axis
from scionwood_pde.solvers.registry import drawn_equation, equation_class


def corrector(
    *,
    equation: str = "kolmogorov_flow",
    parameters: Mapping[str, float] | None = None,
    coarse: int = 24,
    interval: float = 1.0,
    substeps: int = 2,
    dims: int = 3,
    width: int = 16,
    stencil: int = 5,
    solenoidal: Sequence[int] = (),
    forced_axis: Axis | None = None,
    forced_mode: int = 1,
    init_seed: int = 0,
) -> Corrector:
    """Build a solver on a coarse grid with a network of bilinear stencils that corrects its steps.

    Gradients pass through the solver; train with `task.unroll` of 2 or more to use them. Before
    training, the model is the solver. The box is periodic.

    Args:
        equation: a name of `solvers.EQUATIONS`.
        parameters: parameters of the equation in its units; others have the equation's defaults.
        coarse: points of the solver's grid along each axis; a state has as many or more.
        interval: time of a step, relative to the equation's own, as in `pde/trajectories`.
        substeps: time steps of ETDRK2 in it.
        dims: number of space dimensions.
        width: see `pde/bilinear`, as for all other options.
        stencil: odd side of the stencils, in voxels.
        solenoidal: positions of the fields that form a vector without divergence.
        forced_axis: axis of a stationary forcing.
        forced_mode: number of waves of the forcing.
        init_seed: seed of the random weights.

    Shapes: (batch, field, *space) to the same, float32; the fields are the equation's.

    Units: each field has about zero mean and unit variance, in and out; the run measures both.

    Raises:
        RecipeError: the equation or a parameter is unknown, or a number does not fit the others.

    Source: Um et al. 2020, arXiv:2007.00016.
    """
    given = dict(parameters or {})
    try:
        kind = equation_class(equation)
        own = {name: getattr(kind(), name) for name in kind.PARAMETERS}
        made = drawn_equation(equation, torch.Generator().manual_seed(0), 1, own | given)
        solver = CoarseSolver(made, coarse, dims, interval * kind.INTERVAL, substeps)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    learned = bilinear(
        fields=len(made.channels(dims)),
        dims=dims,
        width=width,
        stencil=stencil,
        solenoidal=solenoidal,
        forced_axis=forced_axis,
        forced_mode=forced_mode,
        init_seed=init_seed,
    )
    return Corrector(
        learned, solver, {"solver": f"{equation}, {coarse}^{dims} points, {substeps} time steps"}
    )
