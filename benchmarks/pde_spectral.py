"""Models of dynamics on eight flows at equal CPU seconds, and what validation chooses.

    python benchmarks/pde_spectral.py --flows k2w d2w --seeds 0
    python benchmarks/pde_spectral.py --train spectral --flows k2w  # one network, in a process
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

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pde_flows import flow_of
from runner import SEEDS, Row, Table, option, out, parsed
from torch import Tensor

from scionwood.authoring import atomic_path
from scionwood_pde.backbones import SpectralForecast
from scionwood_pde.evaluation.candidates import (
    NETWORKS,
    Flow,
    compared,
    forecast,
    mixed,
    scores,
    searched,
    trained,
)
from scionwood_pde.evaluation.horizons import Model
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.model.forecast import Forecast

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
PAIR = ("spectral", "unet")
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


def network(job: str, work: Path) -> tuple[float, Forecast]:
    """Return the rate and the network of a job, trained unless the folder has it.

    Args:
        job: flow, seed and network, such as `k2w 0 spectral`; `spectral 10` and `unet 10` have half
            of the seconds at the rate of the whole ones, and `bilinear projected` is divergence
            free.
        work: the folder of the states.
    """
    name, seed, title, *kind = job.split()
    flow, _ = data_of(name, int(seed), work)
    if kind == ["projected"]:
        flow = replace(flow, options={**flow.options, "solenoidal": (0, 1, 2)})
    path = work / f"{job.replace(' ', '_')}.pt"
    if not path.is_file():
        if kind == ["10"]:
            rate, _ = network(f"{name} {seed} {title}", work)
            model = trained(NETWORKS[title], flow, rate, SECONDS / 2, int(seed))
        else:
            rate, model = searched(NETWORKS[title], flow, seconds=SECONDS, seed=int(seed))
        with atomic_path(path) as part:
            torch.save({"rate": rate, "state": model.state_dict()}, part)
        print(job, rate, flush=True)
    saved = torch.load(path, weights_only=True)
    model = flow.untrained(NETWORKS[title], int(seed))
    model.load_state_dict(saved["state"])
    return saved["rate"], model.eval()


def rows_of(name: str, seed: int, work: Path) -> list[Row]:
    """Return the rows of all candidates of a flow, and those of the mixture in the same seconds."""
    flow, test = data_of(name, seed, work)
    job = f"{name} {seed}"
    rows = compared(flow, {n: network(f"{job} {n}", work) for n in NETWORKS}, test)
    pair = mixed([network(f"{job} {n} 10", work)[1] for n in PAIR], flow)
    models: dict[str, Model] = {"two, 10 s each": pair}
    if name == "k3d":  # the model that the velocity suits, with Leray's projection
        models["bilinear, projected"] = network(f"{job} bilinear projected", work)[1]
    for title, model in models.items():
        errors = [scores(forecast(model, states, 0), states)["next"] for states in (flow.val, test)]
        row: Row = {"horizon": "next", "candidate": title, "rate": "", "weight": ""}
        rows.append({**row, "validation": errors[0], "test": errors[1], "chosen": ""})
    return rows


def ablations(name: str, seed: int, work: Path) -> list[Row]:
    """Return the error of the next state without each part, at the rate 0.01 and equal seconds."""
    flow, test = data_of(name, seed, work)
    rows = []
    for part, options in PARTS.items():
        model = trained(partial(SpectralForecast, **options), flow, 1e-2, SECONDS, seed)
        values = [scores(forecast(model, states, 0), states)["next"] for states in (flow.val, test)]
        row: Row = {"horizon": "next", "candidate": "spectral", "part": part, "rate": 1e-2}
        rows.append({**row, "validation": values[0], "test": values[1]})
    return rows


def main() -> None:
    """Measure what is missing; a flow and seed is one job, and so is each network before."""
    options = parsed(
        __doc__,
        SEEDS,
        option("--flows", nargs="*", choices=FLOWS, default=list(FLOWS)),
        option("--work", type=Path, default=Path("runs/pde_flows")),
        option("--train", nargs="*", default=[], help="networks that are trained, and no rows"),
        option("--ablations", action="store_true", help="of the parts of pde/spectral only"),
        out("pde_spectral"),
    )
    pairs = [(flow, seed) for seed in options.seeds for flow in options.flows]
    if options.train:
        for title in options.train:
            for flow, seed in pairs:
                network(f"{flow} {seed} {title}", options.work)
        return
    measure, part = (ablations, "all") if options.ablations else (rows_of, "")
    pairs = [pair for pair in pairs if pair[0] in ABLATED or not options.ablations]
    table = Table(options.out)
    for job in table.missing({"flow": flow, "seed": seed, "part": part} for flow, seed in pairs):
        rows = measure(job["flow"], job["seed"], options.work)
        texts = ({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in r.items()} for r in rows)
        table.add(*({**job, **row} for row in texts))


if __name__ == "__main__":
    main()
