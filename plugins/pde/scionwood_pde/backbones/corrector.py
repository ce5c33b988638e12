"""A coarse solver whose steps a small network corrects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_pde.backbones.forecasts import BilinearForecast
from scionwood_pde.model.corrector import CoarseSolver, Means
from scionwood_pde.model.forecast import Axis, Scales
from scionwood_pde.model.tiles import Tiling
from scionwood_pde.solvers.registry import drawn_equation, equation_class


@final
class Corrector(nn.Module):
    """A solver on a coarse grid, and a network of bilinear stencils that corrects its steps.

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

    history = 1
    conditions: tuple[str, ...] = ()

    def __init__(
        self,
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
    ) -> None:
        super().__init__()
        try:
            kind = equation_class(equation)
            # All parameters at the equation's defaults; without them the ranges would be drawn
            # from.
            numbers = {name: getattr(kind(), name) for name in kind.PARAMETERS}
            numbers |= parameters or {}
            system = drawn_equation(equation, torch.Generator().manual_seed(0), 1, numbers)
            self.solver = CoarseSolver(system, coarse, dims, interval * kind.INTERVAL, substeps)
        except ValueError as error:
            raise RecipeError(str(error)) from error
        self.learned = BilinearForecast(
            fields=len(system.channels(dims)),
            dims=dims,
            width=width,
            stencil=stencil,
            solenoidal=solenoidal,
            forced_axis=forced_axis,
            forced_mode=forced_mode,
            init_seed=init_seed,
        )
        self.means = Means(self.learned.fields)
        self.head = ("means", *(f"learned.{name}" for name in self.learned.head))
        self.adapter_targets = {
            name: pattern.replace("network", "learned.network", 1)
            for name, pattern in self.learned.adapter_targets.items()
        }
        solver = f"{equation}, {coarse}^{dims} points, {substeps} time steps"
        self.card = {**self.learned.card, "solver": solver}

    @property
    def scales(self) -> Scales:
        """The scales of the learned change."""
        return self.learned.scales

    @property
    def tiling(self) -> Tiling:
        """The tiling of the network; the solver sees whole domains."""
        return self.learned.tiling

    @property
    def fields(self) -> int:
        """Number of fields of a state."""
        return self.learned.fields

    def forward(self, x: Tensor) -> Tensor:
        """Predict the next state.

        Args:
            x: (batch, field, *space), each field with about zero mean and unit variance.

        Returns:
            The same shape and units, one step later.

        Raises:
            ValueError: the shape, the number of fields or the sides do not fit.
        """
        y: Tensor = self.learned(self.solved(x))
        return y

    def solved(self, x: Tensor) -> Tensor:
        """Return what the solver alone predicts, normalised as the input."""
        shape = (-1, *[1] * (x.ndim - 2))
        std, mean = self.learned.scales.std.view(shape), self.means.mean.view(shape)
        return (self.solver(x * std + mean) - mean) / std

    def limited(self, x: Tensor) -> Tensor:
        """Return a state whose energy is at most that of the training; see `Forecast.limited`."""
        return self.learned.limited(x)

    @torch.no_grad()
    def measure(
        self,
        batches: Iterable[Mapping[str, Tensor]],
        std: Sequence[float] | None = None,
        mean: Sequence[float] | None = None,
    ) -> None:
        """Measure the units for the solver, and the scales of what it misses.

        Args:
            batches: batches of the training split with `state` and `next`.
            std: standard deviation of each field in its unit. `None` means 1.
            mean: mean of each field in its unit. `None` means 0.
        """
        if std is not None:
            self.learned.scales.std.copy_(torch.tensor(std))
        if mean is not None:
            self.means.mean.copy_(torch.tensor(mean))
        # The network learns what the solver misses, so the scale of a change is that of the
        # difference.
        self.learned.measure(self._missed(batches), std)

    def _missed(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[Mapping[str, Tensor]]:
        for batch in batches:
            now = batch["state"][:, -self.fields :]
            yield {"state": self.solved(now), "next": batch["next"]}

    def example_input(self) -> tuple[Tensor, ...]:
        """Return a seeded state with the smallest side."""
        side = -(-self.solver.n_points // 16) * 16
        generator = torch.Generator().manual_seed(0)
        return (torch.randn((1, self.fields, *(side,) * self.solver.dims), generator=generator),)
