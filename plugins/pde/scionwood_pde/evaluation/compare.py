"""Compare predicted states with true ones, state by state, and with doing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scionwood import RecipeError, atomic_folder, writing
from scionwood_pde.evaluation.metrics import (
    EPSILON,
    by_window,
    conserved_error,
    enstrophy,
    nrmse,
    spectral_error,
    spectrum,
    vrmse,
)
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import layout_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {"vrmse": vrmse, "nrmse": nrmse, "conserved": conserved_error}
PERSISTENCE = "persistence"
"""VRMSE of the last given state, taken for every prediction."""

SCALES = ("large_scales", "middle_scales", "small_scales")
"""The parts of VRMSE in three bins of wavenumbers; their squares add up to its own."""


def errors(predicted: xr.DataArray, true: xr.DataArray, *, given: int = 1) -> dict[str, Tensor]:
    """Errors of every predicted step; one state of each is in memory at a time.

    Args:
        predicted: as `readers.states` defines them.
        true: of the same samples, channels, sides and times; see `at_times_of`.
        given: states at the start that were not predicted.

    Returns:
        (sample, step, channel) for each measure, `persistence` among them.

    Raises:
        RecipeError: the two differ in what they hold, or nothing was predicted.
    """
    layout = _checked(layout_of(predicted), layout_of(true), given)
    shape = (layout.samples, len(layout.times) - given, len(layout.channels))
    scales = SCALES if len(set(layout.sides)) == 1 else ()  # the bins are those of a cube
    names = (*MEASURES, *scales, PERSISTENCE)
    found = {name: torch.empty(shape, dtype=torch.float64) for name in names}
    for sample in range(shape[0]):
        last = _double(true[sample, given - 1])
        for step in range(shape[1]):
            here, there = (_double(each[sample, step + given]) for each in (predicted, true))
            for name, measure in MEASURES.items():
                found[name][sample, step] = measure(here, there)[0, 0]
            if scales:
                for name, part in zip(scales, _by_scale(here, there), strict=True):
                    found[name][sample, step] = part
            found[PERSISTENCE][sample, step] = vrmse(last, there)[0, 0]
    return found


def enstrophy_errors(
    predicted: xr.DataArray, true: xr.DataArray, *, given: int = 1
) -> dict[str, Tensor]:
    """Errors of the enstrophy of every velocity in a periodic box, over the true one.

    Args:
        predicted: as given to `errors`.
        true: as given to `errors`.
        given: states at the start that were not predicted.

    Returns:
        (sample, step, 1) for each vector of which every component is there.
    """
    layout = layout_of(true)
    names = [channel.name for channel in layout.channels]
    vectors = {name[:-2]: [f"{name[:-1]}{a}" for a in layout.axes] for name in names}
    if len(layout.axes) < 2 or set(layout.boundary.values()) != {"periodic"}:
        return {}
    spacing = list(layout.spacing().values())
    found = {}
    for vector, parts in vectors.items():
        if not set(parts) <= set(names):
            continue
        both = [
            [
                [float(enstrophy(_double(state)[0, 0], spacing)) for state in run]
                for run in each.sel(channel=parts)[:, given:]
            ]
            for each in (predicted, true)
        ]
        mine, wanted = torch.tensor(both, dtype=torch.float64).unsqueeze(-1)
        found[vector] = (mine - wanted).abs() / wanted.abs()
    return found


def enstrophy_rows(values: Mapping[str, Tensor]) -> list[dict[str, str | float]]:
    """What `enstrophy_errors` gives as rows to follow those of `table`; a number's nRMSE."""
    return [
        {"field": f"enstrophy {vector}", "horizon": horizon, "nrmse": float(error)}
        for vector, each in values.items()
        for horizon, error in by_window(each).items()
    ]


def at_times_of(predicted: xr.DataArray, true: xr.DataArray) -> xr.DataArray:
    """The true states at the times that were predicted, which may be every second one, say.

    Raises:
        RecipeError: there is no true state at one of them.
    """
    wanted, known = predicted.coords["time"].values, true.coords["time"].values
    places = np.abs(known - wanted[:, None]).argmin(1)
    step = np.diff(wanted[:2]).sum() or 1.0
    far = np.abs(known[places] - wanted) > 1e-3 * step
    if far.any():
        value = f"the predicted state at time {wanted[far][0]:g}"
        rule = f"the nearest true one is at {known[places][far][0]:g}"
        raise RecipeError(value, rule, "Predict fewer steps, or compare files of the same times")
    return true.isel(time=places)


def table(values: Mapping[str, Tensor], channels: list[str]) -> list[dict[str, str | float]]:
    """Errors by field and horizon, averaged over samples and the steps of the horizon.

    Args:
        values: as `errors` gives them.
        channels: their names.

    Returns:
        A row for each field and horizon.
    """
    windows = {name: by_window(each) for name, each in values.items()}
    rows: list[dict[str, str | float]] = []
    for horizon in next(iter(windows.values())):
        for i, channel in enumerate(channels):
            row: dict[str, str | float] = {"field": channel, "horizon": horizon}
            row |= {name: float(found[horizon][i]) for name, found in windows.items()}
            rows.append(row)
    return rows


def draw(
    predicted: xr.DataArray,
    true: xr.DataArray,
    values: Mapping[str, Tensor],
    folder: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write slices, spectra, the growth of the error, and an animation of the first channel.

    Args:
        predicted: as given to `errors`.
        true: as given to `errors`.
        values: as `errors` gives them.
        folder: to write; it appears whole or not at all.
        overwrite: replace what is there.

    Raises:
        OutputExistsError: `folder` exists and `overwrite` is false.
    """
    from scionwood_pde.evaluation import figures

    both = {"true": true, "predicted": predicted}
    channels = [str(name) for name in true.coords["channel"].values]
    growth = {name: values["vrmse"][..., i].numpy() for i, name in enumerate(channels)}
    still = {PERSISTENCE: values[PERSISTENCE].mean((0, 2)).numpy()}
    scores = values["vrmse"][0, :, 0].tolist()
    notes = ["given"] * (true.sizes["time"] - len(scores)) + [f"VRMSE {x:.3f}" for x in scores]
    drawn: dict[str, Figure] = {
        "slices": figures.slices(both),
        "error_growth": figures.error_growth(growth, beside=still),
        "spectra": _spectra(both),
    }
    with writing(folder), atomic_folder(folder, overwrite=overwrite) as part:
        for title, figure in drawn.items():
            figure.savefig(part / f"{title}.png", dpi=120)
        figures.animate(both, part / "rollout.gif", notes=notes)


def _spectra(both: Mapping[str, xr.DataArray]) -> Figure:
    """Those of the last time, means over samples."""
    from scionwood_pde.evaluation.figures import spectra

    layout = layout_of(both["true"])
    steps = layout.spacing()
    lengths = [steps[a] * n for a, n in zip(layout.axes, layout.sides, strict=True)]
    power: dict[str, dict[str, np.ndarray]] = {c.name: {} for c in layout.channels}
    for title, states in both.items():
        found = [spectrum(_double(states[i, -1])[0, 0], lengths) for i in range(layout.samples)]
        waves, mean = found[0][0], torch.stack([each for _, each in found]).mean(0)
        for field, values in zip(power, mean.numpy(), strict=True):
            power[field][title] = values
    return spectra(waves.numpy(), power, unit=layout.units[layout.axes[0]])


def _by_scale(predicted: Tensor, true: Tensor) -> Tensor:
    """(scale, channel): see `SCALES`."""
    variance = true.var(tuple(range(3, true.ndim)))[0, 0] + EPSILON
    parts: Tensor = spectral_error(predicted, true, len(SCALES))[0, 0].mT / variance
    return parts.sqrt()


def _checked(predicted: Layout, true: Layout, given: int) -> Layout:
    steps = len(true.times)
    pairs = {
        "channels": ([c.name for c in predicted.channels], [c.name for c in true.channels]),
        "samples": (predicted.samples, true.samples),
        "sides": (predicted.sides, true.sides),
        "numbers of times": (len(predicted.times), steps),
    }
    for name, (found, wanted) in pairs.items():
        if found != wanted:
            rule = f"{name} are {found}; the true states have {wanted}"
            raise RecipeError("predicted states", rule, "Compare files of the same simulations")
    if not 1 <= given < steps:
        rule = f"{given} states given of {steps} leave none that was predicted"
        raise RecipeError("predicted states", rule, "Give one state or more, and predict some")
    return predicted


def _double(state: xr.DataArray) -> Tensor:
    return torch.from_numpy(state.values.astype(np.float64))[None, None]
