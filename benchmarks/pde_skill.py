"""Measure what linear filters predict of each equation, and the skill of the shipped runs.

    python benchmarks/pde_skill.py                     # about five minutes on one core
    python benchmarks/pde_skill.py --only burgers

The filters are fitted on `--train` trajectories; the test has other seeds. Nothing is tuned. The
shipped runs predict Burgers' equation, each at its own step and with the diffusivity of its recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
import xarray as xr
from runner import Row, machine, option, out, parsed, printed, write

import scionwood_pde as pde
from scionwood_pde.evaluation.filters import FILTERS
from scionwood_pde.readers.states import from_simulation
from scionwood_pde.solvers import simulate
from scionwood_pde.solvers.registry import equation_class

SHIPPED = "shipped run"


class Case(NamedTuple):
    """An equation, its parameters that are not drawn, its frames, and a run that predicts it."""

    parameters: Mapping[str, float] = {}
    interval: float = 1.0  # time between frames, relative to the equation's own
    skip: int = 0  # frames dropped at the beginning, until the flow is turbulent
    run: str = ""
    equation: str = ""  # if it is not the name of the case


FORCED = {"viscosity": 0.05, "forcing": 3.0, "forcing_mode": 4}
CASES: Mapping[str, Case] = {
    "burgers": Case(run="pde/burgers"),
    "burgers, diffusivity 0.01": Case({"diffusivity": 0.01}, 2.0, 0, "pde/dynamics", "burgers"),
    "kolmogorov_flow": Case(FORCED, 2.5, 40),
    "navier_stokes": Case(),
    "kuramoto_sivashinsky": Case(),
    "gray_scott": Case(),
    "advection_diffusion": Case(),
}
FRAMES = 15


def states_of(name: str, n: int, seed: int) -> xr.DataArray:
    """Return trajectories of an equation, (sample, time, channel, 32, 32, 32)."""
    generator, case = torch.Generator().manual_seed(seed), CASES[name]
    kind = equation_class(case.equation or name)
    parameters = {key: type(getattr(kind(), key))(value) for key, value in case.parameters.items()}
    equation = replace(kind().drawn(generator, n), **parameters)
    dt = kind.INTERVAL * case.interval
    run = simulate(equation, 32, 3, case.skip + FRAMES - 1, dt, n, generator, 3)
    return from_simulation(run).isel(time=slice(case.skip, None))


def measured(name: str, train: int, test: int) -> list[Row]:
    """Return the error of each filter by horizon, and that of a shipped run if there is one."""
    training, reference = states_of(name, train, 0), states_of(name, test, 1)
    run, predicted = CASES[name].run, reference
    if run:
        predicted = pde.rollout(reference, options=pde.RolloutOptions(run=run, steps=FRAMES - 1))
    rows: list[Row] = []
    for row in pde.evaluate(predicted, reference, training=training):
        if "skill" not in row:
            continue
        scores = {item: row[item] for item in FILTERS}
        if run:
            scores |= {SHIPPED: row["vrmse"]}
        best = min(float(row[item]) for item in FILTERS)
        for method, error in scores.items():
            rows.append(
                {
                    "device": "cpu",
                    "equation": name,
                    "field": row["field"],
                    "horizon": row["horizon"],
                    "method": method,
                    "vrmse": f"{float(error):.5g}",
                    "skill": f"{1 - float(error) / best:.4g}",
                    "trajectories": train,
                    **machine(),
                }
            )
    return rows


def main() -> None:
    options = parsed(
        __doc__,
        option("--only", nargs="*", choices=list(CASES), default=list(CASES)),
        option("--train", type=int, default=8),
        option("--test", type=int, default=2),
        out("pde_skill"),
    )
    rows: list[Row] = []
    for name in options.only:
        rows += printed(measured(name, options.train, options.test))
        write(options.out, rows)  # so that an interrupted benchmark keeps its rows


if __name__ == "__main__":
    main()
