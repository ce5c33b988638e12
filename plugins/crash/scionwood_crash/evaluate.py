"""A prediction beside the truth, both as series: errors by time, and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scionwood import RecipeError, atomic_path
from scionwood_crash.figures import animate, deformed, over_time
from scionwood_crash.mesh import CrashSeries
from scionwood_crash.outputs import absorbed_energy, probe
from scionwood_crash.part import unit
from scionwood_crash.series import STRAIN, Setup, from_series

Errors = dict[str, Any]


def compare(
    predicted: CrashSeries,
    true: CrashSeries,
    direction: np.ndarray,
    probes: Sequence[int] = (),
) -> Errors:
    """Errors of a predicted history, in the unit of length of the files.

    Args:
        predicted: of the same mesh and times.
        true: what came about.
        direction: (3,), of the impact.
        probes: node numbers of the true file.

    Returns:
        By time: `med`, the mean Euclidean distance of nodes; `intrusion_true` and
        `intrusion_predicted`, the largest displacement along the impact. Of the whole: `med`,
        `intrusion_error` in percent, `intrusion_node` (true and predicted), `rel_l2` of positions
        from the centre; the motion of each of `probes`; by time `energy_true` and
        `energy_predicted`, J, where both have plastic strain.

    Raises:
        RecipeError: the two differ in nodes or times, or there is no such probe.
    """
    shapes = [(len(each.mesh.points), len(each.times)) for each in (predicted, true)]
    if shapes[0] != shapes[1] or not np.allclose(predicted.times, true.times, rtol=1e-3, atol=1e-6):
        rule = f"{shapes[0]} nodes and states, and the truth {shapes[1]}; equal times are needed"
        raise RecipeError("predicted series", rule, "Predict on the mesh and times of the truth")
    given, wanted = predicted.displacement(), true.displacement()
    gap = np.linalg.norm(given - wanted, axis=2)
    place = true.mesh.points - true.mesh.points.mean(0) + wanted
    along = unit(np.asarray(direction, np.float64))
    depths = [each @ along for each in (wanted, given)]
    return {
        "times": true.times.tolist(),
        "by_time": {
            "med": gap.mean(1).tolist(),
            "intrusion_true": depths[0].max(1).tolist(),
            "intrusion_predicted": depths[1].max(1).tolist(),
            **_energies(predicted, true),
        },
        "med": float(gap.mean()),
        **_intrusions(depths, true.mesh.node_ids),
        "rel_l2": float(np.sqrt(np.square(given - wanted).sum() / np.square(place).sum())),
        "probes": {str(each): _probed(true, (wanted, given), each) for each in probes},
    }


def _intrusions(depths: Sequence[np.ndarray], numbers: np.ndarray) -> Errors:
    true, given = (float(each.max()) for each in depths)
    return {
        "intrusion_true": true,
        "intrusion_predicted": given,
        "intrusion_error": 100 * abs(given - true) / max(abs(true), 1e-9),
        "intrusion_node": [int(numbers[each.max(0).argmax()]) for each in depths],
    }


def _energies(predicted: CrashSeries, true: CrashSeries) -> Errors:
    """By time, J; nothing where a file has no plastic strain."""
    if not all(STRAIN in each.read(0).cell_fields for each in (true, predicted)):
        return {}
    found = {}
    for name, each in (("true", true), ("predicted", predicted)):
        part = from_series(replace(each, features=true.features), Setup(held="ends"))
        found[f"energy_{name}"] = absorbed_energy(part).tolist()
    return found


def _probed(true: CrashSeries, moved: Sequence[np.ndarray], number: int) -> Errors:
    """The true and the predicted motion of a node, by its number in the file."""
    at = np.flatnonzero(true.mesh.node_ids == number)
    if not len(at):
        raise RecipeError(
            f"probe {number}", "the file has no node of that number", "Choose another"
        )
    names = ("true", "predicted")
    motions = [probe(true.times, each, int(at[0])) for each in moved]
    return {
        name: {key: value.tolist() for key, value in motion._asdict().items()}
        for name, motion in zip(names, motions, strict=True)
    }


def text(errors: Errors, unit_of_length: str) -> str:
    """The errors as lines for a terminal."""
    names = [name.removeprefix("intrusion_") for name in errors["by_time"]]
    rows = [" ".join(f"{name:>16}" for name in ("time", *names)) + f"  ({unit_of_length}, J)"]
    columns = [errors["times"], *errors["by_time"].values()]
    rows += [" ".join(f"{value:>16.4g}" for value in row) for row in zip(*columns, strict=True)]
    true, given = errors["intrusion_node"]
    rows += [
        f"MED {errors['med']:.4g}, relative L2 of positions {errors['rel_l2']:.3g}",
        f"maximum intrusion {errors['intrusion_predicted']:.4g} at node {given}, true "
        f"{errors['intrusion_true']:.4g} at node {true}: off by {errors['intrusion_error']:.2f} %",
    ]
    return "\n".join(rows)


def draw(
    predicted: CrashSeries, true: CrashSeries, errors: Errors, folder: Path, *, overwrite: bool
) -> None:
    """Write the deformed shape, the curves and an animation into a folder.

    Args:
        predicted: of the same mesh and times.
        true: what came about.
        errors: of `compare`.
        folder: made where it is missing.
        overwrite: replace files that are there.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
    """
    mesh, times = true.mesh, np.asarray(errors["times"])
    last = [each.read(len(times) - 1).displacement for each in (true, predicted)]
    by_time = {name: np.asarray(values) for name, values in errors["by_time"].items()}
    lines = {"true": by_time["intrusion_true"], "predicted": by_time["intrusion_predicted"]}
    length, time = mesh.units.length, mesh.units.time
    figures = {
        "deformed": deformed(mesh.points, mesh.cells, *last, title=f"at {times[-1]:g} {time}"),
        "intrusion": over_time(times, lines, label=f"maximum intrusion, {length}", unit=time),
        "error": over_time(
            times, {"MED": by_time["med"]}, label=f"mean distance, {length}", unit=time
        ),
    }
    for name, figure in figures.items():
        with atomic_path(folder / f"{name}.png", overwrite=overwrite) as part:
            figure.savefig(part, dpi=120)
    histories = {"true": true.displacement(), "predicted": predicted.displacement()}
    animate(mesh.points, mesh.cells, histories, folder / "deformed.gif", overwrite=overwrite)
