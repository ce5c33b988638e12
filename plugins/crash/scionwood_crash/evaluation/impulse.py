"""Wall force, deceleration and absorbed kinetic energy, from the intrusion over time.

While the obstacle touches the part, the deepest node moves with it. Newton's law then gives the
force from its mass. Histories of states are filtered by a class of SAE J211. At first contact the
node is thrown ahead: in four simulations the peak force is 12 to 35 % above that of the solver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, final

import numpy as np

from scionwood import RecipeError
from scionwood_crash.data.encode import Encoded
from scionwood_crash.evaluation.metrics import intrusion
from scionwood_crash.evaluation.probes import CFC, filtered
from scionwood_crash.evaluation.regression import Regression
from scionwood_crash.model.graph import DURATION, MASS, SPEED
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.series import factors

GRAVITY = 9.80665e-3
"""Standard gravity, mm/ms2."""
SCALARS = {
    f"peak wall force (CFC {CFC}), kN": ("force", 10.0),
    f"peak deceleration (CFC {CFC}), g": ("deceleration", 10.0),
    "absorbed kinetic energy, J": ("kinetic", 5.0),
}
"""The history of each scalar, and the error up to which it is of use, percent."""


def scalar(name: str, values: Sequence[float] | np.ndarray) -> float:
    """Return the scalar of a history: the largest value, or the last of the lost energy.

    The obstacle stops in each impact, so that the largest lost energy is its own.
    """
    return float(values[-1] if name == "kinetic" else max(values))


@final
class Impulse(NamedTuple):
    """What the obstacle feels.

    Attributes:
        force: (frame,), kN.
        deceleration: (frame,), g.
        kinetic: (frame,), J: kinetic energy that the obstacle has lost.
    """

    force: np.ndarray
    deceleration: np.ndarray
    kinetic: np.ndarray


def impulse(times: np.ndarray, depth: np.ndarray, speed: float, mass: float) -> Impulse:
    """Return what the obstacle feels.

    Args:
        times: (frame,), ms, at equal intervals.
        depth: (frame,), mm: the largest displacement along the impact.
        speed: of the obstacle before the impact, m/s.
        mass: of the obstacle, or what stands behind a part that flies, kg.

    Raises:
        RecipeError: the states are too few or too far apart for the filter.
    """
    velocity = np.gradient(depth, times, edge_order=2)
    velocity[0] = speed
    # The ends of a filter bend a slope: only what differs from a constant deceleration is filtered.
    line = np.interp(times, times[[0, -1]], velocity[[0, -1]])
    velocity = line + filtered(times, velocity - line)
    slower = -np.gradient(velocity, times)
    # kg mm/ms2 is a kN, and kg (m/s)2 a J.
    return Impulse(mass * slower, slower / GRAVITY, mass * (speed**2 - velocity**2) / 2)


def impulses(simulated: CrashSeries, depths: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Return histories by name, such as `force_true`; none without mass, speed or enough states.

    Args:
        simulated: states mass and speed of its obstacle.
        depths: (frame,) by `true` and `predicted`, in its unit of length.
    """
    length, time, mass = factors(simulated.mesh.units)
    pair = [simulated.features.get(f"impactor_{name}") for name in ("speed", "mass")]
    if pair[0] is None or pair[1] is None:
        return {}
    body = pair[0] * length / time, pair[1] * mass
    out: dict[str, list[float]] = {}
    for label, depth in depths.items():
        try:
            felt = impulse(simulated.times * time, depth * length, *body)
        except RecipeError:  # the report has no such rows
            return {}
        out |= {f"{name}_{label}": values.tolist() for name, values in felt._asdict().items()}
    return out


def impulse_rows(by_time: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """Return the scalars as rows: name, simulated, predicted, error; a large one is marked."""
    rows: list[tuple[str, ...]] = []
    for title, (name, limit) in SCALARS.items():
        if f"{name}_true" in by_time:
            pair = (by_time[f"{name}_{label}"] for label in ("true", "predicted"))
            true, predicted = (scalar(name, values) for values in pair)
            error = 100 * abs(predicted - true) / max(abs(true), 1e-12)
            mark = "" if error <= limit else f": above {limit:.0f} %"
            rows.append((title, f"{true:.4g}", f"{predicted:.4g}", f"{error:.1f} %{mark}"))
    return rows


def scalars_of(parts: Sequence[Encoded]) -> np.ndarray:
    """Return the scalars of parts with known displacements, (part, scalar).

    Raises:
        RecipeError: as `impulse`.
    """
    rows = []
    for part in parts:
        depth = intrusion(part.displacement, part.graph)[0].double().numpy()
        numbers = part.graph.condition[0].double().exp().numpy()
        times = np.linspace(0, 10 * float(numbers[DURATION]), len(depth))
        felt = impulse(times, depth, 7 * float(numbers[SPEED]), 30 * float(numbers[MASS]))
        rows.append([scalar(name, getattr(felt, name)) for name, _ in SCALARS.values()])
    return np.array(rows)


def scalar_errors(
    parts: Sequence[Encoded], predicted: Sequence[Encoded]
) -> dict[str, dict[str, float]]:
    """Return the median error of each scalar by method, percent; none if histories are too coarse.

    Args:
        parts: three or more, with the displacements of simulations. `log-ridge` is fitted without
            the part that it predicts.
        predicted: the same parts with displacements of the network.
    """
    try:
        true, network = scalars_of(parts), scalars_of(predicted)
    except RecipeError:
        return {}
    ridge = np.empty_like(true)
    for at in range(len(parts)):
        others = [*parts[:at], *parts[at + 1 :]]
        for column in range(true.shape[1]):
            fitted = Regression("log-ridge").fit(others, np.delete(true[:, column], at))
            ridge[at, column] = fitted.predict(parts[at : at + 1])[0]
    return {
        title: {
            name: float(100 * np.median(np.abs(values - true)[:, at] / np.abs(true[:, at])))
            for name, values in (("network", network), ("log-ridge", ridge))
        }
        for at, title in enumerate(SCALARS)
    }
