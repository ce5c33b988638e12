"""Skill of models of dynamics over the best linear filter, at equal CPU seconds of training.

    python benchmarks/pde_dynamics.py                       # all; about three hours on one core
    python benchmarks/pde_dynamics.py --only kolmogorov_flow --seeds 0

Rows that the file of results holds are not measured again, so that a stopped run continues; rows of
another number of CPU seconds are. Seeds of data and weights are the same. The learning rate of each
network is chosen from `RATES` on the validation trajectories of seed `TUNING`, which no row uses.
All networks get the same data, noise, projection and forcing, and
differ in the network only. The seconds of the forced flow were chosen in the same way: Tadpole has
no skill after 12 s, and 0.37 on the validation trajectories of `TUNING` after 40 s.

Skill is one minus VRMSE over that of the best linear filter of the same horizon. Filters have all
eight trajectories, also beside a network that has fewer.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lora.timing import Row, machine, write
from pde_dynamics_parts import (
    CASES,
    N_POINTS,
    STEPS,
    Step,
    data_of,
    next_error,
    rolled,
    scores,
    trained,
)
from pde_solver_coarse import coarse_grid, long_step
from torch import Tensor

from scionwood_pde.backbones import bilinear, fno, tadpole_mixed, unet
from scionwood_pde.evaluation.filters import FILTERS, Filters, fitted
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.model.forecast import Forecast

RESULTS = Path(__file__).parent / "results" / "pde_dynamics.csv"
RATES = (3e-3, 1e-2)
TUNING = 100  # the seed whose validation trajectories choose the rates
CHOSEN = {
    ("kolmogorov_flow", "bilinear"): 1e-2,
    ("kolmogorov_flow", "Tadpole, mixed"): 3e-3,
    ("kolmogorov_flow", "random weights, mixed"): 3e-3,
    ("kolmogorov_flow", "FNO"): 1e-2,
    ("kolmogorov_flow", "U-Net"): 3e-3,
}
"""Rates that the rule chose when it had 6 s for each; they are not chosen again."""

FEW = (1, 2, 4)
"""Numbers of trajectories for the few-shot rows, of Kolmogorov flow and the networks `MIXED`."""

BLANK = ("parameters", "rate", "cpu_s", "ms", "next", "6:12", "13:30")
MIXED = ("bilinear", "Tadpole, mixed", "random weights, mixed")

NETWORKS: Mapping[str, Callable[..., Forecast]] = {
    "bilinear": bilinear,
    "Tadpole, mixed": partial(tadpole_mixed, weights="shipped"),
    "random weights, mixed": tadpole_mixed,
    "FNO": fno,
    "U-Net": unet,
}


def blended(model: Tensor, linear: Tensor, wanted: Tensor, mean: Tensor) -> list[Tensor]:
    """Return the weights of the model and of the filter at each step, fitted by least squares."""
    weights = []
    for step in range(STEPS):
        parts = [(each[:, step] - mean).flatten().double() for each in (model, linear)]
        target = (wanted[:, step] - mean).flatten().double()
        weights.append(torch.linalg.lstsq(torch.stack(parts, 1), target[:, None]).solution[:, 0])
    return weights


def baselines(name: str, seed: int, filters: Filters) -> dict[str, Row]:
    """Return the rows of the filters and of the cheap solvers."""
    case, data = CASES[name], data_of(name, seed)
    test, rows = data.trajectories("test"), {}
    for each in FILTERS:
        made = _filtered_rollout(filters, each, test[:2, 1])
        rows[each] = scores(partial(_filtered, filters, each), made, test)
    mean, std = (
        torch.tensor(values).view(-1, 1, 1, 1)
        for values in (data.normaliser.mean, data.normaliser.std)
    )
    parameters: dict[str, Any] = dict(case.parameters)
    equation = replace(data.equation, **parameters)
    dt = case.interval * equation.INTERVAL

    def shell(x: Tensor) -> Tensor:
        return _filtered(filters, "shell", (x - mean) / std) * std + mean

    solvers = {
        "solver, one long step": long_step(equation, N_POINTS, dt),
        "solver, 24^3": coarse_grid(equation, N_POINTS, dt, shell, coarse=24, substeps=2),
    }
    for title, solve in solvers.items():
        step = partial(_in_units, solve, mean, std)
        rows[title] = scores(step, rolled(step, test[:2]), test)
    return rows


def _filtered_rollout(filters: Filters, name: str, start: Tensor) -> Tensor:
    return torch.stack([_filtered(filters, name, start, h + 1) for h in range(STEPS)], dim=1)


def _filtered(filters: Filters, name: str, x: Tensor, steps: int = 1) -> Tensor:
    return filters.predict(name, x, steps).float()


def _in_units(solve: Step, mean: Tensor, std: Tensor, x: Tensor) -> Tensor:
    return (solve(x * std + mean) - mean) / std


def network_rows(
    title: str, name: str, seed: int, n: int, lr: float, filters: Filters
) -> dict[str, Row]:
    """Train a network, and return its rows: rolled out, and for bilinear also blended."""
    case, data = CASES[name], data_of(name, seed)
    model = trained(NETWORKS[title], name, seed, n, lr, case.seconds)
    cost: Row = {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "rate": lr,
        "cpu_s": case.seconds,
    }

    def step(x: Tensor) -> Tensor:
        return model.limited(model(x))

    test, val = data.trajectories("test"), data.trajectories("val")
    if n < 8:
        return {title: {"next": f"{next_error(model, test):.4f}"} | cost}
    made = rolled(step, test[:2])
    rows = {title: scores(model, made, test) | cost}
    if title == "bilinear":
        mean = data.trajectories("train").mean((0, 1))
        linear, other = (
            _filtered_rollout(filters, "shell by horizon", states[:2, 1]) for states in (test, val)
        )
        weights = blended(rolled(step, val), other, val[:, 2 : 2 + STEPS], mean)
        mixed = [
            mean + float(a) * (made[:, i] - mean) + float(b) * (linear[:, i] - mean)
            for i, (a, b) in enumerate(weights)
        ]
        rows["bilinear, blended"] = scores(model, torch.stack(mixed, dim=1), test) | cost
    return rows


def chosen_rate(title: str, name: str) -> float:
    """Return the rate with the lower error on the validation trajectories of the tuning seed."""
    val = data_of(name, TUNING).trajectories("val")
    make, seconds = NETWORKS[title], CASES[name].seconds
    errors = {lr: next_error(trained(make, name, TUNING, 8, lr, seconds / 2), val) for lr in RATES}
    print(f"{name}, {title}: validation errors by rate {errors}", flush=True)
    return min(errors, key=errors.__getitem__)


def plan(
    names: Sequence[str], seeds: Sequence[int], networks: Sequence[str], few: Sequence[int]
) -> Iterator[tuple[str, str, int, int]]:
    """Yield (equation, network, seed, training trajectories), one equation after the other."""
    for name in names:
        for seed in seeds:
            for title in ("", *networks):
                yield name, title, seed, 8
        for seed in seeds if name == "kolmogorov_flow" else ():
            for n in few:
                for title in MIXED:
                    yield name, title, seed, n


def with_skill(rows: list[Row]) -> list[Row]:
    """Return the rows with the skill over the best linear filter of the same seed and horizon."""
    for row in rows:
        key = (row["equation"], str(row["seed"]))
        linear = [
            r for r in rows if (r["equation"], str(r["seed"])) == key and r["method"] in FILTERS
        ]
        for horizon in ("next", "6:12", "13:30"):
            if row.get(horizon, "") == "":
                continue
            best = min(float(str(r[horizon])) for r in linear)
            row[f"skill {horizon}"] = f"{1 - float(str(row[horizon])) / best:.3f}"
    return rows


def measured(path: Path) -> list[Row]:
    """Return the rows of a file that count: filters, solvers, and networks with the CPU seconds."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [dict(r) for r in rows if r["cpu_s"] in ("", str(CASES[r["equation"]].seconds))]


def main() -> None:
    """Measure what is missing, print each row, and write after each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--few", type=int, nargs="*", default=list(FEW))
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measured(options.results)
    known = {(r["equation"], r["method"], str(r["seed"]), str(r["n"])) for r in rows}
    kept = {(r["equation"], r["method"]): float(str(r["rate"])) for r in rows if r["rate"]}
    rates: dict[tuple[Any, Any], float] = {**kept, **CHOSEN}
    for name, title, seed, n in plan(options.only, options.seeds, options.networks, options.few):
        if (name, title or "persistence", str(seed), str(n)) in known:
            continue
        data = data_of(name, seed)
        filters = fitted(list(data.trajectories("train")), Modes((N_POINTS,) * 3, (True,) * 3))
        if title and (name, title) not in rates:
            rates[name, title] = chosen_rate(title, name)
        made = (
            network_rows(title, name, seed, n, rates[name, title], filters)
            if title
            else baselines(name, seed, filters)
        )
        for method, row in made.items():
            known_to: Row = {
                "device": "cpu",
                "equation": name,
                "method": method,
                "seed": seed,
                "n": n,
            }
            blank: Row = dict.fromkeys(BLANK, "")
            rows.append(known_to | blank | row | machine("cpu"))
            print(name, method, seed, n, row, flush=True)
        write(options.results, with_skill(rows), "cpu")


if __name__ == "__main__":
    main()
