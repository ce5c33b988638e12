"""Compare predicted states with true ones, state by state, and with doing nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from scionwood import RecipeError
from scionwood_pde.metrics import by_window, conserved_error, nrmse, spectrum, vrmse
from scionwood_pde.readers.folders import atomic_folder
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import layout_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {"vrmse": vrmse, "nrmse": nrmse, "conserved": conserved_error}
PERSISTENCE = "persistence"
"""VRMSE of the last given state, taken for every prediction."""


def errors(predicted: xr.DataArray, true: xr.DataArray, *, given: int = 1) -> dict[str, Tensor]:
    """Errors of every predicted step; one state of each is in memory at a time.

    Args:
        predicted: as `readers.states` defines them; it may end before `true`.
        true: of the same samples, channels, sides and times.
        given: states at the start that were not predicted.

    Returns:
        (sample, step, channel) for each measure, `persistence` among them.

    Raises:
        RecipeError: the two differ in what they hold, or nothing was predicted.
    """
    layout = _checked(layout_of(predicted), layout_of(true), given)
    shape = (layout.samples, len(layout.times) - given, len(layout.channels))
    names = (*MEASURES, PERSISTENCE)
    found = {name: torch.empty(shape, dtype=torch.float64) for name in names}
    for sample in range(shape[0]):
        last = _double(true[sample, given - 1])
        for step in range(shape[1]):
            here, there = (_double(each[sample, step + given]) for each in (predicted, true))
            for name, measure in MEASURES.items():
                found[name][sample, step] = measure(here, there)[0, 0]
            found[PERSISTENCE][sample, step] = vrmse(last, there)[0, 0]
    return found


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


def text(rows: Sequence[Mapping[str, str | float]]) -> str:
    """Rows of `table` as lines, under a line of titles."""
    lines = [" ".join(f"{name:>12}" for name in rows[0])]
    for row in rows:
        cells = (f"{v:12.4g}" if isinstance(v, float) else f"{v:>12}" for v in row.values())
        lines.append(" ".join(cells))
    return "\n".join(lines)


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
    from scionwood_pde import figures

    true = true.isel(time=slice(predicted.sizes["time"]))
    both = {"true": true, "predicted": predicted}
    channels = [str(name) for name in true.coords["channel"].values]
    growth = {name: values["vrmse"][..., i].mean(0).numpy() for i, name in enumerate(channels)}
    drawn: dict[str, Figure] = {
        "slices": figures.slices(both),
        "error_growth": figures.error_growth(growth),
    }
    for i, name in enumerate(channels):
        drawn[f"spectrum_{name}"] = _spectra(both, i, name)
    with atomic_folder(Path(folder), overwrite=overwrite) as part:
        for title, figure in drawn.items():
            figure.savefig(part / f"{title}.png", dpi=120)
        figures.animate(both, part / "rollout.gif")


def _spectra(both: Mapping[str, xr.DataArray], channel: int, name: str) -> Figure:
    from scionwood_pde.figures import spectra

    layout = layout_of(both["true"])
    steps = layout.spacing()
    lengths = [steps[a] * n for a, n in zip(layout.axes, layout.sides, strict=True)]
    power: dict[str, np.ndarray] = {}
    for title, states in both.items():
        waves, values = spectrum(_double(states[0, -1])[0, 0, channel], lengths)
        power[title] = values.numpy()
    unit = layout.units[layout.axes[0]]
    return spectra(waves.numpy(), power, unit=unit, field=f"{name}, last time")


def _checked(predicted: Layout, true: Layout, given: int) -> Layout:
    steps = len(predicted.times)
    pairs = {
        "channels": ([c.name for c in predicted.channels], [c.name for c in true.channels]),
        "samples": (predicted.samples, true.samples),
        "sides": (predicted.sides, true.sides),
    }
    for name, (found, wanted) in pairs.items():
        if found != wanted:
            rule = f"{name} are {found}; the true states have {wanted}"
            raise RecipeError("predicted states", rule, "Compare files of the same simulations")
    times = true.times[:steps]
    if len(times) < steps or not np.allclose(predicted.times, times, rtol=1e-5):
        rule = f"their times {predicted.times.tolist()} are not the first of the true states"
        raise RecipeError("predicted states", rule, "Predict with the steps of the true file")
    if not 1 <= given < steps:
        rule = f"{given} states given of {steps} leave none that was predicted"
        raise RecipeError("predicted states", rule, "Give one state or more, and predict some")
    return predicted


def _double(state: xr.DataArray) -> Tensor:
    return torch.from_numpy(state.values.astype(np.float64))[None, None]
