"""Models of dynamics compared at equal seconds: validation chooses for each horizon, or mixes them.

No model is best on every flow, nor at every horizon of one: products of stencils are far ahead
where a velocity carries the fields, a U-Net on fronts, and a linear filter after the phase is lost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor, nn

from scionwood_pde.backbones import BilinearForecast, FNOForecast, SpectralForecast, UNetForecast
from scionwood_pde.evaluation.filters import HORIZON, fitted
from scionwood_pde.evaluation.horizons import STEPS, calibrated, rolled
from scionwood_pde.evaluation.metrics import by_window, vrmse
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.model.forecast import Forecast

FILTER, MIXTURE = "filter", "mixture"
NETWORKS: Mapping[str, Callable[..., Forecast]] = {
    "bilinear": BilinearForecast,
    "spectral": SpectralForecast,
    "unet": UNetForecast,
    "fno": FNOForecast,
}
CALIBRATED = ", calibrated"
RATES = (1e-3, 3e-3, 1e-2)
NEXT = 4
"""Every fourth pair of a trajectory is scored, since neighbours are alike."""

NOISE = 0.02
"""Standard deviation of the noise on the input, in units of the usual change."""


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
    def settings(self) -> dict[str, Any]:
        """The options of a network."""
        shape = {"fields": self.train.shape[2], "dims": self.train.ndim - 3}
        boundary = "periodic" if all(self.modes.periodic) else "edge"
        return {**shape, "boundary": boundary, **self.options}

    @cached_property
    def moves(self) -> tuple[int, ...]:
        """Axes along which training states are moved: periodic ones that no wave forces."""
        forced = self.options.get("forced_axis")
        dims = self.train.ndim - 3
        axes = (a for a in range(dims) if self.modes.periodic[a] and "xyz"[a] != forced)
        return tuple(axis - dims for axis in axes)


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
    model = make(init_seed=seed, **flow.settings)
    model.measure([{"state": run[:-1], "next": run[1:]} for run in flow.train], flow.std)
    scale = model.scales.change.view(-1, *[1] * model.dims)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=lr, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    begin = time.process_time()
    while (share := (time.process_time() - begin) / seconds) < 1:
        warm = min(1.0, share / 0.05 + 0.02)
        optimizer.param_groups[0]["lr"] = lr * warm * 0.5 * (1 + math.cos(math.pi * share))
        now, after = _pair(flow, generator)
        noise = torch.randn(now.shape, generator=generator)
        error = (model(now + NOISE * scale * noise) - after) / scale
        optimizer.zero_grad()
        error.square().mean().backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
    return model.eval()


def searched(
    make: Callable[..., Forecast],
    flow: Flow,
    *,
    rates: Sequence[float] = RATES,
    seconds: float = 4.0,
    seed: int = 0,
) -> float:
    """Return the rate of the least error of the next state on the validation trajectories."""
    errors = {}
    for lr in rates:
        error = scores(forecast(trained(make, flow, lr, seconds, seed), flow.val, 0), flow.val)
        errors[lr] = error["next"] if math.isfinite(error["next"]) else math.inf
    return min(errors, key=errors.__getitem__)


def _pair(flow: Flow, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a state and its next one, both moved alike along the axes of symmetry."""
    samples, times = flow.train.shape[:2]
    sample, at = divmod(
        int(torch.randint(samples * (times - 1), (), generator=generator)), times - 1
    )
    sides = [flow.train.shape[axis] for axis in flow.moves]
    moves = [int(torch.randint(side, (), generator=generator)) for side in sides]
    pair = flow.train[sample, at : at + 2, None].roll(moves, flow.moves)
    return pair[0], pair[1]


@final
@dataclass(frozen=True)
class Predicted:
    """Predictions of a split: `next` of every fourth state, and `steps` of rollouts from the first.

    Shapes: (sample, time, field, *space), normalised.
    """

    next: Tensor
    steps: Tensor


@torch.no_grad()
def forecast(model: Any, states: Tensor, steps: int = STEPS) -> Predicted:
    """Return what a model predicts of trajectories (sample, time, field, *space)."""
    now = states[:, :-1:NEXT]
    following = torch.stack([model(run) for run in now])
    count = min(steps, states.shape[1] - 1)
    later = rolled(model, states[:, :1], count) if count else following[:, :0]
    return Predicted(following, later)


def filtered(flow: Flow) -> Callable[[Tensor], Predicted]:
    """Return the linear filter by shell and horizon, as a function from trajectories."""
    filters = fitted(list(flow.train), flow.modes, horizons=STEPS)

    def predict(states: Tensor) -> Predicted:
        following = filters.predict(HORIZON, states[:, :-1:NEXT]).float()
        count = min(STEPS, states.shape[1] - 1)
        later = [filters.predict(HORIZON, states[:, 0], n + 1).float() for n in range(count)]
        return Predicted(following, torch.stack(later, dim=1))

    return predict


def calibration(model: Any, flow: Flow) -> Callable[[Predicted, Tensor], Predicted]:
    """Return the calibration of rollouts, fitted on training and validation."""
    horizons = calibrated(model, [*flow.train, *flow.val], flow.modes)

    def apply(predicted: Predicted, states: Tensor) -> Predicted:
        steps = [horizons.apply(x, states[:, 0], n + 1) for n, x in _steps(predicted)]
        return Predicted(predicted.next, torch.stack(steps, dim=1))

    return apply


def _steps(predicted: Predicted) -> Iterator[tuple[int, Tensor]]:
    yield from enumerate(predicted.steps.unbind(1))


def scores(predicted: Predicted, states: Tensor) -> dict[str, float]:
    """Return the VRMSE of the next state, and of rollouts by horizon."""
    errors = {"next": float(vrmse(predicted.next, states[:, 1::NEXT]).mean())}
    if predicted.steps.shape[1]:
        truth = states[:, 1 : 1 + predicted.steps.shape[1]]
        windows = by_window(vrmse(predicted.steps, truth))
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

    def __init__(self, models: Sequence[Forecast], weights: Sequence[float]) -> None:
        self.models, self.weights = tuple(models), tuple(weights)
        self.fields, self.limited = models[0].fields, models[0].limited

    def __call__(self, x: Tensor) -> Tensor:
        """Return the next state."""
        changes = (w * (m(x) - x) for w, m in zip(self.weights, self.models, strict=True))
        return sum(changes, start=x)


def mixed(models: Sequence[Forecast], flow: Flow) -> Mixture:
    """Return the mixture of models whose weights fit the changes of the validation best."""
    now = flow.val[:, :-1:NEXT]
    changes = [forecast(model, flow.val, 0).next - now for model in models]
    parts = torch.stack(changes).flatten(1).double()
    target = (flow.val[:, 1::NEXT] - now).flatten().double()
    gram = parts @ parts.mT
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return Mixture(models, torch.linalg.solve(gram + ridge, parts @ target).tolist())


def compared(
    flow: Flow,
    test: Tensor | None = None,
    names: Sequence[str] = (FILTER, *NETWORKS),
    *,
    seconds: float = 20.0,
    search: float = 4.0,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> list[dict[str, str | float]]:
    """Train candidates, and return their errors with the choice of the validation.

    Args:
        flow: the trajectories for training and validation.
        test: trajectories that nothing is chosen on.
        names: the candidates, `filter` or of `NETWORKS`. Several networks also make a `mixture`.
        seconds: CPU seconds of each network.
        search: CPU seconds for each rate of a network.
        rates: the rates that validation chooses from.
        seed: seed of weights and samples.

    Returns:
        A row for each horizon and candidate: its `rate`, its `weight` in the mixture, the VRMSE on
        `validation` and `test`, and `chosen`, which is `yes` once for each horizon.
    """
    made: dict[str, list[dict[str, float]]] = {}
    models: dict[str, Forecast] = {}
    chosen_rates: dict[str, float] = {}
    splits = [flow.val] if test is None else [flow.val, test]

    def add(name: str, model: Any) -> None:
        calibrate = calibration(model, flow)
        predicted = [forecast(model, states) for states in splits]
        made[name] = [scores(*pair) for pair in zip(predicted, splits, strict=True)]
        after = [calibrate(*pair) for pair in zip(predicted, splits, strict=True)]
        made[name + CALIBRATED] = [scores(*pair) for pair in zip(after, splits, strict=True)]

    for name in names:
        if name == FILTER:
            predict = filtered(flow)
            made[name] = [scores(predict(states), states) for states in splits]
            continue
        make = NETWORKS[name]
        rate = searched(make, flow, rates=rates, seconds=search, seed=seed)
        chosen_rates[name], models[name] = rate, trained(make, flow, rate, seconds, seed)
        add(name, models[name])
    weights: dict[str, float] = {}
    if len(models) > 1:
        mixture = mixed(list(models.values()), flow)
        weights = dict(zip(models, mixture.weights, strict=True))
        add(MIXTURE, mixture)
    rows: list[dict[str, str | float]] = []
    for horizon in next(iter(made.values()))[0]:
        # The next state of a calibrated rollout is that of the rollout: the model itself stands.
        lines = {n: e for n, e in made.items() if horizon != "next" or CALIBRATED not in n}
        best = min(lines, key=lambda name: _finite(lines[name][0][horizon]))
        for name, errors in lines.items():
            of = name.removesuffix(CALIBRATED)
            row: dict[str, str | float] = {"horizon": horizon, "candidate": name}
            row |= {"rate": chosen_rates.get(of, ""), "weight": weights.get(name, "")}
            row |= {"validation": errors[0][horizon]}
            row |= {} if test is None else {"test": errors[1][horizon]}
            rows.append({**row, "chosen": "yes" if name == best else ""})
    return rows


def _finite(error: float) -> float:
    return error if math.isfinite(error) else math.inf
