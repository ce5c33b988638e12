"""The energy that a predicted sheet absorbs, beside that of the simulation and of the impactor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scionwood_crash.evaluation.probes import absorbed_energy
from scionwood_crash.parts.carried import CARRIED
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.series import STRAIN, Setup, factors, from_series

Energies = Mapping[str, list[float]]
"""Lists over time by name: `energy_true` and `energy_predicted`, J."""


def excess(by_time: Energies, impact: float) -> str:
    """Return a sentence on a predicted energy that cannot be right; empty if it can.

    Args:
        by_time: the energies that the sheet absorbs.
        impact: the kinetic energy of the impactor, J; 0 if it is not known.
    """
    absorbed = by_time.get("energy_predicted", [0.0])
    if not 0 < impact < max(absorbed):
        return ""
    return (
        f"The predicted sheet absorbs {max(absorbed):.4g} J, more than the {impact:.4g} J of the "
        "impactor: the prediction is wrong."
    )


def energy_rows(by_time: Energies, impact: float) -> list[tuple[str, ...]]:
    """Return the energies as rows: name, simulated, predicted, error; see `excess`."""
    if "energy_true" not in by_time:
        return []
    pair = [max(by_time[f"energy_{name}"]) for name in ("true", "predicted")]
    share = f"{100 * abs(pair[1] - pair[0]) / pair[0]:.0f} %" if pair[0] else ""
    rows = [("absorbed energy (estimate), J", *(f"{value:.4g}" for value in pair), share)]
    if impact:
        flag = "exceeded" if excess(by_time, impact) else ""
        rows.append(("energy of the impactor, J", f"{impact:.4g}", "", flag))
    return rows


def impact_energy(simulated: CrashSeries) -> float:
    """Return the kinetic energy of the impactor that a file states, J; 0 if it states none."""
    length, time, mass = factors(simulated.mesh.units)
    names = ("impactor_mass", "impactor_speed")
    weight, speed = (simulated.features.get(name, 0.0) for name in names)
    return float(0.5 * weight * mass * (speed * length / time) ** 2)


def energies(predicted: CrashSeries, simulated: CrashSeries) -> dict[str, list[float]]:
    """Return energies by time, J; nothing if a file has no plastic strain."""
    if not all(STRAIN in history.read(0).cell_fields for history in (simulated, predicted)):
        return {}
    energies = {}
    features = {name: value for name, value in simulated.features.items() if name != CARRIED}
    for name, series in (("true", simulated), ("predicted", predicted)):
        part = from_series(replace(series, features=features), Setup(clamped="ends"))
        energies[f"energy_{name}"] = absorbed_energy(part).tolist()
    return energies
