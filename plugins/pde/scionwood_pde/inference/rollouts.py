"""Predict later states from first ones, one step after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor

from scionwood import RecipeError, WriteError
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation.horizons import Horizons
from scionwood_pde.inference.states import fitting, in_memory, tensor_of
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.regions import Put
from scionwood_pde.readers.states import labelled, layout_of

CLOSE = 1e-3
"""Largest relative difference between the times of a file and the steps of a run."""

FAR = 3
"""Standard deviations beyond which a condition is far from the training; evenly drawn ones reach
1.7."""


@torch.no_grad()
def rollout(
    step: Callable[..., Tensor],
    states: xr.DataArray,
    n_steps: int,
    *,
    normaliser: Normaliser,
    conditions: Mapping[str, ArrayLike] | None = None,
    solids: bool = False,
    put: Put | None = None,
    horizons: Horizons | None = None,
    device: str = "cpu",
) -> xr.DataArray | None:
    """Predict states one after another, each from the previous one, or from several of them.

    A model that sees several frames gets as many from `states`. A model with a cap of the energy in
    each shell of wavenumbers is held to it after each step.

    Args:
        step: a function from a normalised state, (1, channel, *space), to the next one; or a model
            with a `history`, which maps (1, frame * channel, *space).
        states: states whose first times are the start for each sample.
        n_steps: number of steps to predict.
        normaliser: the normaliser of the fields. Its interval is the time of a step; without one,
            the time between `states` is.
        conditions: numbers that the model needs by name, one or one of each sample, in their units,
            except `dt`, which is the time of a step.
        solids: NaN in a first state marks solid points, which stay NaN; the model sees the mean of
            the field there.
        put: stores a field of a state; then memory holds one state and those that the model sees.
            `None` means that all states are collected in memory.
        horizons: the calibration of the run. It changes what is returned, and not the states from
            which the rollout goes on.
        device: where to compute.

    Returns:
        The starts and the predictions in memory, or `None` if `put` stored them.

    Raises:
        RecipeError: the sides do not fit the model, the time of a step is unknown, a condition is
            missing or unknown, there are too few frames for the history, or a first state holds NaN
            and `solids` is false.
        WriteError: a prediction is not finite.
    """
    history = int(getattr(step, "history", 1))
    input_layout = layout_of(states)
    layout = predicted_layout(input_layout, n_steps, normaliser, history)
    numbers = _conditions(step, conditions or {}, layout, device)
    places = _places(input_layout, layout.times[:history])
    predicted, store = (None, put) if put is not None else in_memory(layout)
    for sample in range(layout.samples):
        frames = [
            _scaled(normaliser.apply, tensor_of(states[sample, i], device)).float() for i in places
        ]
        solid = torch.stack(frames).isnan().any(0)
        if not solids and bool(solid.any()):
            rule = "it holds NaN, and the run was not trained with solid points"
            raise RecipeError(f"sample {sample}", rule, "Train with `solids`, or fill it")
        for time, place in enumerate(places):
            _store(store, (sample, time), states[sample, place].values)
        frames = [frame.masked_fill(solid, 0) for frame in frames]
        start = frames[-1]
        for time in range(history, len(layout.times)):
            numbers_of_sample = numbers if numbers is None else numbers[sample : sample + 1]
            state = _next(step, frames, numbers_of_sample).masked_fill(solid, 0)
            if not bool(state.isfinite().all()):
                rule = f"step {time - history + 1} of sample {sample} is not finite"
                raise WriteError("rollout", rule, "Take fewer steps, or train longer")
            frames = [*frames[1:], state]
            # The mean may be much larger than the field: the sum in single precision would lose the
            # field.
            if horizons is not None:
                state = horizons.apply(state, start, time - history + 1)
            precise = state.double() if layout.dtype == np.float64 else state
            visible = _scaled(normaliser.undo, precise).masked_fill(solid, torch.nan)
            _store(store, (sample, time), visible[0].cpu().numpy())
    return None if predicted is None else labelled(predicted, layout)


def predicted_layout(
    layout: Layout, n_steps: int, normaliser: Normaliser, history: int = 1
) -> Layout:
    """Return the layout of a rollout: that of the first states, with the times of the steps.

    Args:
        layout: the layout of the first states.
        n_steps: number of steps to predict.
        normaliser: see `rollout`.
        history: first states that the model sees.

    Raises:
        RecipeError: the time of a step is unknown.
    """
    return replace(layout, times=_times(layout, n_steps + history - 1, normaliser.interval))


def _scaled(scale: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    """Apply the scale of volumes to a state (batch, field, *space) of any dimension."""
    return scale(state.flatten(2)[..., None, None]).reshape(state.shape)


def _store(put: Put, place: tuple[int, int], state: np.ndarray) -> None:
    """Store the fields of a state (channel, *space)."""
    for number, field in enumerate(state):
        put(*place, number, (slice(None),) * field.ndim, field)


def _next(step: Any, frames: list[Tensor], numbers: Tensor | None) -> Tensor:
    """Return the next state, held to the model's cap if it has one."""
    extra = () if numbers is None else (numbers,)
    state = fitting(lambda x: step(x, *extra), torch.cat(frames, dim=1))
    limited: Callable[[Tensor], Tensor] | None = getattr(step, "limited", None)
    return state if limited is None else limited(state)


def _conditions(
    step: Any, condition_values: Mapping[str, ArrayLike], layout: Layout, device: str
) -> Tensor | None:
    """Return the conditions of a model, (sample, condition), or `None` if it has none.

    Raises:
        RecipeError: a condition is missing, is not one number or one of each sample, or the model
            has none of that name.
    """
    names = tuple(getattr(step, "conditions", ()))
    numbers = {"dt": float(layout.times[1] - layout.times[0]), **condition_values}
    unknown = sorted(condition_values.keys() - set(names))
    lacking = [name for name in names if name not in numbers]
    if unknown or lacking:
        rule = f"the run was trained with {', '.join(names) or 'no conditions'}"
        value = f"condition {(unknown or lacking)[0]!r}"
        raise RecipeError(value, rule, "Give these by name; `dt` is known")
    rows = []
    for name in names:
        values = np.asarray(numbers[name], np.float32)
        if values.shape not in ((), (layout.samples,)) or not np.isfinite(values).all():
            rule = f"it is one finite number, or one of each of the {layout.samples} samples"
            raise RecipeError(f"condition {name!r}: {values}", rule, "Correct it")
        rows.append(np.broadcast_to(values, layout.samples))
    return torch.tensor(np.stack(rows, axis=1), device=device) if rows else None


def beyond_training(step: Any, condition_values: Mapping[str, ArrayLike]) -> list[str]:
    """Return a warning for each condition that is far from those of the training.

    Far is more than `FAR` standard deviations from the mean, or any other value where the training
    had one only.

    Args:
        step: the model; one without scales has no such numbers.
        condition_values: conditions by name, in their units.
    """
    scales: Any = getattr(step, "scales", None)
    far: list[str] = []
    if scales is None:
        return far
    for place, name in enumerate(step.conditions):
        values = np.asarray(condition_values.get(name, ()), np.float64)
        mean, std = float(scales.mean_condition[place]), float(scales.std_condition[place])
        limit = 1e-3 * abs(mean) if std == 1 else FAR * std  # a constant has the deviation 1
        if values.size and np.abs(values - mean).max() > limit:
            spread = "alone" if std == 1 else f"with a deviation of {std:.3g}"
            worst = values.flat[int(np.abs(values - mean).argmax())]
            far.append(f"{name} is {worst:.4g}, and the training had {mean:.4g} {spread}")
    return far


def _places(layout: Layout, times: np.ndarray) -> list[int]:
    """Return the places of the first frames in the file.

    Raises:
        RecipeError: the file has no state at one of the times.
    """
    places = [int(np.abs(layout.times - time).argmin()) for time in times]
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    far = [t for i, t in zip(places, times, strict=True) if abs(layout.times[i] - t) > CLOSE * step]
    if far:
        rule = f"the model sees {len(times)} frames, {step:g} {layout.units['time']} apart"
        remedy = "Give as many first states"
        raise RecipeError(f"no state at time {far[0]:g}", rule, remedy)
    return places


def steps_of(layout: Layout, normaliser: Normaliser, steps: int | None, history: int = 1) -> int:
    """Return the number of steps to predict.

    Args:
        layout: layout of the file with the first states.
        normaliser: normaliser of the run, with the time of a step if it is known.
        steps: the number that was requested. `None` means as many as the file has after its first
            times.
        history: first states that the model sees.

    Raises:
        RecipeError: the number is not positive, or the times of the file do not fit the steps of
            the run.
    """
    stride, interval = 1.0, float(np.diff(layout.times[:2]).sum())
    if normaliser.interval is not None and interval and steps is None:
        stride = normaliser.interval / interval
        if stride < 0.5 or abs(stride - round(stride)) > CLOSE * stride:
            value = f"times {interval:g} {layout.units['time']} apart"
            rule = f"the run steps by {normaliser.interval:g} {normaliser.time_unit}"
            raise RecipeError(value, rule, "Set --steps, or simulate such times")
    count = (len(layout.times) - 1) // round(stride) - history + 1 if steps is None else steps
    if count < 1:
        raise RecipeError(f"{count} steps", "a rollout has one or more", "Set --steps")
    return count


def _times(layout: Layout, n_steps: int, interval: float | None) -> np.ndarray:
    """Return the times of the start and the predictions, continued evenly beyond the file."""
    if interval is None and len(layout.times) < 2:
        rule = "neither the file nor the run has the time of a step"
        raise RecipeError(f"{n_steps} steps", rule, "Use a file with two times or more")
    if interval is not None:
        times: np.ndarray = layout.times[0] + interval * np.arange(n_steps + 1)
        return times
    file_times = layout.times[: n_steps + 1]
    more = np.arange(1, n_steps + 2 - len(file_times)) * (layout.times[-1] - layout.times[-2])
    return np.concatenate([file_times, file_times[-1] + more])
