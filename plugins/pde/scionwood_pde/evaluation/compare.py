"""Compare predicted with reference states, state by state, and with predicting no change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scionwood import RecipeError
from scionwood.authoring import atomic_folder, writing
from scionwood_pde.evaluation.alike import check_alike
from scionwood_pde.evaluation.filters import PERSISTENCE
from scionwood_pde.evaluation.metrics import (
    EPSILON,
    by_window,
    conserved_error,
    enstrophy,
    nrmse,
    spectral_distance,
    spectral_error,
    spectrum,
    vrmse,
)
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import layout_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {"vrmse": vrmse, "nrmse": nrmse, "conserved": conserved_error}
SPECTRA = "spectral_distance"
"""The mean distance between spectra in decades, for periodic boxes."""

SCALES = ("large_scales", "middle_scales", "small_scales")
"""The parts of VRMSE in three bins of wavenumbers; their squares add up to its square."""


def errors(
    predicted: xr.DataArray, reference: xr.DataArray, *, given: int = 1
) -> dict[str, Tensor]:
    """Return the errors of every predicted step; one state of each is in memory at a time.

    Args:
        predicted: states as `readers.states` defines them.
        reference: states of the same samples, channels, sides and times; see `at_times_of`.
        given: number of states at the start that were not predicted.

    Returns:
        (sample, step, channel) for each measure, including `persistence`.

    Raises:
        RecipeError: the two differ in samples, channels, sides or times, nothing was predicted, or
            more states were given.
    """
    layout = _checked(layout_of(predicted), layout_of(reference), given)
    shape = (layout.samples, len(layout.times) - given, len(layout.channels))
    no_solids = not has_solids(reference)
    scales = SCALES if no_solids and len(set(layout.sides)) == 1 else ()  # bins are those of cubes
    spectra = (SPECTRA,) if no_solids and is_periodic(layout_of(reference)) else ()
    names = (*MEASURES, *scales, *spectra, PERSISTENCE)
    values = {name: torch.empty(shape, dtype=torch.float64) for name in names}
    for sample in range(shape[0]):
        last = _double(reference[sample, given - 1])
        for step in range(shape[1]):
            predicted_state, reference_state = (
                _double(states[sample, step + given]) for states in (predicted, reference)
            )
            fluid = _fluid(predicted_state, reference_state, step)
            for name, measure in MEASURES.items():
                values[name][sample, step] = measure(predicted_state, reference_state, where=fluid)[
                    0, 0
                ]
            if scales:
                for name, part in zip(
                    scales, _by_scale(predicted_state, reference_state), strict=True
                ):
                    values[name][sample, step] = part
            if spectra:
                values[SPECTRA][sample, step] = spectral_distance(
                    predicted_state, reference_state, _lengths(layout)
                )
            values[PERSISTENCE][sample, step] = vrmse(last, reference_state, where=fluid)[0, 0]
    _check_predicted(values, given)
    return values


def _check_predicted(values: Mapping[str, Tensor], given_steps: int) -> None:
    """Check that the first states were not given to a model that sees several of them.

    Raises:
        RecipeError: the first ones equal the reference in all values, and later ones do not.
    """
    exact = (values["vrmse"] == 0).all(2).all(0)
    count = int(exact.cumprod(0).sum())
    if 0 < count < len(exact) and bool((values[PERSISTENCE][:, 0] > 0).any()):
        rule = f"the next {count} equal the reference in every value, as states that a model saw do"
        raise RecipeError(f"given: {given_steps}", rule, f"Set given to {given_steps + count}")


def has_solids(states: xr.DataArray) -> bool:
    """Return whether the first state of a sample holds NaN, which marks solid points."""
    return any(bool(np.isnan(states[sample, 0].values).any()) for sample in range(len(states)))


def is_periodic(layout: Layout) -> bool:
    """Return whether all axes are marked as periodic."""
    return set(layout.boundary.values()) == {"periodic"}


def _fluid(predicted: Tensor, reference: Tensor, step: int) -> Tensor | None:
    """Return the points that are no solid, or `None` if there is no solid.

    Raises:
        RecipeError: the prediction lacks a value where the reference has one.
    """
    fluid = reference.isfinite()
    lacking = int((fluid & ~predicted.isfinite()).sum())
    if lacking:
        rule = f"{lacking} values are not finite where the reference has a value"
        remedy = "Predict fewer steps, or name the same solid points as NaN in both"
        raise RecipeError(f"predicted step {step + 1}", rule, remedy)
    return None if bool(fluid.all()) else fluid


def enstrophy_errors(
    predicted: xr.DataArray, reference: xr.DataArray, *, given: int = 1
) -> dict[str, Tensor]:
    """Return the relative error of the enstrophy of each velocity in a periodic box.

    Args:
        predicted: see `errors`.
        reference: see `errors`.
        given: number of states at the start that were not predicted.

    Returns:
        (sample, step, 1) for each vector with all its components.
    """
    layout = layout_of(reference)
    names = [channel.name for channel in layout.channels]
    vectors = {name[:-2]: [f"{name[:-1]}{a}" for a in layout.axes] for name in names}
    if len(layout.axes) < 2 or not is_periodic(layout) or has_solids(reference):
        return {}
    spacing = list(layout.spacing().values())
    relative = {}
    for vector, parts in vectors.items():
        if not set(parts) <= set(names):
            continue
        both = [
            [
                [float(enstrophy(_double(state)[0, 0], spacing)) for state in run]
                for run in states.sel(channel=parts)[:, given:]
            ]
            for states in (predicted, reference)
        ]
        mine, expected = torch.tensor(both, dtype=torch.float64).unsqueeze(-1)
        relative[vector] = (mine - expected).abs() / expected.abs()
    return relative


def enstrophy_rows(values: Mapping[str, Tensor]) -> list[dict[str, str | float]]:
    """Return the result of `enstrophy_errors` as rows of `table`; for a number, nRMSE is used."""
    return [
        {"field": f"enstrophy {vector}", "horizon": horizon, "nrmse": float(error)}
        for vector, vector_errors in values.items()
        for horizon, error in by_window(vector_errors).items()
    ]


def at_times_of(predicted: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """Return the reference states at the predicted times, which may be a part of all times.

    Raises:
        RecipeError: there is no reference state at one of the times, or units or grids differ.
    """
    check_alike(layout_of(predicted), layout_of(reference))
    predicted_times, reference_times = (
        predicted.coords["time"].values,
        reference.coords["time"].values,
    )
    places = np.abs(reference_times - predicted_times[:, None]).argmin(1)
    step = np.diff(predicted_times[:2]).sum() or 1.0
    far = np.abs(reference_times[places] - predicted_times) > 1e-3 * step
    if far.any():
        value = f"the predicted state at time {predicted_times[far][0]:g}"
        rule = f"the nearest reference state is at {reference_times[places][far][0]:g}"
        raise RecipeError(value, rule, "Predict fewer steps, or compare files of the same times")
    return reference.isel(time=places)


def table(values: Mapping[str, Tensor], channels: list[str]) -> list[dict[str, str | float]]:
    """Return errors by field and horizon, averaged over samples and the steps of the horizon.

    Args:
        values: the result of `errors`.
        channels: names of the channels.

    Returns:
        A row for each field and horizon.
    """
    windows = {name: by_window(errors) for name, errors in values.items()}
    rows: list[dict[str, str | float]] = []
    for horizon in next(iter(windows.values())):
        for i, channel in enumerate(channels):
            row: dict[str, str | float] = {"field": channel, "horizon": horizon}
            row |= {name: float(means[horizon][i]) for name, means in windows.items()}
            rows.append(row)
    return rows


def draw(
    predicted: xr.DataArray,
    reference: xr.DataArray,
    values: Mapping[str, Tensor],
    folder: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write slices, spectra, the growth of the error, and an animation of the first channel.

    Args:
        predicted: see `errors`.
        reference: see `errors`.
        values: the result of `errors`.
        folder: the folder to write; it appears complete or not at all.
        overwrite: replace an existing folder.

    Raises:
        OutputExistsError: `folder` exists and `overwrite` is false.
        WriteError: the folder cannot be written.
    """
    from scionwood_pde.evaluation import figures

    both = {"reference": reference, "predicted": predicted}
    channels = [str(name) for name in reference.coords["channel"].values]
    growth = {name: values["vrmse"][..., i].numpy() for i, name in enumerate(channels)}
    still = {PERSISTENCE: values[PERSISTENCE].mean((0, 2)).numpy()}
    scores = values["vrmse"][0, :, 0].tolist()
    notes = ["given"] * (reference.sizes["time"] - len(scores)) + [f"VRMSE {x:.3f}" for x in scores]
    figures_by_title: dict[str, Figure] = {
        "slices": figures.slices(both),
        "error_growth": figures.error_growth(growth, baselines=still),
        "spectra": _spectra(both),
    }
    with writing(folder), atomic_folder(folder, overwrite=overwrite) as part:
        for title, figure in figures_by_title.items():
            figure.savefig(part / f"{title}.png", dpi=120, bbox_inches="tight")
        figures.animate(both, part / "rollout.gif", notes=notes)


def _spectra(both: Mapping[str, xr.DataArray]) -> Figure:
    """Draw the spectra of the last time, averaged over samples."""
    from scionwood_pde.evaluation.figures import spectra

    layout = layout_of(both["reference"])
    lengths = _lengths(layout)
    power: dict[str, dict[str, np.ndarray]] = {c.name: {} for c in layout.channels}
    for title, states in both.items():
        pairs = [spectrum(_double(states[i, -1])[0, 0], lengths) for i in range(layout.samples)]
        waves, mean = pairs[0][0], torch.stack([density for _, density in pairs]).mean(0)
        for field, values in zip(power, mean.numpy(), strict=True):
            power[field][title] = values
    return spectra(waves.numpy(), power, unit=layout.units[layout.axes[0]])


def _lengths(layout: Layout) -> list[float]:
    """Return the sides of the box, in the unit of length."""
    steps = layout.spacing()
    return [abs(steps[a]) * n for a, n in zip(layout.axes, layout.sides, strict=True)]


def _by_scale(predicted: Tensor, reference: Tensor) -> Tensor:
    """Return the parts of VRMSE, (scale, channel); see `SCALES`."""
    variance = reference.var(tuple(range(3, reference.ndim)))[0, 0] + EPSILON
    parts: Tensor = spectral_error(predicted, reference, len(SCALES))[0, 0].mT / variance
    return parts.sqrt()


def _checked(predicted: Layout, reference: Layout, given_steps: int) -> Layout:
    steps = len(reference.times)
    pairs = {
        "channels": ([c.name for c in predicted.channels], [c.name for c in reference.channels]),
        "samples": (predicted.samples, reference.samples),
        "sides": (predicted.sides, reference.sides),
        "numbers of times": (len(predicted.times), steps),
    }
    for name, (mine, expected) in pairs.items():
        if mine != expected:
            rule = f"{name} are {mine}; the reference states have {expected}"
            raise RecipeError("predicted states", rule, "Compare files of the same simulations")
    if not 1 <= given_steps < steps:
        rule = f"with {given_steps} of {steps} states given, no state was predicted"
        raise RecipeError("predicted states", rule, "Give at least one state, and predict some")
    return predicted


def _double(state: xr.DataArray) -> Tensor:
    return torch.from_numpy(state.values.astype(np.float64))[None, None]
