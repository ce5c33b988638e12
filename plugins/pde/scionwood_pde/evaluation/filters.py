"""Linear filters that predict a state: the baselines by which a network's skill is measured.

All of them are least-squares fits on trajectories of the training split. Each multiplies the modes
of a state, less their mean, by factors:

- `persistence`: 1, without any mean, so that nothing changes;
- `damped`: one factor for each field;
- `shell`: one factor for each field and shell of wavenumbers, the Wiener filter;
- `mode`: one complex factor for each field and mode, pulled to that of the shell by a ridge;
- `shell by horizon`: as `shell`, but fitted for each number of steps instead of repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.evaluation.modes import Modes

PERSISTENCE, HORIZON = "persistence", "shell by horizon"
FILTERS = (PERSISTENCE, "damped", "shell", "mode", HORIZON)
"""The names of the filters."""

RIDGES = (0.0, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e6)
"""Offered ridges, relative to a shell's mean power; one half of the trajectories chooses."""

LIMIT = 1 << 30
"""Most bytes of modes of one trajectory that are in memory at once."""


class Trajectories(Protocol):
    """Trajectories that are loaded when they are used, such as a list of tensors."""

    def __len__(self) -> int:
        """Return the number of trajectories."""

    def __getitem__(self, index: int, /) -> Tensor:
        """Return one trajectory, (time, channel, *space)."""


@final
@dataclass(frozen=True)
class Filters:
    """Fitted filters of one grid and one time step; `fitted` makes them.

    Args:
        modes: the modes of the grid.
        before: (channel, *space) the mean that is subtracted from the modes of a state.
        after: (channel, *space) the mean that is added to those of the state one step later.
        factors: the factors of one step by the name of the filter, each (channel, *space) or with
            1 in place of a side.
        horizons: (horizon, channel, *space) the factors of `shell by horizon`, from one step on.
    """

    modes: Modes
    before: Tensor
    after: Tensor
    factors: Mapping[str, Tensor]
    horizons: Tensor

    def predict(self, name: str, states: Tensor, steps: int = 1) -> Tensor:
        """Predict states.

        A factor above 1 in magnitude is held at 1 from the second step on, so that no noise grows.

        Args:
            name: one of `FILTERS`.
            states: (..., channel, *space).
            steps: steps from these states to the predicted ones.

        Returns:
            The same shape, float64.

        Raises:
            ValueError: there is no such filter.
        """
        if name not in FILTERS:
            raise ValueError(f"filter {name!r}: known are {', '.join(FILTERS)}. Choose one")
        if name == PERSISTENCE:
            return states.double()
        z = self.modes.forward(states)
        if name == HORIZON:
            step = min(steps, len(self.horizons)) - 1
            return self.modes.inverse(self.after + self.horizons[step] * (z - self.before))
        factor = self.factors[name]
        z = self.after + factor * (z - self.before)
        # A fitted factor slightly above 1 would grow like its power over a long rollout.
        bounded_factor = factor / factor.abs().clamp(min=1)
        for _ in range(steps - 1):
            z = self.after + bounded_factor * (z - self.before)
        return self.modes.inverse(z)


def fitted(
    trajectories: Trajectories, modes: Modes, *, stride: int = 1, horizons: int = 30
) -> Filters:
    """Fit the filters on the trajectories of a training split.

    The mean state is an average over trajectories. Each of its modes is shrunk towards zero, by as
    much as the means of single trajectories scatter.

    Args:
        trajectories: the trajectories of the training split, of equal time steps.
        modes: the modes of their grid.
        stride: stored times in a step.
        horizons: most steps for which `shell by horizon` is fitted.

    Raises:
        RecipeError: there is no pair of states.

    Example:
        >>> states = torch.randn(1, 8, 8, dtype=torch.float64)
        >>> run = torch.stack([states * 0.5**i for i in range(4)])
        >>> filters = fitted([run], Modes((8, 8), (True, True)))
        >>> torch.allclose(filters.predict("damped", run[0], steps=2), run[2])
        True

    Source: Wiener 1949, Extrapolation, Interpolation and Smoothing of Stationary Time Series; the
        shrinkage is the positive part of James and Stein 1961.
    """
    before, after = _means(trajectories, modes, stride)
    halves = [_Sums(modes, len(before)) for _ in range(2)]
    horizon_sums: list[tuple[Tensor, Tensor]] = []
    for number in range(len(trajectories)):
        for part, z in enumerate(_chunks(trajectories, number, modes, stride)):
            half = number % 2 if len(trajectories) > 1 else part
            for pair_sums, z_part in zip(halves, _divided(z, half, len(trajectories)), strict=True):
                pair_sums.add(z_part[:-1] - before, z_part[1:] - after)
            _add_horizons(horizon_sums, z, before, after, modes, horizons)
    products, powers = (sum((h.total(n) for h in halves), start=0.0 * before) for n in (0, 1))
    power = powers.real
    damped = _ratio(products.real.flatten(1).sum(1), power.flatten(1).sum(1))
    shell = _shell_factors(products.real, power, modes)
    factors = {
        "damped": damped.reshape(-1, *[1] * len(modes.sides)),
        "shell": shell,
        "mode": _mode_factors(halves, modes),
    }
    by_horizon = [_ratio(*pair)[:, modes.shells] for pair in horizon_sums]
    return Filters(modes, before, after, factors, torch.stack(by_horizon))


@final
class _Sums:
    """Sums over pairs: conj(x) y and |x|^2 of each mode."""

    def __init__(self, modes: Modes, channels: int) -> None:
        self.sums = torch.zeros(2, channels, *modes.sides, dtype=torch.complex128)

    def add(self, x: Tensor, y: Tensor) -> None:
        """Add pairs of modes, each (pair, channel, *space)."""
        self.sums[0] += (x.conj() * y).sum(0)
        self.sums[1] += x.abs().square().sum(0)

    def total(self, which: int) -> Tensor:
        """Return the sum of the products (0) or of the powers (1)."""
        return self.sums[which]


def _chunks(trajectories: Trajectories, number: int, modes: Modes, stride: int) -> Iterator[Tensor]:
    """Yield the modes of a trajectory in parts of two frames or more; neighbours share a frame."""
    frames = trajectories[number][::stride]
    chunk_size = max(2, LIMIT // max(1, 16 * frames[0].numel()))
    for start in range(0, max(len(frames) - 1, 1), chunk_size - 1):
        yield modes.forward(torch.nan_to_num(frames[start : start + chunk_size]))


def _divided(z: Tensor, half: int, trajectories: int) -> tuple[Tensor, Tensor]:
    """Return the frames for each of two halves, by trajectory, or by time if there is only one."""
    if trajectories == 1:
        middle = len(z) // 2
        # The halves share a frame, so that no pair of neighbours is lost.
        return z[: middle + 1], z[middle:]
    return (z, z[:1]) if half == 0 else (z[:1], z)


def _means(trajectories: Trajectories, modes: Modes, stride: int) -> tuple[Tensor, Tensor]:
    """Return the shrunken mean modes of the first and of the second states of all pairs."""
    first, second, trajectory_means = [], [], []
    for number in range(len(trajectories)):
        frames = torch.nan_to_num(trajectories[number][::stride].double())
        if len(frames) > 1:
            first.append(frames[:-1].mean(0))
            second.append(frames[1:].mean(0))
            trajectory_means.append(modes.forward(frames.mean(0)))
    if not trajectory_means:
        rule = "a filter is fitted on pairs of states, and there is none"
        remedy = "Name training states with two times or more"
        raise RecipeError(f"{len(trajectories)} trajectories", rule, remedy)
    shrink_factor = _shrinkage(torch.stack(trajectory_means))
    before, after = (modes.forward(torch.stack(means).mean(0)) for means in (first, second))
    return shrink_factor * before, shrink_factor * after


def _shrinkage(means: Tensor) -> Tensor:
    """Return the factor, 0 to 1, of each mode of the mean of (trajectory, channel, *space)."""
    count, mean = len(means), means.mean(0)
    if count == 1:  # nothing tells how much it scatters: keep the constant mode only
        factor = torch.zeros_like(mean.real)
        factor.flatten(1)[:, 0] = 1
        return factor
    scatter = (means - mean).abs().square().sum(0) / (count - 1)
    power = mean.abs().square()
    # 1 - (variance of the mean) / |mean|^2, positive part: a mean that scatter explains becomes 0.
    return (1 - scatter / count / power.clamp(min=1e-300)).clamp(min=0)


def _shell_factors(products: Tensor, power: Tensor, modes: Modes) -> Tensor:
    return _ratio(modes.by_shell(products), modes.by_shell(power))[:, modes.shells]


def _mode_factors(halves: list[_Sums], modes: Modes) -> Tensor:
    """Return one factor for each mode, with the ridge that predicts one half from the other."""
    errors = torch.stack(
        [
            sum(
                (
                    _left(_ridged(halves[:i] + halves[i + 1 :], modes, ridge), halves[i])
                    for i in range(2)
                ),
                start=torch.zeros(len(halves[0].sums[0]), dtype=torch.float64),
            )
            for ridge in RIDGES
        ]
    )
    best = errors.argmin(0).tolist()
    return torch.stack([_ridged(halves, modes, RIDGES[r])[c] for c, r in enumerate(best)])


def _ridged(halves: list[_Sums], modes: Modes, ridge: float) -> Tensor:
    """Return the factor of each mode, pulled to that of its shell."""
    products = sum((h.total(0) for h in halves), start=torch.zeros_like(halves[0].total(0)))
    power = sum((h.total(1).real for h in halves), start=torch.zeros_like(products.real))
    shell = _shell_factors(products.real, power, modes)
    counts = modes.by_shell(torch.ones_like(power))
    pull = ridge * (modes.by_shell(power) / counts.clamp(min=1))[:, modes.shells]
    # Ridge regression around the shell's factor: min |y - a x|^2 + pull |a - shell|^2.
    return _ratio(products + pull * shell, power + pull, otherwise=shell)


def _left(factors: Tensor, half: _Sums) -> Tensor:
    """Return the squared error that factors leave on a half, less what all factors share."""
    products, power = half.total(0), half.total(1).real
    # |y - a x|^2 = |a|^2 |x|^2 - 2 Re(conj(a) conj(x) y) + |y|^2; the last term is the same for all
    # a.
    left = factors.abs().square() * power - 2 * (factors.conj() * products).real
    return left.flatten(1).sum(1)


def _add_horizons(
    sums: list[tuple[Tensor, Tensor]],
    z: Tensor,
    before: Tensor,
    after: Tensor,
    modes: Modes,
    max_steps: int,
) -> None:
    """Add the products and powers by shell of all pairs of frames, for each number of steps."""
    for step in range(1, min(max_steps, len(z) - 1) + 1):
        x, y = z[:-step] - before, z[step:] - after
        pair = [(x.conj() * y).real.sum(0), x.abs().square().sum(0)]
        products, power = (modes.by_shell(product) for product in pair)
        if step > len(sums):
            sums.append((products, power))
        else:
            sums[step - 1] = (sums[step - 1][0] + products, sums[step - 1][1] + power)


def _ratio(above: Tensor, below: Tensor, otherwise: Tensor | float = 0.0) -> Tensor:
    """Return a quotient, or another value where the divisor is as small as rounding."""
    # 1e-26 of a power is (1e-13)^2: amplitudes at the rounding of float64.
    floor = 1e-26 * below.flatten(1).sum(1) if below.ndim > 1 else below.new_zeros(len(below))
    small = below <= floor.reshape(-1, *[1] * (below.ndim - 1))
    return torch.where(small, otherwise, above / torch.where(small, 1, below))
