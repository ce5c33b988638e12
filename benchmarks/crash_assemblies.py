"""Measure what the links of an assembly are worth to a network: spot-welded and loose hats.

    python benchmarks/crash_assemblies.py --work crash-suite

Each network starts from the shipped weights and learns 8 welded and 8 loose assemblies of a hat and
a plate. The test has 12 of each. A network must tell welded from loose pieces by what it is given:
nothing, the welds as edges, or also the strength of all pieces that welds hold together. Results
that exist in the folder are not computed again. Writes benchmarks/results/crash_assemblies.csv,
whose rows of other seeds are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crash_training import WORK, fit, parts
from runner import SEEDS, Row, job_rows, out, parsed, replace_rows
from torch import Tensor

from scionwood_crash.backbones import MaskMorphUNet
from scionwood_crash.data.encode import Encoded, Encoder
from scionwood_crash.evaluation.metrics import distances, intrusion
from scionwood_crash.model import SIZES
from scionwood_crash.parts.part import Part
from scionwood_crash.tasks.displacement import Displacement

SIZE, STEPS, RATE = "small", 80, 1e-3
POOL, TEST, SHOTS = 12, 12, 8
WELDED, LOOSE = "hat_plate", "hat_plate_loose"
VARIANTS = ("no connections", "weld edges", "weld edges and strength of the whole")


def encoded(part: Part, variant: str) -> Encoded:
    """Return an assembly with what a variant tells the network."""
    alone = Encoder(SIZES[SIZE], between="none").encode(replace(part, links=None))
    if variant == VARIANTS[0]:
        return alone
    linked = Encoder(SIZES[SIZE]).encode(part)
    if variant == VARIANTS[2]:
        return linked
    return linked._replace(graph=linked.graph._replace(condition=alone.graph.condition))


def trained(data: list[Encoded], seed: int) -> Displacement:
    """Return a network that was trained on some assemblies, all weights."""
    torch.manual_seed(seed)
    model = MaskMorphUNet(size=SIZE, weights="shipped", links=True, init_seed=seed)
    task = Displacement(model)
    loss: Callable[[dict[str, Any]], Tensor] = lambda batch: task.losses(batch)["loss"]  # noqa: E731
    fit(loss, model.parameters(), data, seed, steps=STEPS, rate=RATE)
    return task.eval()


@torch.no_grad()
def scores(task: Displacement, part: Encoded) -> list[float]:
    """Return MED and intrusion error of hat and plate, percent of the intrusion of the hat."""
    moved, _ = task.predict({"graph": part.graph})
    pieces = part.graph._replace(assembly=torch.zeros(0, dtype=torch.long))
    predicted, simulated = (intrusion(item, pieces).amax(1) for item in (moved, part.displacement))
    distance = distances(moved, part.displacement, part.graph.batch, len(predicted)).mean(1)
    errors = torch.stack([distance / simulated[0], (predicted - simulated).abs() / simulated], 1)
    return (100 * errors).flatten().tolist()


def rows(variant: str, seed: int, work: Path) -> list[Row]:
    """Train one network, and score it on welded and on loose assemblies."""
    sets = {}
    for name, family in (("welded", WELDED), ("loose", LOOSE)):
        designs = parts(family, work, POOL + TEST, element_size=15.0)
        sets[name] = [encoded(part, variant) for part in designs]
    order = np.random.default_rng([seed, 3]).permutation(POOL)[:SHOTS]
    task = trained([sets[name][at] for at in order for name in sets], seed)
    table: list[Row] = []
    for name, data in sets.items():
        mean = np.mean([scores(task, part) for part in data[POOL:]], 0).tolist()
        cells: Row = {"variant": variant, "seed": seed, "test": name, "designs": len(data[POOL:])}
        names = ("hat_med", "hat_intrusion_error", "plate_med", "plate_intrusion_error")
        table.append({**cells, **dict(zip(names, mean, strict=True))})
    return table


def main() -> None:
    options = parsed(__doc__, WORK, SEEDS, out("crash_assemblies"))

    jobs = {
        f"assemblies {variant} {seed}": partial(rows, variant, seed, options.work)
        for seed in options.seeds
        for variant in VARIANTS
    }
    table = job_rows(jobs, options.work)
    replace_rows(options.out, table, ("seed",))


if __name__ == "__main__":
    main()
