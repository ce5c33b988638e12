"""Models of dynamics compared at equal seconds: validation chooses for each horizon, or mixes them.

No model is best on every flow, nor at every horizon of one: products of stencils are far ahead
where a velocity carries the fields, a U-Net on fronts, and a linear filter after the phase is lost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood_pde.backbones import BilinearForecast, FNOForecast, SpectralForecast, UNetForecast
from scionwood_pde.evaluation.filters import HORIZON, fitted
from scionwood_pde.evaluation.horizons import STEPS, Model, calibrated, rolled
from scionwood_pde.evaluation.metrics import by_window, vrmse
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.model.forecast import Forecast

FILTER, MIXTURE, CALIBRATED = "filter", "mixture", ", calibrated"
NETWORKS: Mapping[str, Callable[..., Forecast]] = {
    "bilinear": BilinearForecast,
    "spectral": SpectralForecast,
    "unet": UNetForecast,
    "fno": FNOForecast,
}
RATES = (1e-3, 3e-3, 1e-2)
NEXT = 4
"""Every fourth pair of a trajectory is scored, since neighbours are alike."""

NOISE = 0.02
"""Standard deviation of the noise on the input, in units of the usual change."""

Predicted = tuple[Tensor, Tensor]
"""Of trajectories: the next state of every fourth one, and a rollout from the first."""


@final
@dataclass(frozen=True)
class Flow:
    """Normalised trajectories of one grid, (sample, time, field, *space) float32.

    Args:
        train: those on which candidates are trained.
        val: those that choose.
        modes: the modes of the grid.
        std: standard deviation of each field in its unit, which a projection needs.
        options: of all networks, such as `forced_axis` or `solenoidal`.
    """

    train: Tensor
    val: Tensor
    modes: Modes
    std: tuple[float, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def moves(self) -> tuple[int, ...]:
        """Axes along which training states are moved: periodic ones that no wave forces."""
        forced, axes = self.options.get("forced_axis"), enumerate(self.modes.periodic)
        dims = len(self.modes.sides)
        return tuple(axis - dims for axis, wraps in axes if wraps and "xyz"[axis] != forced)

    def untrained(self, make: Callable[..., Forecast], seed: int) -> Forecast:
        """Return a network for this flow, with its scales measured."""
        boundary = "periodic" if all(self.modes.periodic) else "edge"
        shape = {"fields": self.train.shape[2], "dims": len(self.modes.sides)}
        model = make(init_seed=seed, boundary=boundary, **shape, **self.options)
        model.measure([{"state": run[:-1], "next": run[1:]} for run in self.train], self.std)
        return model

    def pair(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a state and its next one, both moved alike along the axes of symmetry."""
        samples, times = self.train.shape[:2]
        place = int(torch.randint(samples * (times - 1), (), generator=generator))
        sample, at = divmod(place, times - 1)
        sides = [self.train.shape[axis] for axis in self.moves]
        moves = [int(torch.randint(side, (), generator=generator)) for side in sides]
        now, after = self.train[sample, at : at + 2, None].roll(moves, self.moves)
        return now, after


def trained(
    make: Callable[..., Forecast], flow: Flow, lr: float, seconds: float, seed: int = 0
) -> Forecast:
    """Train a network for CPU seconds; warm-up and cosine follow the time that was spent.

    Args:
        make: a backbone, such as `SpectralForecast`.
        flow: the trajectories.
        lr: the highest learning rate of AdamW.
        seconds: CPU seconds of this process.
        seed: seed of weights, samples and noise.
    """
    model = flow.untrained(make, seed)
    scale = model.scales.change.view(-1, *[1] * model.dims)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=0.0)
    generator, begin = torch.Generator().manual_seed(seed), time.process_time()
    while (share := (time.process_time() - begin) / seconds) < 1:
        warm = min(1.0, share / 0.05 + 0.02)
        optimizer.param_groups[0]["lr"] = lr * warm * 0.5 * (1 + math.cos(math.pi * share))
        now, after = flow.pair(generator)
        noise = NOISE * scale * torch.randn(now.shape, generator=generator)
        optimizer.zero_grad()
        ((model(now + noise) - after) / scale).square().mean().backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return model.eval()


@torch.no_grad()
def forecast(model: Model, states: Tensor, steps: int = STEPS) -> Predicted:
    """Return what a model predicts of trajectories (sample, time, field, *space)."""
    following = torch.stack([model(run) for run in states[:, :-1:NEXT]])
    count = min(steps, states.shape[1] - 1)
    return following, rolled(model, states[:, :1], count) if count else following[:, :0]


def filtered(flow: Flow) -> Callable[[Tensor], Predicted]:
    """Return the linear filter by shell and horizon, as a function from trajectories."""
    filters = fitted(list(flow.train), flow.modes, horizons=STEPS)

    def predict(states: Tensor) -> Predicted:
        steps = range(1, min(STEPS, states.shape[1] - 1) + 1)
        later = [filters.predict(HORIZON, states[:, 0], n).float() for n in steps]
        return filters.predict(HORIZON, states[:, :-1:NEXT]).float(), torch.stack(later, dim=1)

    return predict


def scores(predicted: Predicted, states: Tensor) -> dict[str, float]:
    """Return the VRMSE of the next state, and of rollouts by horizon."""
    following, steps = predicted
    errors = {"next": float(vrmse(following, states[:, 1::NEXT]).mean())}
    if steps.shape[1]:
        windows = by_window(vrmse(steps, states[:, 1 : 1 + steps.shape[1]]))
        errors |= {name: float(value.mean()) for name, value in windows.items() if name != "1"}
    return errors


@final
class Mixture:
    """A weighted sum of the changes that several models predict, as one model of dynamics.

    Args:
        models: the models, of the same fields; the cap is that of the first.
        weights: a weight for each.
    """

    history = 1

    def __init__(self, models: Sequence[Model], weights: Sequence[float]) -> None:
        self.models, self.weights = tuple(models), tuple(weights)
        self.fields, self.limited = models[0].fields, models[0].limited

    def __call__(self, x: Tensor) -> Tensor:
        """Return the next state."""
        changes = (w * (m(x) - x) for w, m in zip(self.weights, self.models, strict=True))
        return sum(changes, start=x)


def mixed(models: Sequence[Model], flow: Flow) -> Mixture:
    """Return the mixture of models whose weights fit the changes of the validation best."""
    now = flow.val[:, :-1:NEXT]
    changes = torch.stack([forecast(model, flow.val, 0)[0] - now for model in models])
    parts, target = changes.flatten(1).double(), (flow.val[:, 1::NEXT] - now).flatten().double()
    gram = parts @ parts.mT
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return Mixture(models, torch.linalg.solve(gram + ridge, parts @ target).tolist())


def searched(
    make: Callable[..., Forecast],
    flow: Flow,
    *,
    seconds: float = 20.0,
    search: float = 4.0,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> tuple[float, Forecast]:
    """Return the rate that the next state of the validation chooses, and a network trained with it.

    Args:
        make: a backbone.
        flow: the trajectories.
        seconds: CPU seconds of the training.
        search: CPU seconds for each rate, before that.
        rates: the rates.
        seed: seed of weights and samples.
    """
    errors = {}
    for rate in rates:
        model = trained(make, flow, rate, search, seed)
        errors[rate] = _finite(scores(forecast(model, flow.val, 0), flow.val)["next"])
    best = min(errors, key=errors.__getitem__)
    return best, trained(make, flow, best, seconds, seed)


def compared(
    flow: Flow, networks: Mapping[str, tuple[float, Forecast]], test: Tensor | None = None
) -> list[dict[str, str | float]]:
    """Return the errors of networks, of the linear filter and of a mixture, and the choice.

    Args:
        flow: the trajectories for training and validation.
        networks: a rate and the network trained with it, by name. Several make a `mixture`.
        test: trajectories that nothing is chosen on.

    Returns:
        A row for each horizon and candidate: its `rate`, its `weight` in the mixture, the VRMSE on
        `validation` and `test`, and `chosen`, which is `yes` once for each horizon.
    """
    splits = [flow.val] if test is None else [flow.val, test]
    scored: dict[str, list[dict[str, float]]] = {}
    filters = filtered(flow)
    scored[FILTER] = [scores(filters(states), states) for states in splits]
    models: dict[str, Model] = {name: model for name, (_, model) in networks.items()}
    weights: dict[str, float] = {}
    if len(models) > 1:
        mixture = mixed([*models.values()], flow)
        weights = dict(zip(models, mixture.weights, strict=True))
        models[MIXTURE] = mixture
    for name, model in models.items():
        horizons = calibrated(model, [*flow.train, *flow.val], flow.modes)
        scored[name], scored[name + CALIBRATED] = [], []
        for states in splits:
            following, steps = forecast(model, states)
            scored[name].append(scores((following, steps), states))
            parts = [horizons.apply(x, states[:, 0], n) for n, x in enumerate(steps.unbind(1), 1)]
            after = scores((following, torch.stack(parts, dim=1)), states)
            # The next state is that of the model itself.
            scored[name + CALIBRATED].append({h: e for h, e in after.items() if h != "next"})
    rows: list[dict[str, str | float]] = []
    for horizon in scored[FILTER][0]:
        lines = {name: errors for name, errors in scored.items() if horizon in errors[0]}
        best = min(lines, key=lambda name: _finite(lines[name][0][horizon]))
        for name, (validation, *others) in lines.items():
            rate, _ = networks.get(name.removesuffix(CALIBRATED), ("", None))
            row: dict[str, str | float] = {"horizon": horizon, "candidate": name, "rate": rate}
            row |= {"weight": weights.get(name, ""), "validation": validation[horizon]}
            row |= {"test": others[0][horizon]} if others else {}
            rows.append({**row, "chosen": "yes" if name == best else ""})
    return rows


def _finite(error: float) -> float:
    return error if math.isfinite(error) else math.inf
