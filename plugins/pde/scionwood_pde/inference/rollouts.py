"""Predict later states from first ones, one step after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
import torch
import xarray as xr
from dask.delayed import delayed
from numpy.typing import ArrayLike
from torch import Tensor

from scionwood import RecipeError, WriteError
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation.horizons import Horizons
from scionwood_pde.inference.states import fitting
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import DASK, chunked, labelled, layout_of

CLOSE = 1e-3
"""Largest relative difference between the times of a file and the steps of a run."""

FAR = 3
"""Standard deviations beyond which a condition is far from the training; evenly drawn ones reach
1.7."""


def rollout(
    step: Callable[..., Tensor],
    states: xr.DataArray,
    n_steps: int,
    *,
    normaliser: Normaliser,
    conditions: Mapping[str, ArrayLike] | None = None,
    solids: bool = False,
    horizons: Horizons | None = None,
    device: str = "cpu",
) -> xr.DataArray:
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
        horizons: the calibration of the run. It changes what is returned, and not the states from
            which the rollout goes on.
        device: where to compute.

    Returns:
        The starts and the predictions as arrays of dask. They are computed when they are used, one
        after another; memory then holds one state, and those that the model sees. Computing raises
        RecipeError if a first state holds NaN and `solids` is false, or the sides do not fit the
        model, and WriteError if a prediction is not finite.

    Raises:
        RecipeError: the time of a step is unknown, a condition is missing or unknown, or there are
            too few frames for the history.
    """
    history = int(getattr(step, "history", 1))
    first_layout = layout_of(states)
    layout = predicted_layout(first_layout, n_steps, normaliser, history)
    numbers = _conditions(step, conditions or {}, layout, device)
    places = _places(first_layout, layout.times[:history])
    data = (states if states.chunks else chunked(states, first_layout.sides)).data
    shape = (len(layout.channels), *layout.sides)
    samples = []
    for sample in range(layout.samples):
        row = None if numbers is None else numbers[sample : sample + 1]
        predictor = _Predictor(step, normaliser, row, solids, horizons, device, layout.dtype)
        task = delayed(predictor, pure=False, traverse=False)
        first = [data[sample, place] for place in places]
        moment = task.start(sample, *first)
        fields = [frame.astype(layout.dtype) for frame in first]
        for number in range(1, len(layout.times) - history + 1):
            moment = task.advance(moment, number)
            visible = task.visible(moment, number)
            fields.append(DASK.from_delayed(visible, shape, layout.dtype))
        samples.append(DASK.stack(fields))
    return labelled(DASK.stack(samples), layout)


class _Moment(NamedTuple):
    """The last frames of a rollout, normalised, its start, and where solids are."""

    sample: int
    frames: list[Tensor]
    start: Tensor
    solid: Tensor


@final
@dataclass(frozen=True)
class _Predictor:
    """The steps of a rollout of one sample, each of which is a task of dask."""

    step: Callable[..., Tensor]
    normaliser: Normaliser
    numbers: Tensor | None
    solids: bool
    horizons: Horizons | None
    device: str
    dtype: np.dtype

    @torch.no_grad()
    def start(self, sample: int, *first_layout: np.ndarray) -> _Moment:
        """Return the first frames."""
        # Fields are normalised before they are rounded to float32, or a large mean would hide them.
        wide = [np.ascontiguousarray(f, np.result_type(f.dtype, np.float32)) for f in first_layout]
        tensors = [torch.from_numpy(frame)[None].to(self.device) for frame in wide]
        frames = [_scaled(self.normaliser.apply, frame).float() for frame in tensors]
        solid = torch.stack(frames).isnan().any(0)
        if not self.solids and bool(solid.any()):
            rule = "it holds NaN, and the run was not trained with solid points"
            raise RecipeError(f"sample {sample}", rule, "Train with `solids`, or fill it")
        frames = [frame.masked_fill(solid, 0) for frame in frames]
        return _Moment(sample, frames, frames[-1], solid)

    @torch.no_grad()
    def advance(self, moment: _Moment, number: int) -> _Moment:
        """Return the moment after one step, held to the model's cap if it has one."""
        extra = () if self.numbers is None else (self.numbers,)
        state = fitting(lambda x: self.step(x, *extra), torch.cat(moment.frames, dim=1))
        limited: Callable[[Tensor], Tensor] | None = getattr(self.step, "limited", None)
        state = state if limited is None else limited(state)
        state = state.masked_fill(moment.solid, 0)
        if not bool(state.isfinite().all()):
            rule = f"step {number} of sample {moment.sample} is not finite"
            raise WriteError("rollout", rule, "Take fewer steps, or train longer")
        return moment._replace(frames=[*moment.frames[1:], state])

    @torch.no_grad()
    def visible(self, moment: _Moment, number: int) -> np.ndarray:
        """Return the last state in its units, calibrated."""
        state = moment.frames[-1]
        if self.horizons is not None:
            state = self.horizons.apply(state, moment.start, number)
        # The mean may be much larger than the field: the sum in single precision would lose the
        # field.
        precise = state.double() if self.dtype == np.float64 else state
        out = _scaled(self.normaliser.undo, precise).masked_fill(moment.solid, torch.nan)
        values: np.ndarray = out[0].cpu().numpy()
        return values.astype(self.dtype, copy=False)


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
