"""Calibration of rollouts: for each horizon, field and shell, truth ~ a * rollout + b * start.

A rollout loses its phase, and then adds error instead of skill: the best multiple of it falls from
1 to 0 with the horizon, sooner in fine shells. A run keeps the numbers as `horizons.json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, final

import torch
from torch import Tensor, nn

from scionwood import ReadError
from scionwood_pde.data.cards import read_card, write_card
from scionwood_pde.evaluation.modes import Modes

FILE = "horizons.json"
STEPS = 30
RIDGES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Offered ridges, relative to the energy of a regressor: a shell of few waves fits noise. For each
horizon and field that is taken which predicts each trajectory best from the others."""

DIGITS = 6


class Model(Protocol):
    """A model of dynamics, such as `Forecast`."""

    history: int
    fields: int

    def __call__(self, x: Tensor, /) -> Tensor:
        """Return the next state."""

    def limited(self, x: Tensor, /) -> Tensor:
        """Return a state as a rollout continues from it."""


@final
@dataclass(frozen=True)
class Horizons:
    """The weights of a rollout and of its start, by horizon, field and shell.

    Args:
        sides: points along each axis.
        periodic: whether each axis is periodic.
        lengths: length of the box along each axis.
        weights: (horizon, field, shell, 2), nested.
    """

    sides: tuple[int, ...]
    periodic: tuple[bool, ...]
    lengths: tuple[float, ...]
    weights: tuple[Any, ...]

    @cached_property
    def modes(self) -> Modes:
        """The modes of the grid."""
        return Modes(self.sides, self.periodic, self.lengths)

    @cached_property
    def _factors(self) -> Tensor:
        return torch.tensor(self.weights, dtype=torch.float64)

    def apply(self, predicted: Tensor, start: Tensor, step: int) -> Tensor:
        """Return a calibrated state; the rollout goes on from the state as it was.

        Args:
            predicted: (..., field, *space), normalised, as the rollout predicts it.
            start: the last state that was not predicted, of the same shape.
            step: steps from `start`, from 1. Beyond the last horizon its weights hold.

        Returns:
            The same shape and type.
        """
        factors = self._factors[min(step, len(self._factors)) - 1][:, self.modes.shells]
        parts = [self.modes.forward(x.cpu()) for x in (predicted, start)]
        total = sum((factors[..., i] * z for i, z in enumerate(parts)), start=0.0 * parts[0])
        return self.modes.inverse(total).to(predicted)

    def write(self, folder: str | Path) -> None:
        """Write the weights into a run folder."""
        write_card(self, folder, FILE)

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """Return the calibration of a run folder, or `None` if the run has none.

        Raises:
            ReadError: the file is damaged.
        """

        def build(card: dict[str, Any]) -> tuple[Self, bool]:
            names = ("sides", "periodic", "lengths", "weights")
            horizons = cls(*(tuple(card[name]) for name in names))
            factors, shells = horizons._factors, int(horizons.modes.shells.max()) + 1
            fits = factors.ndim == 4 and factors.shape[2:] == (shells, 2)
            return horizons, fits and bool(factors.isfinite().all())

        horizons, valid = read_card(folder, FILE, "horizons", build) or (None, True)
        if not valid:
            rule = "its weights are finite, two for each horizon, field and shell of the grid"
            raise ReadError(str(Path(folder) / FILE), rule, "Copy it again")
        return horizons


@torch.no_grad()
def rolled(model: Model, frames: Tensor, steps: int) -> Tensor:
    """Return a rollout, each state held to the model's cap.

    Args:
        model: the model of dynamics.
        frames: (batch, history, field, *space), the first states.
        steps: how many states are predicted.

    Returns:
        (batch, step, field, *space).
    """
    x, states = frames.flatten(1, 2), []
    for _ in range(steps):
        states.append(model.limited(model(x)))
        x = torch.cat([x[:, model.fields :], states[-1]], dim=1)
    return torch.stack(states, dim=1)


def calibrated(
    model: Model, runs: Iterable[Tensor], modes: Modes, *, steps: int = STEPS, first: int = 0
) -> Horizons:
    """Fit the weights by least squares on one rollout of each trajectory.

    Args:
        model: the model of dynamics.
        runs: trajectories (time, field, *space), normalised; some should be of the validation, on
            which a trained model errs as it will.
        modes: the modes of their grid.
        steps: most horizons.
        first: position of the first frame that the model sees.

    Returns:
        The weights, for as many horizons as the trajectories have and the rollouts are finite.
    """
    sums = []
    for run in runs:
        begin = first + model.history
        truths = run[begin : begin + steps]
        states = rolled(model, run[None, first:begin].float(), len(truths))[0]
        start, parts = modes.forward(run[begin - 1]), []
        for state, truth in zip(states, truths, strict=True):
            if not bool(state.isfinite().all()):
                break
            p, t = modes.forward(state), modes.forward(truth)
            pairs = [(p, p), (p, start), (start, start), (t, p), (t, start)]
            products = [modes.by_shell((a * b.conj()).real) for a, b in pairs]
            parts.append(torch.stack(products, dim=-1))
        sums.append(torch.stack(parts))
    longest = max(len(parts) for parts in sums)
    padded = [nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, longest - len(x))) for x in sums]
    weights = torch.round(_fitted(torch.stack(padded)), decimals=DIGITS)
    return Horizons(modes.sides, modes.periodic, modes.lengths, tuple(weights.tolist()))


def _fitted(sums: Tensor) -> Tensor:
    """Return the weights (horizon, field, shell, 2) of sums (run, horizon, field, shell, 5)."""
    total, errors, offered = sums.sum(0), [], []
    for ridge in RIDGES:
        a, b = _solved(total - sums, ridge).unbind(-1)
        pp, ps, ss, tp, ts = sums.unbind(-1)
        left = a * a * pp + 2 * a * b * ps + b * b * ss - 2 * (a * tp + b * ts)
        errors.append(left.sum((0, 3)))
        offered.append(_solved(total, ridge))
    best = torch.stack(errors).argmin(0)[None, ..., None, None]
    stacked = torch.stack(offered)
    return stacked.gather(0, best.expand(1, *stacked.shape[1:]))[0]


def _solved(sums: Tensor, ridge: float) -> Tensor:
    """Return a and b, (..., 2), of the sums of products (..., 5)."""
    pp, ps, ss, tp, ts = sums.unbind(-1)
    matrix = torch.stack([torch.stack([pp, ps], -1), torch.stack([ps, ss], -1)], -2)
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    matrix = matrix + torch.diag_embed(ridge * diagonal + 1e-12)
    solved: Tensor = torch.linalg.solve(matrix, torch.stack([tp, ts], -1))
    return solved
