"""Probes of models of fields: states whose successor or reconstruction is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scionwood import Task
from scionwood.authoring import ProbeResult
from scionwood_pde.data.normaliser import FILE, Normaliser

REST_REASON = "a state at rest stays at rest; 0.1 is a tenth of the usual deviation of a field"
UNIFORM = "what is equal everywhere has no gradient, so that nothing can make it uneven"
SUMS = "in a periodic box the equations only move what is there; 0.1 of a deviation is made up"
SHIFT = "the equations are the same everywhere in a periodic box"
MIRROR = "a mirrored vector field has the mirrored successor, and half of the change is 3 dB"
STD = "generated states have about the unit variance of the training states"
DIFFER = "other noise gives another state; a generator that collapses gives one"

Step = Callable[[Tensor], Tensor]


@torch.no_grad()
def dynamics(task: Task, folder: Path | None = None) -> list[ProbeResult]:
    """Probe a model of dynamics: rest, a uniform state, conserved sums, and symmetry.

    Shapes: states of the model, (1, frame * field, space...), float32.

    Units: each field has about zero mean and unit variance; values are in such deviations, or
        shares of the change.

    Args:
        task: a task of this plugin whose model maps a state to the next one.
        folder: the run folder, whose normaliser says what rest is; zero without it.

    Returns:
        Four results, or five for a vector field in three dimensions.

    Example:
        >>> from scionwood_pde.evaluation.behaviour import dynamics
        >>> [probe.name for probe in dynamics(scionwood.load_run("pde/dynamics"))]
        ['rest', 'uniform state', 'conserved sums', 'shift', 'mirror']
    """
    step, like = _step(task)
    fields = int(getattr(task.backbone, "fields", like.shape[1]))
    rest_state = _rest_state(folder, fields, like)
    state = _smooth(like)
    predicted = step(state)
    last = state[:, -predicted.shape[1] :]
    change = predicted - last
    probes = [
        ProbeResult(
            "rest",
            _rms(step(rest_state) - rest_state[:, -predicted.shape[1] :]),
            most=0.1,
            reason=REST_REASON,
        ),
        ProbeResult(
            "uniform state", _uneven(step(torch.full_like(like, 0.5))), most=0.1, reason=UNIFORM
        ),
        ProbeResult("conserved sums", _drift(predicted, last), most=0.1, reason=SUMS),
        ProbeResult("shift", _shifted(step, state, predicted, change), most=0.1, reason=SHIFT),
    ]
    if fields == predicted.ndim - 2 == predicted.shape[1] == state.shape[1]:
        probes.append(
            ProbeResult(
                "mirror", _mirrored(step, state, predicted, change), most=0.5, reason=MIRROR
            )
        )
    return probes


@torch.no_grad()
def autoencode(task: Task, folder: Path | None = None) -> list[ProbeResult]:
    """Probe an autoencoder: rest, a uniform state, sums, and symmetry; see `dynamics`.

    Units: as in `dynamics`.

    Args:
        task: a task of this plugin whose model reconstructs a state.
        folder: the run folder, whose normaliser says what rest is; zero without it.

    Returns:
        Four results.
    """
    step, like = _step(task)
    state = _smooth(like)
    reconstructed, rest_state = step(state), _rest_state(folder, like.shape[1], like)
    return [
        ProbeResult("rest", _rms(step(rest_state) - rest_state), most=0.1, reason=REST_REASON),
        ProbeResult(
            "uniform state", _uneven(step(torch.full_like(like, 0.5))), most=0.1, reason=UNIFORM
        ),
        ProbeResult("conserved sums", _drift(reconstructed, state), most=0.1, reason=SUMS),
        ProbeResult(
            "shift", _shifted(step, state, reconstructed, reconstructed), most=0.1, reason=SHIFT
        ),
    ]


@torch.no_grad()
def generate(task: Task, folder: Path | None = None) -> list[ProbeResult]:
    """Probe a generator: the variance of its states, and whether other noise gives others.

    Units: each field has about zero mean and unit variance.

    Args:
        task: a task of this plugin whose model maps noise to states.
        folder: the run folder, which these probes do not need.

    Returns:
        Two results.
    """
    step, like = _step(task)
    random = torch.Generator().manual_seed(0)
    one, two = (step(torch.randn(like.shape, generator=random)) for _ in range(2))
    std = float(one.std())
    return [
        ProbeResult("deviation of a state", std, least=0.5, most=2.0, reason=STD),
        ProbeResult(
            "two states differ", _rms(one - two) / max(std, 1e-9), least=0.5, reason=DIFFER
        ),
    ]


def _step(task: Task) -> tuple[Step, Tensor]:
    """Return the model as a function of one state, and a state of the right shape."""
    backbone: Any = task.backbone
    like, *extra = (tensor[:1].to(task.device) for tensor in backbone.example_input())

    def step(state: Tensor) -> Tensor:
        output: Tensor = backbone(state.to(task.device), *extra)
        return output.float().cpu()

    return step, like.float().cpu()


def _rest_state(folder: Path | None, fields: int, like: Tensor) -> Tensor:
    """Return the state whose fields are all zero before they are normalised."""
    rest_state = torch.zeros_like(like)
    if folder is None or not (folder / FILE).is_file():
        return rest_state
    normaliser = Normaliser.read(folder)
    if normaliser is None or len(normaliser.mean) != fields:
        return rest_state
    zero = torch.tensor([-m / s for m, s in zip(normaliser.mean, normaliser.std, strict=True)])
    zero = zero.repeat(like.shape[1] // fields).view(1, -1, *[1] * (like.ndim - 2))
    return rest_state + zero


def _smooth(like: Tensor) -> Tensor:
    """Return seeded waves with one to three periods along each axis, of unit variance."""
    random = torch.Generator().manual_seed(0)
    state = torch.zeros_like(like)
    axes = [torch.arange(n) * (2 * torch.pi / n) for n in like.shape[2:]]
    grid = torch.meshgrid(*axes, indexing="ij")
    for channel in range(like.shape[1]):
        for _ in range(6):
            waves = torch.randint(-3, 4, (len(grid),), generator=random)
            phase = 2 * torch.pi * torch.rand((), generator=random)
            angle = sum((k * x for k, x in zip(waves, grid, strict=True)), phase)
            state[0, channel] += torch.sin(torch.as_tensor(angle))
    mean = state.mean(tuple(range(2, state.ndim)), keepdim=True)
    return (state - mean) / state.std()


def _uneven(predicted: Tensor) -> float:
    return float(predicted.flatten(2).std(-1).max())


def _drift(predicted: Tensor, before: Tensor) -> float:
    if predicted.shape != before.shape:
        return 0.0
    return float((predicted.flatten(2).mean(-1) - before.flatten(2).mean(-1)).abs().max())


def _shifted(step: Step, state: Tensor, predicted: Tensor, change: Tensor) -> float:
    """Return the error of a shift by a quarter of the first axis, relative to the change."""
    by = state.shape[2] // 4
    return _rms(step(state.roll(by, 2)).roll(-by, 2) - predicted) / max(_rms(change), 1e-9)


def _mirrored(step: Step, state: Tensor, predicted: Tensor, change: Tensor) -> float:
    """Return the error of a mirror along the first axis, relative to the change."""

    def mirror(x: Tensor) -> Tensor:
        sign = torch.ones(x.shape[1])
        sign[0] = -1
        return x.flip(2) * sign.view(1, -1, *[1] * (x.ndim - 2))

    return _rms(mirror(step(mirror(state))) - predicted) / max(_rms(change), 1e-9)


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())
