"""Compare a prediction with a simulation: errors by time and of the whole history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from scionwood import RecipeError
from scionwood_crash.evaluation.absorbed import energies, energy_rows, impact_energy
from scionwood_crash.evaluation.edges import shell_edges
from scionwood_crash.evaluation.impulse import impulse_rows, impulses
from scionwood_crash.evaluation.intervals import FEATURES
from scionwood_crash.evaluation.probes import CFC, filtered, probe
from scionwood_crash.model.novelty import DISTANCE, LIMIT, verdict
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import unit
from scionwood_crash.parts.series import factors

EDGES = {"edge strain, mean": "mean", "edge strain, 99th percentile": "p99", "ripple": "ripple"}
USABLE = 25.0
"""Percent; probes with a larger error of the acceleration are marked."""

Motion = dict[str, list[list[float]]]
"""`displacement`, `velocity` and `acceleration`, (frame, 3) each."""


class Errors(TypedDict):
    """The errors of a predicted history; names that end in `_true` belong to the reference.

    Attributes:
        times: times of the states.
        direction: (3,), direction of the impact, unit length.
        by_time: lists over time: `med`, the mean Euclidean distance over nodes; `intrusion_true`
            and `intrusion_predicted`, the largest displacement along the impact; `energy_true` and
            `energy_predicted`, J, if both files have plastic strain; and `force`, kN,
            `deceleration`, g, and `kinetic`, J, of the obstacle, if its mass and speed are stated;
            see `impulse`.
        impact_energy: kinetic energy of the impactor, J; 0 if the file does not state it.
        med: mean Euclidean distance over nodes and times.
        med_share: `med` in percent of the maximum intrusion of the reference.
        intrusion_true: maximum intrusion of the reference.
        intrusion_predicted: maximum intrusion of the prediction.
        intrusion_error: error of the maximum intrusion, percent.
        intrusion_node: node of the maximum intrusion in the reference and in the prediction.
        rel_l2: relative L2 error of positions from the centre of the part.
        edges: `mean` and `p99` of the absolute strain of edges, and the `ripple`, in the last
            state; simulated and predicted.
        interval: `low`, `high`, `radius` and `level` of a calibrated run, or nothing; the radius
            covers 95 % of the nodes at the last state.
        probes: motions `true` and `predicted` by the number of the node.
        accelerations: error of the largest acceleration along the impact by the number of the
            probe, percent, after a filter of class 60 of SAE J211. A probe is left out if the
            states are too few or too far apart for the filter.
        familiar: whether the network knew parts like this one, or did not measure it.
        familiarity: a sentence about this.

    Example:
        >>> import numpy as np
        >>> from scionwood_crash import CrashSeries, Errors, ShellMesh, evaluate_series
        >>> points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
        >>> mesh = ShellMesh.build(points, np.array([[0, 1, 2, 3]]), 1.5)
        >>> motion = np.zeros((3, 4, 3))  # the nodes 0 and 1 stand still
        >>> motion[:, 2:, 2] = np.linspace(0, -5, 3)[:, None]
        >>> series = CrashSeries.from_arrays(mesh, np.arange(3.0), motion)
        >>> errors: Errors = evaluate_series(series, series)
        >>> errors["med"], errors["intrusion_true"]
        (0.0, 5.0)
    """

    times: list[float]
    direction: list[float]
    by_time: dict[str, list[float]]
    impact_energy: float
    med: float
    med_share: float
    intrusion_true: float
    intrusion_predicted: float
    intrusion_error: float
    intrusion_node: list[int]
    rel_l2: float
    edges: dict[str, list[float]]
    interval: dict[str, float]
    probes: dict[str, dict[str, Motion]]
    accelerations: dict[str, float]
    familiar: bool
    familiarity: str


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
        The errors. Without `probes`, the motion is that of the node of the maximum intrusion, if
        there are at least three states.

    Raises:
        RecipeError: nodes or times differ, or a probe does not exist.
    """
    _check_alike(predicted, simulated)
    moved_predicted, moved_simulated = predicted.displacement(), simulated.displacement()
    along = unit(np.asarray(direction, np.float64))
    depths = [motion @ along for motion in (moved_simulated, moved_predicted)]
    reference, depth = (float(curve.max()) for curve in depths)
    largest = max(abs(reference), 1e-9)
    nodes = [int(simulated.mesh.node_ids[curve.max(0).argmax()]) for curve in depths]
    med = np.linalg.norm(moved_predicted - moved_simulated, axis=2).mean(1)
    place = simulated.mesh.points - simulated.mesh.points.mean(0) + moved_simulated
    followed = probes or (nodes[:1] if len(simulated) > 2 else [])
    familiar, familiarity = _familiarity(predicted.features)
    moved = {
        str(node): _probed(simulated, (moved_simulated, moved_predicted), node) for node in followed
    }
    shapes = [
        shell_edges(simulated.mesh.points, simulated.mesh.cells, motion[-1])
        for motion in (moved_simulated, moved_predicted)
    ]
    return Errors(
        times=simulated.times.tolist(),
        direction=along.tolist(),
        by_time={
            "med": med.tolist(),
            "intrusion_true": depths[0].max(1).tolist(),
            "intrusion_predicted": depths[1].max(1).tolist(),
            **energies(predicted, simulated),
            **impulses(simulated, {"true": depths[0].max(1), "predicted": depths[1].max(1)}),
        },
        impact_energy=impact_energy(simulated),
        med=float(med.mean()),
        med_share=100 * float(med.mean()) / largest,
        intrusion_true=reference,
        intrusion_predicted=depth,
        intrusion_error=100 * abs(depth - reference) / largest,
        intrusion_node=nodes,
        rel_l2=float(
            np.sqrt(np.square(moved_predicted - moved_simulated).sum() / np.square(place).sum())
        ),
        edges={name: [shape[name] for shape in shapes] for name in shapes[0]},
        interval=_interval(predicted.features),
        probes=moved,
        accelerations=_accelerations(simulated, moved, along),
        familiar=familiar,
        familiarity=familiarity,
    )


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
    depths = [f"{depth:.4g}" for depth in (errors["intrusion_true"], errors["intrusion_predicted"])]
    nodes = [_place(simulated, number) for number in errors["intrusion_node"]]
    return [
        (f"maximum intrusion, {length}", *depths, f"{errors['intrusion_error']:.2f} %"),
        ("at", *nodes, ""),
        (f"MED, {length}", "", "", f"{errors['med']:.4g}"),
        ("MED / maximum intrusion", "", "", f"{errors['med_share']:.2f} %"),
        ("relative L2 of positions", "", "", f"{errors['rel_l2']:.3g}"),
        *energy_rows(errors["by_time"], errors["impact_energy"]),
        *impulse_rows(errors["by_time"]),
        *_interval_rows(errors, length),
        *(_edge_row(name, key, errors) for name, key in EDGES.items()),
        *(
            (f"acceleration of node {node}, CFC {CFC}", "", "", _usable(error))
            for node, error in errors["accelerations"].items()
        ),
    ]


def _edge_row(name: str, key: str, errors: Errors) -> tuple[str, ...]:
    true, predicted = errors["edges"][key]
    return name, f"{true:.3g}", f"{predicted:.3g}", f"x {predicted / true:.2f}" if true else ""


def _interval_rows(errors: Errors, length: str) -> list[tuple[str, ...]]:
    interval = errors["interval"]
    if not interval:
        return []
    inside = interval["low"] <= errors["intrusion_true"] <= interval["high"]
    level, radius = f"{interval['level']:.0%}", f"{interval['radius']:.3g}"
    ends = f"{interval['low']:.4g} to {interval['high']:.4g}"
    return [
        (f"{level} interval of the intrusion, {length}", "", ends, "" if inside else "missed"),
        (f"{level} bound for 95 % of the nodes, {length}", "", radius, ""),
    ]


def _usable(error: float) -> str:
    return f"{error:.0f} %" + ("" if error <= USABLE else ": not to be used")


def _interval(features: Mapping[str, float]) -> dict[str, float]:
    """Return the interval that `predict` noted."""
    if any(name not in features for name in FEATURES):
        return {}
    names = ("low", "high", "radius", "level")
    return {name: features[key] for name, key in zip(names, FEATURES, strict=True)}


def _accelerations(
    simulated: CrashSeries, probes: Mapping[str, Mapping[str, Motion]], along: np.ndarray
) -> dict[str, float]:
    """Return the errors of the largest filtered accelerations, percent."""
    times = simulated.times * factors(simulated.mesh.units)[1]
    errors = {}
    for node, motions in probes.items():
        lines = [
            np.asarray(motions[name]["acceleration"]) @ along for name in ("true", "predicted")
        ]
        try:
            true, predicted = (float(np.abs(filtered(times, line)).max()) for line in lines)
        except RecipeError:  # too few states, or too far apart: the report shows them unfiltered
            continue
        errors[node] = 100 * abs(predicted - true) / max(true, 1e-12)
    return errors


def _place(series: CrashSeries, number: int) -> str:
    point = series.mesh.points[int(np.flatnonzero(series.mesh.node_ids == number)[0])]
    return f"node {number} at ({', '.join(f'{x:.4g}' for x in point)})"


def _check_alike(predicted: CrashSeries, simulated: CrashSeries) -> None:
    pair = (predicted, simulated)
    shapes = [(len(series.mesh.points), len(series.times)) for series in pair]
    equal = shapes[0] == shapes[1]
    if not equal or not np.allclose(predicted.times, simulated.times, rtol=1e-3, atol=1e-6):
        rule = f"{shapes[0]} nodes and states, and the simulation {shapes[1]}; times must be equal"
        remedy = "Predict on the mesh and at the times of the simulation"
        raise RecipeError("predicted series", rule, remedy)


def _familiarity(features: Mapping[str, float]) -> tuple[bool, str]:
    """Return what `predict` noted about the novelty of the part."""
    if DISTANCE not in features:
        return True, "The novelty of this part was not measured."
    distance, limit = features[DISTANCE], features[LIMIT]
    return distance <= limit, verdict(distance, limit)


def _probed(simulated: CrashSeries, moved: Sequence[np.ndarray], number: int) -> dict[str, Motion]:
    """Return the simulated and the predicted motion of a node, by its number in the file."""
    at = np.flatnonzero(simulated.mesh.node_ids == number)
    if not len(at):
        rule = "the file has no node of this number"
        raise RecipeError(f"probe {number}", rule, "Choose another node")
    motions = [probe(simulated.times, displacement, int(at[0])) for displacement in moved]
    return {
        name: {key: value.tolist() for key, value in motion._asdict().items()}
        for name, motion in zip(("true", "predicted"), motions, strict=True)
    }
