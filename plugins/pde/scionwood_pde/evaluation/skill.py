"""Skill: the error of a prediction, compared with that of the best linear filter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.data.normaliser import SMALLEST_DOUBLE
from scionwood_pde.evaluation.filters import FILTERS, HORIZON, PERSISTENCE, Filters, fitted
from scionwood_pde.evaluation.metrics import EPSILON, vrmse
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import layout_of

SKILL = "skill"
CLOSE = 1e-3
"""Largest relative difference of the spacings and time steps of two files."""

Row = dict[str, str | float]


def modes_of(layout: Layout) -> Modes:
    """Return the modes of a grid: Fourier modes along the axes that are marked as periodic."""
    steps = layout.spacing()
    lengths = [abs(steps[axis]) * n for axis, n in zip(layout.axes, layout.sides, strict=True)]
    return Modes(layout.sides, [layout.boundary[a] == "periodic" for a in layout.axes], lengths)


def filters_of(training: Sequence[xr.DataArray], predicted: xr.DataArray) -> Filters:
    """Fit the linear filters on training states, for the time step of a prediction.

    Args:
        training: states as `readers.states` defines them, of one grid and with equal time steps.
        predicted: the prediction, with the same fields and grid.

    Raises:
        RecipeError: fields, grid or time steps differ, or are irregular.
    """
    layout, names = layout_of(predicted), [str(n) for n in predicted.coords["channel"].values]
    strides = {_stride(layout, layout_of(states)) for states in training}
    if len(strides) > 1:
        rule = f"their steps fit {sorted(strides)} times into a predicted one"
        raise RecipeError("training states", rule, "Name files of one time step")
    parts = [states.sel(channel=names) for states in training]
    return fitted(_Loaded(parts), modes_of(layout), stride=min(strides))


def filter_errors(
    filters: Filters, reference: xr.DataArray, *, given: int = 1
) -> dict[str, Tensor]:
    """Return the VRMSE of every filter that starts from the last given state.

    Args:
        filters: the fitted filters.
        reference: the reference states, at the predicted times.
        given: number of states at the start that were not predicted.

    Returns:
        (sample, step, channel) by the name of the filter, without persistence.
    """
    names = [name for name in FILTERS if name != PERSISTENCE]
    shape = reference.shape[0], reference.shape[1] - given, reference.shape[2]
    values = {name: torch.empty(shape, dtype=torch.float64) for name in names}
    for sample in range(shape[0]):
        last = filled(_double(reference[sample, given - 1]))
        for step in range(shape[1]):
            target = _double(reference[sample, step + given])[None, None]
            fluid = target.isfinite()
            for name in names:
                forecast = filters.predict(name, last, step + 1)[None, None]
                values[name][sample, step] = vrmse(forecast, target, where=fluid)[0, 0]
    return values


def with_skill(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of `compare.table` with the skill of those that have filters.

    It is one minus the error over that of the best filter, persistence included. The best filter
    is chosen for each field and horizon by the error on the reference itself, which favours it.
    """
    return [_scored(row) for row in rows]


def remarks(rows: Sequence[Mapping[str, str | float]]) -> list[str]:
    """Return one sentence for each result that a reader of the table should not miss."""
    sentences = []
    for row in rows:
        name = f"{row['field']}, horizon {row['horizon']}"
        error = row.get("vrmse")
        if not isinstance(error, float):
            continue
        if error > 1:
            sentences.append(f"{name}: worse than the mean of the field (VRMSE {error:.3g} > 1)")
        elif SKILL in row and float(row[SKILL]) <= 0:
            sentences.append(f"{name}: no better than a linear filter (skill {row[SKILL]:.2g})")
        elif SKILL not in row and error >= float(row[PERSISTENCE]):
            sentences.append(f"{name}: no better than persistence ({row[PERSISTENCE]:.3g})")
    return sentences


def no_better_than_persistence(predicted: xr.DataArray, states: xr.DataArray) -> str:
    """Return a warning if the first predicted step is no better than persistence, else nothing.

    Args:
        predicted: the starts and the predictions.
        states: the states with the same starts. If they hold no state at the time of the first
            step, nothing can be said.
    """
    predicted_times, state_times = (
        (float(x) for x in predicted.coords["time"].values[:2]),
        states.coords["time"],
    )
    first, second = predicted_times
    place = int(np.abs(state_times.values - second).argmin())
    if abs(float(state_times[place]) - second) > CLOSE * abs(second - first):
        return ""
    errors = []
    for sample in range(predicted.sizes["sample"]):
        forecast, still = (_double(predicted[sample, i])[None, None] for i in (1, 0))
        target = _double(states[sample, place])[None, None]
        fluid = target.isfinite()
        errors.append(
            [vrmse(estimate, target, where=fluid).mean() for estimate in (forecast, still)]
        )
    run_error, persistence = torch.tensor(errors, dtype=torch.float64).mean(0).tolist()
    # NaN says nothing, and a state that stays equal is predicted exactly by no change.
    if not run_error >= persistence or persistence == 0:
        return ""
    return (
        f"the first predicted step has a VRMSE of {run_error:.3g}, and predicting no change has "
        f"{persistence:.3g}: the run does not fit these states"
    )


def notes(layout: Layout, fitted: bool) -> list[str]:
    """Return what the filters assume about the grid, or that there are none."""
    if not fitted:
        return ["no skill, because filters need the training states: name them with --training"]
    open_axes = {a: kind for a, kind in layout.boundary.items() if kind != "periodic"}
    listed = ", ".join(f"{axis} ({kind})" for axis, kind in open_axes.items())
    return [f"filters use cosine modes along {listed}, not marked as periodic"] if listed else []


def warn_of_faint(reference: xr.DataArray) -> None:
    """Warn of fields so small in their unit that the 1e-7 in VRMSE hides their errors.

    Args:
        reference: states as `readers.states` defines them.
    """
    state = reference[0, -1].values.astype(np.float64).reshape(reference.sizes["channel"], -1)
    variance, square = np.nanvar(state, 1), np.nanmean(np.square(state), 1)
    # Beyond a share of 1 %; a field that is constant up to rounding has no other unit.
    is_faint = (variance < 100 * EPSILON) & (variance > SMALLEST_DOUBLE * square)
    names = reference.coords["channel"].values[is_faint]
    for name, size in zip(names, variance[is_faint], strict=True):
        text = f"{name}: its variance is {size:.2g}, and VRMSE adds {EPSILON:g} to it. "
        warnings.warn(f"{text}See nrmse, or give the field in a smaller unit", stacklevel=3)


def filled(state: Tensor) -> Tensor:
    """Return a state (channel, *space) whose NaN are replaced by the mean of their field."""
    mean = state.flatten(1).nanmean(1).nan_to_num()
    return torch.where(state.isnan(), mean.reshape(-1, *[1] * (state.ndim - 1)), state)


def check_regular(layout: Layout, what: str) -> None:
    """Check that times rise by equal steps.

    Raises:
        RecipeError: they do not; horizons and filters count steps.
    """
    steps = np.diff(layout.times)
    if len(steps) and not steps.min() > 0:
        rule = f"their times change by {steps.min():g}, and each is later than the one before"
        raise RecipeError(what, rule, "Sort them with sortby('time'), and drop what occurs twice")
    if len(steps) > 1 and (np.abs(steps - steps.mean()) > 0.01 * steps.mean()).any():
        rule = f"their times lie {steps.min():g} to {steps.max():g} apart, and horizons count steps"
        raise RecipeError(what, rule, "Resample them to equal steps, or compare a part of them")


@final
class _Loaded:
    """The samples of files, as trajectories that are read when they are used."""

    def __init__(self, parts: Sequence[xr.DataArray]) -> None:
        self.places = [(part, i) for part in parts for i in range(part.sizes["sample"])]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        part, sample = self.places[index]
        return torch.stack([filled(_double(state)) for state in part[sample]])


def _stride(predicted: Layout, training: Layout) -> int:
    """Return the stored times of training states in a predicted step, after checking the grid."""
    check_regular(training, "training states")
    for layout in (predicted, training):
        if len(layout.times) < 2:
            rule = "a filter needs the time of a step, and there is one time only"
            raise RecipeError("states", rule, "Name files with two times or more")
    training.selected(Path("training states"), [c.name for c in predicted.channels])
    pairs = {
        "sides": (predicted.sides, training.sides),
        "boundaries": (dict(predicted.boundary), dict(training.boundary)),
        "spacings": tuple(_rounded(layout.spacing()) for layout in (predicted, training)),
    }
    for name, (mine, training_value) in pairs.items():
        if mine != training_value:
            rule = f"their {name} are {training_value}; those of the prediction are {mine}"
            raise RecipeError("training states", rule, "Name the states that the run was fitted on")
    steps = [float(np.diff(layout.times[:2])[0]) for layout in (predicted, training)]
    stride = round(steps[0] / steps[1])
    if stride < 1 or abs(steps[0] / steps[1] - stride) > 0.01:
        rule = f"they step by {steps[1]:g}, the prediction by {steps[0]:g}"
        raise RecipeError("training states", rule, "Name states whose steps divide a predicted one")
    return stride


def _rounded(spacing: Mapping[str, float]) -> dict[str, float]:
    return {axis: float(f"{step:.3g}") for axis, step in spacing.items()}


def _scored(row: Row) -> Row:
    if HORIZON not in row:
        return row
    best = min(float(row[name]) for name in FILTERS)
    return {**row, SKILL: 1 - float(row["vrmse"]) / best if best else float("nan")}


def _double(state: xr.DataArray) -> Tensor:
    return torch.from_numpy(state.values.astype(np.float64))
