"""A prediction beside the truth, both as series: errors by time."""

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
        `intrusion_predicted`, the largest displacement along the impact; where both have plastic
        strain `energy_true` and `energy_predicted`, J. Of the whole: `med`, `med_share` over the
        true maximum intrusion in percent, `intrusion_error` in percent, `intrusion_node` (true and
        predicted), `rel_l2` of positions from the centre; the motion of each of `probes`, or of the
        node of the true maximum intrusion where there are none and three states or more;
        `familiar` and `familiarity`, what the network said of the part.

    Raises:
        RecipeError: the two differ in nodes or times, or there is no such probe.
    """
    _check_alike(predicted, true)
    given, wanted = predicted.displacement(), true.displacement()
    along = unit(np.asarray(direction, np.float64))
    depths = [each @ along for each in (wanted, given)]
    found = _intrusions(depths, true.mesh.node_ids)
    default = found["intrusion_node"][:1] if len(true) > 2 else []
    by_time = {
        "med": np.linalg.norm(given - wanted, axis=2).mean(1).tolist(),
        "intrusion_true": depths[0].max(1).tolist(),
        "intrusion_predicted": depths[1].max(1).tolist(),
        **_energies(predicted, true),
    }
    med = float(np.mean(by_time["med"]))
    place = true.mesh.points - true.mesh.points.mean(0) + wanted
    return {
        "times": true.times.tolist(),
        "direction": along.tolist(),
        "by_time": by_time,
        "med": med,
        "med_share": 100 * med / max(abs(found["intrusion_true"]), 1e-9),
        **found,
        "rel_l2": float(np.sqrt(np.square(given - wanted).sum() / np.square(place).sum())),
        "probes": {str(e): _probed(true, (wanted, given), e) for e in probes or default},
        **_familiarity(predicted.features),
    }


def _check_alike(predicted: CrashSeries, true: CrashSeries) -> None:
    shapes = [(len(each.mesh.points), len(each.times)) for each in (predicted, true)]
    if shapes[0] != shapes[1] or not np.allclose(predicted.times, true.times, rtol=1e-3, atol=1e-6):
        rule = f"{shapes[0]} nodes and states, and the truth {shapes[1]}; equal times are needed"
        raise RecipeError("predicted series", rule, "Predict on the mesh and times of the truth")


def _familiarity(features: Mapping[str, float]) -> Errors:
    """What `predict` noted: whether the part was like those of the training."""
    if DISTANCE not in features:
        return {"familiar": True, "familiarity": "How new this part is was not measured."}
    distance, limit = features[DISTANCE], features[LIMIT]
    text = verdict(distance, limit)
    return {"familiar": distance <= limit, "familiarity": text}


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
        f"MED {errors['med']:.4g}, {errors['med_share']:.2f} % of the maximum intrusion; "
        f"relative L2 of positions {errors['rel_l2']:.3g}",
        f"maximum intrusion {errors['intrusion_predicted']:.4g} at node {given}, true "
        f"{errors['intrusion_true']:.4g} at node {true}: off by {errors['intrusion_error']:.2f} %",
    ]
    rows.append(str(errors["familiarity"]))
    return "\n".join(rows)
