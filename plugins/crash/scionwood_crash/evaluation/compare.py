"""Compare a prediction with a simulation: errors by time and of the whole history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scionwood import RecipeError
from scionwood_crash.evaluation.probes import absorbed_energy, probe
from scionwood_crash.model.novelty import DISTANCE, LIMIT, verdict
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import unit
from scionwood_crash.parts.series import STRAIN, Setup, from_series

Errors = dict[str, Any]
"""Errors by name; `compare` lists them. The reference has the names that end in `_true`."""


def compare(
    predicted: CrashSeries,
    simulated: CrashSeries,
    direction: np.ndarray,
    probes: Sequence[int] = (),
) -> Errors:
    """Return the errors of a predicted history, in the unit of length of the files.

    Args:
        predicted: the prediction, with the mesh and the times of `simulated`.
        simulated: the reference.
        direction: (3,), direction of the impact.
        probes: node numbers of the reference file.

    Returns:
        `by_time` holds lists over time: `med`, the mean Euclidean distance over nodes;
        `intrusion_true` and `intrusion_predicted`, the largest displacement along the impact; and
        `energy_true` and `energy_predicted`, J, if both files have plastic strain.

        Of the whole history: `med`; `med_share`, the MED in percent of the maximum intrusion of
        the reference; `intrusion_error`, percent; `intrusion_node`, the nodes of the maximum
        intrusion (reference, prediction); `rel_l2`, the relative L2 error of positions from the
        centre of the part.

        `probes` holds the motion of each probe. Without probes it is that of the node of the
        maximum intrusion, if there are at least three states. `familiar` and `familiarity` say
        whether the network knew parts like this one.

    Raises:
        RecipeError: nodes or times differ, or a probe does not exist.
    """
    _check_alike(predicted, simulated)
    given, wanted = predicted.displacement(), simulated.displacement()
    along = unit(np.asarray(direction, np.float64))
    depths = [each @ along for each in (wanted, given)]
    intrusions = _intrusions(depths, simulated.mesh.node_ids)
    default = intrusions["intrusion_node"][:1] if len(simulated) > 2 else []
    by_time = {
        "med": np.linalg.norm(given - wanted, axis=2).mean(1).tolist(),
        "intrusion_true": depths[0].max(1).tolist(),
        "intrusion_predicted": depths[1].max(1).tolist(),
        **_energies(predicted, simulated),
    }
    med = float(np.mean(by_time["med"]))
    place = simulated.mesh.points - simulated.mesh.points.mean(0) + wanted
    return {
        "times": simulated.times.tolist(),
        "direction": along.tolist(),
        "by_time": by_time,
        "med": med,
        "med_share": 100 * med / max(abs(intrusions["intrusion_true"]), 1e-9),
        **intrusions,
        "rel_l2": float(np.sqrt(np.square(given - wanted).sum() / np.square(place).sum())),
        "probes": {str(e): _probed(simulated, (wanted, given), e) for e in probes or default},
        **_familiarity(predicted.features),
    }


def time_columns(errors: Errors) -> list[str]:
    """Return the headings of `time_rows`."""
    names = ["time", *errors["by_time"]]
    return [name.replace("_true", " simulated").replace("_", " ") for name in names]


def time_rows(errors: Errors) -> list[list[str]]:
    """Return the errors by time as rows of a table."""
    columns = [errors["times"], *errors["by_time"].values()]
    return [[f"{value:.4g}" for value in row] for row in zip(*columns, strict=True)]


def summary_rows(simulated: CrashSeries, errors: Errors) -> list[tuple[str, ...]]:
    """Return the errors of the whole history as rows: name, simulated, predicted, error.

    Args:
        simulated: the reference, which gives the unit of length and the place of nodes.
        errors: the result of `compare`.
    """
    length = simulated.mesh.units.length
    depths = [f"{errors[f'intrusion_{name}']:.4g}" for name in ("true", "predicted")]
    nodes = [_place(simulated, number) for number in errors["intrusion_node"]]
    return [
        (f"maximum intrusion, {length}", *depths, f"{errors['intrusion_error']:.2f} %"),
        ("at", *nodes, ""),
        (f"MED, {length}", "", "", f"{errors['med']:.4g}"),
        ("MED / maximum intrusion", "", "", f"{errors['med_share']:.2f} %"),
        ("relative L2 of positions", "", "", f"{errors['rel_l2']:.3g}"),
    ]


def _place(series: CrashSeries, number: int) -> str:
    point = series.mesh.points[int(np.flatnonzero(series.mesh.node_ids == number)[0])]
    return f"node {number} at ({', '.join(f'{x:.4g}' for x in point)})"


def _check_alike(predicted: CrashSeries, simulated: CrashSeries) -> None:
    pair = (predicted, simulated)
    shapes = [(len(each.mesh.points), len(each.times)) for each in pair]
    equal = shapes[0] == shapes[1]
    if not equal or not np.allclose(predicted.times, simulated.times, rtol=1e-3, atol=1e-6):
        rule = f"{shapes[0]} nodes and states, and the simulation {shapes[1]}; times must be equal"
        remedy = "Predict on the mesh and at the times of the simulation"
        raise RecipeError("predicted series", rule, remedy)


def _familiarity(features: Mapping[str, float]) -> Errors:
    """Return what `predict` noted about the novelty of the part."""
    if DISTANCE not in features:
        return {"familiar": True, "familiarity": "The novelty of this part was not measured."}
    distance, limit = features[DISTANCE], features[LIMIT]
    return {"familiar": distance <= limit, "familiarity": verdict(distance, limit)}


def _intrusions(depths: Sequence[np.ndarray], numbers: np.ndarray) -> Errors:
    reference, given = (float(each.max()) for each in depths)
    return {
        "intrusion_true": reference,
        "intrusion_predicted": given,
        "intrusion_error": 100 * abs(given - reference) / max(abs(reference), 1e-9),
        "intrusion_node": [int(numbers[each.max(0).argmax()]) for each in depths],
    }


def _energies(predicted: CrashSeries, simulated: CrashSeries) -> dict[str, list[float]]:
    """Return energies by time, J; nothing if a file has no plastic strain."""
    if not all(STRAIN in each.read(0).cell_fields for each in (simulated, predicted)):
        return {}
    energies = {}
    for name, each in (("true", simulated), ("predicted", predicted)):
        part = from_series(replace(each, features=simulated.features), Setup(clamped="ends"))
        energies[f"energy_{name}"] = absorbed_energy(part).tolist()
    return energies


def _probed(simulated: CrashSeries, moved: Sequence[np.ndarray], number: int) -> Errors:
    """Return the simulated and the predicted motion of a node, by its number in the file."""
    at = np.flatnonzero(simulated.mesh.node_ids == number)
    if not len(at):
        rule = "the file has no node of this number"
        raise RecipeError(f"probe {number}", rule, "Choose another node")
    motions = [probe(simulated.times, each, int(at[0])) for each in moved]
    return {
        name: {key: value.tolist() for key, value in motion._asdict().items()}
        for name, motion in zip(("true", "predicted"), motions, strict=True)
    }
