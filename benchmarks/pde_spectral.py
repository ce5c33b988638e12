"""Models of dynamics on eight flows at equal CPU seconds, and what validation chooses.

    python benchmarks/pde_spectral.py --flows k2w d2w --seeds 0
    python benchmarks/pde_spectral.py --ablations

Flows: plane vorticity, forced (k2w) and decaying (d2w); the velocity of k2w (k2u); Kuramoto and
Sivashinsky in two dimensions and in one (ks2, ks1); Gray and Scott (gs2); Burgers (bu2); the forced
velocity on 32^3 points (k3d). 12 trajectories train, 3 choose, 5 test. Each network has 4 s for
each of three rates, of which the next state of the validation chooses one, and then 20 s. All
rollouts have the energy cap. The seed is that of data, weights and samples. `two, 10 s each` is the
mixture of `spectral` and `unet` at the rates that they had, in 20 s together. The settings were
committed before the first row. States lie in `--work`; see `pde_flows.py`, which needs exponax to
make them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pde_flows import flow_of
from runner import SEEDS, Row, Table, option, out, parsed
from torch import Tensor

from scionwood_pde.backbones import SpectralForecast
from scionwood_pde.evaluation.candidates import (
    NETWORKS,
    Flow,
    compared,
    forecast,
    mixed,
    scores,
    trained,
)
from scionwood_pde.evaluation.modes import Modes

FLOWS = ("k2w", "d2w", "k2u", "ks2", "gs2", "bu2", "ks1", "k3d")
FORCED = {"k2w": 4, "k2u": 4, "k3d": 2}
TRAIN, VAL = 12, 15  # ends of the splits of 20 trajectories
SECONDS = 20.0
PARTS: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "no features": {"features": ()},
    "no symbols after": {"after": "none"},
    "no linear part": {"linear": False},
    "neither": {"features": (), "after": "none"},
}
ABLATED = ("k2w", "k2u", "ks2")


def data_of(name: str, seed: int, work: Path) -> tuple[Flow, Tensor]:
    """Return the flow with its options, and the test trajectories."""
    states = torch.from_numpy(flow_of(name, seed, work))
    axes = (0, 1, *range(3, states.ndim))
    mean, std = (f(states[:TRAIN], axes, keepdim=True) for f in (torch.mean, torch.std))
    states = (states - mean) / std
    modes = Modes(states.shape[3:], (True,) * (states.ndim - 3))
    mode = FORCED.get(name)
    options = {} if mode is None else {"forced_axis": "y", "forced_mode": mode}
    std_of_fields = tuple(std.flatten().tolist())
    return Flow(states[:TRAIN], states[TRAIN:VAL], modes, std_of_fields, options), states[VAL:]


def rows_of(name: str, seed: int, work: Path) -> Iterator[Row]:
    """Yield the rows of all candidates of a flow, and those of the mixture in the same seconds."""
    flow, test = data_of(name, seed, work)
    begin = time.process_time()
    rows = compared(flow, test, seconds=SECONDS, seed=seed)
    yield from ({**row, "part": ""} for row in rows)
    rates = {row["candidate"]: row["rate"] for row in rows}
    models = [
        trained(NETWORKS[title], flow, float(rates[title]), SECONDS / 2, seed)
        for title in ("spectral", "unet")
    ]
    pair = mixed(models, flow)
    errors = [scores(forecast(pair, states, 0), states)["next"] for states in (flow.val, test)]
    yield {
        "horizon": "next",
        "candidate": "two, 10 s each",
        "weight": pair.weights[0],
        "validation": errors[0],
        "test": errors[1],
    }
    if name == "k3d":  # the model that the velocity suits, with Leray's projection
        projected = Flow(
            flow.train, flow.val, flow.modes, flow.std, {**flow.options, "solenoidal": (0, 1, 2)}
        )
        names = ("filter", "bilinear")
        lines = compared(projected, test, names, seconds=SECONDS, seed=seed)
        yield from (
            {**row, "candidate": "bilinear, projected", "chosen": ""}
            for row in lines
            if row["candidate"] == "bilinear"
        )
    print(name, seed, f"{time.process_time() - begin:.0f} CPU s", flush=True)


def ablations(name: str, seed: int, work: Path) -> Iterator[Row]:
    """Yield the error of the next state without each part, at the rate 0.01 and equal seconds."""
    flow, test = data_of(name, seed, work)
    for part, options in PARTS.items():
        model = trained(partial(SpectralForecast, **options), flow, 1e-2, SECONDS, seed)
        values = [scores(forecast(model, states, 0), states)["next"] for states in (flow.val, test)]
        row: Row = {"horizon": "next", "candidate": "spectral", "part": part, "rate": 1e-2}
        yield {**row, "validation": values[0], "test": values[1]}


def main() -> None:
    """Measure what is missing; a flow and seed is one job."""
    options = parsed(
        __doc__,
        SEEDS,
        option("--flows", nargs="*", choices=FLOWS, default=list(FLOWS)),
        option("--work", type=Path, default=Path("runs/pde_flows")),
        option("--ablations", action="store_true", help="of the parts of pde/spectral only"),
        out("pde_spectral"),
    )
    measure = ablations if options.ablations else rows_of
    part = "all" if options.ablations else ""
    flows = [f for f in options.flows if f in ABLATED or not options.ablations]
    table = Table(options.out)
    jobs = ({"flow": f, "seed": seed, "part": part} for seed in options.seeds for f in flows)
    for job in table.missing(jobs):
        rows = list(measure(job["flow"], job["seed"], options.work))
        texts = [
            {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        ]
        table.add(*({**job, **row} for row in texts))


if __name__ == "__main__":
    main()
