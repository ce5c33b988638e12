"""Compare methods on the crash suite: in distribution, on longer parts, on an unseen family.

    python benchmarks/crash_suite.py --work crash-suite

Networks are pretrained on hats, tubes and boxes, and transferred to bumpers with 8 and 16
simulations. The longest parts of each family are never trained on: they are the test out of
distribution. All networks have the same number of steps, except for two trainings with ten and
sixty times as many. Every transfer starts from the first of these, with seed 0.

Ablations: grids that stay where they are on a reference part; no masks; more masks. Baselines:
MeshGraphNet, Transolver, POD with a Gaussian process or nearest neighbours on the morphed grid, and
the mean of the training histories. There are three seeds. In the pretraining a seed sets the split,
the weights and the order; in the transfer the draw, new weights and the order.

Results that exist in the folder are not computed again, so an interrupted run can be resumed.
Writes benchmarks/results/crash_suite.csv.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from crash_training import (
    COLLATE,
    POOL,
    PRETRAINED,
    SHOTS,
    SIZE,
    UNSEEN,
    Phase,
    by_network,
    encoded,
    errors,
    join,
    parts,
    run,
    scored,
    split,
    train,
)
from peft import LoraConfig
from runner import Row
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scionwood import attach
from scionwood.adapters.methods import config_class
from scionwood_crash.backbones import MaskMorphUNet, MeshGraphNet, Transolver
from scionwood_crash.data.encode import Coarse, Encoded
from scionwood_crash.evaluation.baselines import Pod

TUNING = 100
SCORED = 200
"""Number of training parts that are scored."""


UNMASKED, MASKED, MORE = (partial(MaskMorphUNet, mask=share) for share in (0.0, 0.15, 0.4))


@dataclass(frozen=True)
class Variant:
    """A network to pretrain."""

    build: Callable[..., nn.Module] = MASKED
    coarse: Coarse = "morph"
    phases: tuple[Phase, ...] = (Phase(),)
    one_in: int = 1
    kept: bool = False


LONG, LONGEST = "Mask-Morph U-Net, long", "Mask-Morph U-Net, longest"
"""Transfers start from `LONG` with seed 0, which is also shipped with the plugin."""
THOROUGH = (Phase(24000, weight=4.0, decay=0.01), Phase(6000, rate=1e-3, positions=3.0))
"""The second phase was chosen by errors with seed 0 on training parts, and the test was known."""
FEW = partial(Variant, phases=(Phase(2400),), one_in=10)
"""With few designs there is a gap between training and test, which masks might narrow."""
VARIANTS = {
    "Mask-Morph U-Net": Variant(),
    "fixed grids": Variant(coarse="fixed"),
    "no mask": Variant(UNMASKED),
    "mask 0.4": Variant(MORE),
    "MeshGraphNet": Variant(partial(MeshGraphNet, blocks=6)),
    "Transolver": Variant(partial(Transolver, blocks=3)),
    LONG: Variant(phases=(Phase(4800),), kept=True),
    LONGEST: Variant(phases=THOROUGH, kept=True),
    "few designs": FEW(),
    "few designs, no mask": FEW(UNMASKED),
    "few designs, mask 0.4": FEW(MORE),
}
CLASSICAL = ("POD + GP", "POD + kNN", "mean history")
UNADAPTED = "pretrained, not adapted"
RATES = {"full": 1e-3, "frozen-edge": 5e-3, "lora": 1e-2, "lora-edge": 5e-3, "scratch": 3e-3}
"""Learning rates of transfers; chosen, like `TUNING`, on designs that a seed did not draw."""
EDGES = ["down.0.weight", "down.1.weight", "up.0.weight", "up.1.weight"]


def by_family(
    predict: Callable[[Encoded], Tensor], data: list[Encoded], kinds: list[str]
) -> list[Row]:
    return [
        {"part": f"test, {family}", **errors(predict, parts_of_family)}
        for family in PRETRAINED
        if (
            parts_of_family := [
                item for item, kind in zip(data, kinds, strict=True) if kind == family
            ]
        )
    ]


def by_pod(name: str, data: list[Encoded], kinds: list[str]) -> Callable[[Encoded, str], Tensor]:
    """Fit one regression per family."""
    regression = "knn" if "kNN" in name else "gp"
    models = {}
    for kind in dict.fromkeys(kinds):
        parts_of_kind = [item for item, other in zip(data, kinds, strict=True) if other == kind]
        models[kind] = Pod(regression).fit(parts_of_kind, COLLATE.levels[0])  # type: ignore[arg-type]
        if name == "mean history":
            models[kind].modes = np.zeros_like(models[kind].modes)
    return lambda item, kind: torch.from_numpy(models[kind].predict(item)).float()


def pretraining(method: str, seed: int, work: Path) -> list[Row]:
    """Return one row for each part of the split."""
    sets = join([split(family, seed, work) for family in PRETRAINED])
    if method in VARIANTS:
        sets["train"] = sets["train"][:: VARIANTS[method].one_in]
    kinds = {name: [part.family for part in item] for name, item in sets.items()}
    stride = -(-len(sets["train"]) // SCORED)
    start = time.process_time()
    if method in CLASSICAL:
        data = encoded(sets, "morph")
        pod = by_pod(method, data["train"], kinds["train"])
        data["train"] = data["train"][::stride]
        kinds["train"] = kinds["train"][::stride]
        about: Row = {"trained": "", "steps": ""}
        rows = []
        for name, item in data.items():
            predicted = [pod(part, kind) for part, kind in zip(item, kinds[name], strict=True)]
            rows.append({"part": name, **scored(predicted, item)})
    else:
        variant = VARIANTS[method]
        data = encoded(sets, variant.coarse)
        model = variant.build(size=SIZE, init_seed=seed)
        for phase in variant.phases:
            train(model, data["train"], phase, seed)
        steps = sum(phase.steps for phase in variant.phases)
        about = {"trained": sum(p.numel() for p in model.parameters()), "steps": steps}
        if variant.kept:
            model.novelty.fit([item.graph for item in data["train"]])
            save_file(model.state_dict(), work / f"{method} {seed}.safetensors")
        data["train"] = data["train"][::stride]
        predict = by_network(model)
        rows = [{"part": name, **errors(predict, item)} for name, item in data.items()]
        if variant.kept:
            rows += by_family(predict, data["test"], kinds["test"])
    about["cpu_seconds"] = round(time.process_time() - start, 1)
    kind = {"stage": "pretraining", "method": method, "shots": "", "seed": seed}
    return [{**kind, **row, **about} for row in rows]


def adapted(method: str, seed: int, work: Path) -> nn.Module:
    """Return the network with which a method of the transfer starts."""
    model = MaskMorphUNet(size=SIZE, init_seed=seed)
    if method == "scratch":
        return model
    model.load_state_dict(load_file(work / f"{LONG} 0.safetensors"))
    torch.manual_seed(seed)  # for the initial weights of the adapter
    if method in ("full", UNADAPTED):
        return model
    if method == "frozen-edge":
        return attach(model, config_class("methods/partial")(), targets="frozen-edge")
    if method == "lora":
        return attach(model, LoraConfig(r=6, lora_alpha=12), targets="linear")
    return attach(model, LoraConfig(r=1, lora_alpha=2, target_parameters=EDGES))


def transfer(method: str, shots: int, seed: int, work: Path) -> list[Row]:
    """Return one row: the errors on bumpers that no method was trained on."""
    parts_unseen = parts(UNSEEN, work)
    order = np.random.default_rng([seed, 2]).permutation(POOL)[:shots]
    sets = {"train": [parts_unseen[at] for at in order], "test": parts_unseen[POOL:]}
    data = encoded(sets, "morph")
    start = time.process_time()
    about: Row = {"trained": "", "share": "", "steps": ""}
    if method in CLASSICAL:
        pod = by_pod(method, data["train"], [UNSEEN] * shots)
        scores = scored([pod(item, UNSEEN) for item in data["test"]], data["test"])
    else:
        model = adapted(method, seed, work)
        if method != UNADAPTED:
            train(model, data["train"], Phase(TUNING, RATES[method]), seed)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        total = sum(p.numel() for p in model.parameters())
        about = {"trained": trained, "share": round(trained / total, 4), "steps": TUNING}
        scores = errors(by_network(model), data["test"])
    about["cpu_seconds"] = round(time.process_time() - start, 1)
    kind = {"stage": "transfer", "method": method, "shots": shots, "seed": seed, "part": "test"}
    return [{**kind, **scores, **about}]


def jobs(seeds: Sequence[int], work: Path) -> dict[str, Callable[[], list[Row]]]:
    """Return all computations by name; a transfer comes after the pretraining of its seed."""
    pretrained = {
        f"pretraining {method} {seed}": partial(pretraining, method, seed, work)
        for method in (*VARIANTS, *CLASSICAL)
        for seed in seeds
    }
    transferred = {
        f"transfer {method} {shots} {seed}": partial(transfer, method, shots, seed, work)
        for shots in SHOTS
        for method in (UNADAPTED, *RATES, *CLASSICAL)
        for seed in seeds
    }
    return pretrained | transferred


if __name__ == "__main__":
    run(__doc__, "crash_suite", jobs)
