"""Skill of models of dynamics over the best linear filter, at equal CPU seconds of training.

    python benchmarks/pde_dynamics.py                       # all; about three hours on one core
    python benchmarks/pde_dynamics.py --only kolmogorov_flow --seeds 0

Rows that the file of results holds are not measured again, so that a stopped run continues; rows of
another number of CPU seconds are. Seeds of data and weights are the same. The learning rate of each
network is chosen from `RATES`, with 6 s for each, on the validation trajectories of seed `TUNING`
of the forced flow, which no row uses; it holds for all equations. Rows of ten minutes, `LONG`,
choose from `LONG_RATES` by the same rule, with the seconds of `LONG_SEARCH`. All networks get the
same data, noise, projection and forcing, and differ in the network only. The seconds of the forced
flow were chosen in the same way: Tadpole has no skill after 12 s, and 0.37 on the validation
trajectories of `TUNING` after 40 s.

Skill is one minus VRMSE over that of the best linear filter of the same horizon. Filters have all
eight trajectories, also beside a network that has fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pde_dynamics_linear import baselines, blended, filtered_rollout
from pde_dynamics_parts import (
    CASES,
    N_POINTS,
    ONE,
    STEPS,
    Unroll,
    data_of,
    next_error,
    rolled,
    scores,
    trained,
)
from runner import SEEDS, Row, locked, machine, option, out, parsed, read, write
from torch import Tensor

from scionwood_pde.backbones import BilinearForecast, FNOForecast, MixedForecast, UNetForecast
from scionwood_pde.evaluation.filters import FILTERS, Filters, fitted
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.model.forecast import Forecast

RATES = (3e-3, 1e-2)
LONG_RATES = (1e-3, 3e-3, 1e-2)
LONG_SEARCH = {"FNO": 20.0, "U-Net": 60.0, "bilinear": 20.0}
"""CPU seconds for each rate of the long rows: a step of the U-Net takes three of the FNO."""

LONG = 600.0  # CPU seconds of the long rows, which the forced flow has
TUNING = 100  # the seed whose validation trajectories choose the rates
CHOSEN = {
    ("bilinear", False): 1e-2,
    ("Tadpole, mixed", False): 3e-3,
    ("random weights, mixed", False): 3e-3,
    ("FNO", False): 1e-2,
    ("U-Net", False): 3e-3,
    ("FNO", True): 1e-2,
    ("U-Net", True): 1e-3,
    ("bilinear", True): 1e-2,
    ("bilinear, unrolled", True): 3e-3,
    ("U-Net, unrolled", True): 1e-3,
}
"""Rates that the rule chose on the forced flow, by network and whether the row is long. They hold
for all equations."""

FEW = (1, 2, 4)
"""Numbers of trajectories for the few-shot rows, of Kolmogorov flow and the networks `MIXED`."""

BLANK = ("parameters", "rate", "cpu_s", "ms", "next", "6:12", "13:30")
OPERATORS = ("FNO", "U-Net", "bilinear", "bilinear, unrolled", "U-Net, unrolled")
"""Networks of the long rows."""

UNROLL: Mapping[str, Unroll] = {
    "bilinear, unrolled": ((0.2, 1), (0.5, 6), (1.0, 18)),
    "U-Net, unrolled": ((0.2, 1), (0.5, 6), (1.0, 18)),
}
"""Predicted states in the loss of the unrolled rows. On the validation trajectories of `TUNING`,
schedules of up to 8, 12 and 18 states and two rates were tried for `bilinear`. The row has those
with the lowest error at 13:30 whose skill at the next step was at least 0.4. The U-Net has the same
schedule, at its own rate."""

MIXED = ("bilinear", "Tadpole, mixed", "random weights, mixed")

NETWORKS: Mapping[str, Callable[..., Forecast]] = {
    "bilinear": BilinearForecast,
    "bilinear, unrolled": BilinearForecast,
    "U-Net, unrolled": UNetForecast,
    "Tadpole, mixed": partial(MixedForecast, weights="shipped"),
    "random weights, mixed": MixedForecast,
    "FNO": FNOForecast,
    "U-Net": UNetForecast,
}


def network_rows(
    title: str, name: str, seed: int, n: int, lr: float, seconds: float, filters: Filters
) -> dict[str, Row]:
    """Train a network, and return its rows: rolled out, and for some also blended."""
    data = data_of(name, seed)
    unroll = UNROLL.get(title, ONE)
    model = trained(NETWORKS[title], name, seed, n, lr, seconds, unroll=unroll)
    cost: Row = {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "rate": lr,
        "cpu_s": seconds,
    }

    def step(x: Tensor) -> Tensor:
        return model.limited(model(x))

    test, val = data.trajectories("test"), data.trajectories("val")
    if n < 8:
        return {title: {"next": f"{next_error(model, test):.4f}"} | cost}
    trajectories = rolled(step, test[:2])
    rows = {title: scores(model, trajectories, test) | cost}
    if title == "bilinear" or seconds == LONG:
        mean = data.trajectories("train").mean((0, 1))
        linear, other = (
            filtered_rollout(filters, "shell by horizon", states[:2, 1]) for states in (test, val)
        )
        weights = blended(rolled(step, val), other, val[:, 2 : 2 + STEPS], mean)
        mixed = [
            mean + float(a) * (trajectories[:, i] - mean) + float(b) * (linear[:, i] - mean)
            for i, (a, b) in enumerate(weights)
        ]
        rows[f"{title}, blended"] = scores(model, torch.stack(mixed, dim=1), test) | cost
    return rows


def chosen_rate(title: str, seconds: float) -> float:
    """Return the rate with the lowest error on the validation trajectories of the tuning seed."""
    name, make = "kolmogorov_flow", NETWORKS[title]
    val = data_of(name, TUNING).trajectories("val")
    rates, item = (LONG_RATES, LONG_SEARCH[title]) if seconds == LONG else (RATES, 6.0)
    errors = {lr: next_error(trained(make, name, TUNING, 8, lr, item), val) for lr in rates}
    print(f"{title}, {seconds} s: validation errors by rate {errors}", flush=True)
    return min(errors, key=errors.__getitem__)


def plan(
    names: Sequence[str], seeds: Sequence[int], networks: Sequence[str], few: Sequence[int]
) -> Iterator[tuple[str, str, int, int, float]]:
    """Yield (equation, network, seed, training trajectories, CPU seconds)."""
    for name in names:
        for seed in seeds:
            for title in ("", *(network for network in networks if network not in UNROLL)):
                yield name, title, seed, 8, CASES[name].seconds
        for seed in seeds if name == "kolmogorov_flow" else ():
            for n in few:
                for title in (network for network in MIXED if network in networks):
                    yield name, title, seed, n, CASES[name].seconds


def long_plan(
    seeds: Sequence[int], networks: Sequence[str]
) -> Iterator[tuple[str, str, int, int, float]]:
    """Yield the rows of ten minutes on the forced flow, as `plan` does."""
    for seed in seeds:
        for title in (name for name in OPERATORS if name in networks):
            yield "kolmogorov_flow", title, seed, 8, LONG


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
    """Return the rows of a file that count: filters, solvers, and networks with CPU seconds."""
    return [
        row
        for row in read(path)
        if row["cpu_s"] in ("", str(CASES[row["equation"]].seconds), str(LONG))
    ]


def main() -> None:
    """Measure what is missing, print each row, and write after each of them."""
    options = parsed(
        __doc__,
        SEEDS,
        option("--only", nargs="*", choices=list(CASES), default=list(CASES)),
        option("--networks", nargs="*", choices=list(NETWORKS), default=list(NETWORKS)),
        option("--few", type=int, nargs="*", default=list(FEW)),
        out("pde_dynamics"),
        option("--long", action="store_true", help="the rows of ten minutes only"),
    )
    planned = (
        long_plan(options.seeds, options.networks)
        if options.long
        else plan(options.only, options.seeds, options.networks, options.few)
    )
    for name, title, seed, n, seconds in planned:
        rows = measured(options.out)
        if (name, title or "persistence", seed, n, seconds if title else "") in map(_key, rows):
            continue
        data = data_of(name, seed)
        filters = fitted(list(data.trajectories("train")), Modes((N_POINTS,) * 3, (True,) * 3))
        new = (
            network_rows(title, name, seed, n, _rate(title, seconds), seconds, filters)
            if title
            else baselines(name, seed, filters)
        )
        _add(options.out, new, {"equation": name, "seed": seed, "n": n})


def _key(row: Row) -> tuple[Any, ...]:
    """Return what makes a row: equation, method, seed, trajectories and CPU seconds."""
    seconds = float(str(row["cpu_s"])) if row["cpu_s"] else ""
    return row["equation"], row["method"], int(str(row["seed"])), int(str(row["n"])), seconds


def _rate(title: str, seconds: float) -> float:
    """Return the rate of a network: that of `CHOSEN`, or a new choice."""
    rate = CHOSEN.get((title, seconds == LONG))
    return rate if rate is not None else chosen_rate(title, seconds)


def _add(path: Path, new: Mapping[str, Row], job: Row) -> None:
    """Print rows, and add them to those of the file, which another process may have changed."""
    with locked(path):
        rows = measured(path)
        for method, row in new.items():
            blank: Row = dict.fromkeys(BLANK, "")
            print(job, method, row, flush=True)
            parts: Row = {"device": "cpu", "equation": job["equation"], "method": method}
            rows.append(parts | job | blank | row | machine())
        write(path, with_skill(rows))


if __name__ == "__main__":
    main()
