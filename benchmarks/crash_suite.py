"""Mask-Morph Graph U-Net on the crash suite: in distribution, beyond it, and on an unseen family.

    python benchmarks/crash_suite.py --work crash-suite

Pretraining on hats, tubes and boxes; transfer to bumpers from 8 and 16 simulations. The longest
parts of each family are kept out of training: they are what is out of distribution. Ablations are
the grids that stay where they are on a reference part, and training without masks; baselines are
MeshGraphNet, Transolver, POD with a Gaussian process or nearest neighbours on the morphed grid, and
the mean of the training histories. Three seeds, of split, weights and order. A result that lies in
the folder is not computed again, so that several processes can share the work. Writes
benchmarks/results/crash_suite.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from peft import LoraConfig
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scionwood import atomic_path, attach
from scionwood.adapters.methods import config_class
from scionwood_crash.backbones import mask_morph_unet, meshgraphnet, transolver
from scionwood_crash.baselines import Pod
from scionwood_crash.data import Collate
from scionwood_crash.encode import Encoded, Encoder
from scionwood_crash.metrics import intrusion_loss, measure, relative_error
from scionwood_crash.model import SIZES
from scionwood_crash.part import Part
from scionwood_crash.suite_data import SuiteParts

RESULTS = Path(__file__).parent / "results" / "crash_suite.csv"
SIZE = "small"
ELEMENTS = {"hat": 15.0, "tube": 15.0, "box": 10.0, "bumper": 15.0}
"""mm; coarser than the suite's own, which takes three times as long."""
PRETRAINED, UNSEEN = ("hat", "tube", "box"), "bumper"
DESIGNS = {"hat": 48, "tube": 48, "box": 32, "bumper": 40}
HELD_OUT = 6
"""Of a family, one in so many is beyond, being among the longest; as many are tested."""
POOL, SHOTS = 24, (8, 16)
"""Of the unseen family: designs to draw from, and how many are drawn; the others are tested."""
STEPS, TUNING, BATCH = 600, 200, 4
METRICS = ("med", "med_share", "intrusion_error", "rel_l2")

Row = dict[str, Any]
Split = dict[str, list[Encoded]]


ARMS: dict[str, tuple[Callable[..., nn.Module], Row, str]] = {
    "Mask-Morph U-Net": (mask_morph_unet, {"mask": 0.15}, "morph"),
    "fixed grids": (mask_morph_unet, {"mask": 0.15}, "fixed"),
    "no mask": (mask_morph_unet, {"mask": 0.0}, "morph"),
    "mask 0.4": (mask_morph_unet, {"mask": 0.4}, "morph"),
    "MeshGraphNet": (meshgraphnet, {"blocks": 6}, "morph"),
    "Transolver": (transolver, {"blocks": 3}, "morph"),
}
"""What is pretrained: the network, its options, and its grids."""
CLASSICAL = ("POD + GP", "POD + kNN", "mean history")
UNADAPTED = "pretrained, not adapted"
RATES = {"full": 1e-3, "frozen-edge": 2e-3, "lora": 5e-3, "lora-edge": 5e-3, "scratch": 3e-3}
EDGES = ["down.0.weight", "down.1.weight", "up.0.weight", "up.1.weight"]


def parts(family: str, folder: Path) -> list[Part]:
    """The designs of a family, simulated unless the folder has them."""
    options = {"element_size": ELEMENTS[family], "folder": folder, "n_train": DESIGNS[family]}
    return SuiteParts(families=[family], n_val=0, n_test=0, **options).parts("train")


def length(part: Part) -> float:
    """Of the longest principal axis, mm."""
    x = part.points - part.points.mean(0)
    return float(np.ptp(x @ np.linalg.svd(x, full_matrices=False)[2][0]))


def split(family: str, seed: int, folder: Path) -> dict[str, list[Part]]:
    """Training, test, and what is beyond: the longest parts, the same for every seed."""
    ordered = sorted(parts(family, folder), key=length)
    kept = len(ordered) // HELD_OUT
    inside = ordered[:-kept]
    order = np.random.default_rng([seed, 1]).permutation(len(inside))
    mixed = [inside[at] for at in order]
    return {"train": mixed[kept:], "test": mixed[:kept], "beyond": ordered[-kept:]}


def encoded(found: dict[str, list[Part]], coarse: str) -> Split:
    """The splits as tensors; fixed grids are those of the first training part of each family."""
    plain = Encoder(SIZES[SIZE])
    references: dict[str, np.ndarray] = {}
    for part in found["train"]:
        if part.family not in references:
            references[part.family] = plain.reference(part)
    encoder = Encoder(SIZES[SIZE], coarse=coarse, references=references)  # type: ignore[arg-type]
    return {name: [encoder.encode(part) for part in each] for name, each in found.items()}


def join(splits: Sequence[dict[str, list[Part]]]) -> dict[str, list[Part]]:
    return {name: [part for each in splits for part in each[name]] for name in splits[0]}


COLLATE = Collate([len(level) for level in SIZES[SIZE].template().levels])


def train(model: nn.Module, data: list[Encoded], lr: float, steps: int, seed: int) -> list[float]:
    """AdamW with one rise and half a cosine; the losses."""
    wanted = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(wanted, lr=lr, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.05)
    generator, losses = torch.Generator().manual_seed(seed), []
    torch.manual_seed(seed)
    order: list[int] = []
    model.train()
    for _ in range(steps):
        if len(order) < BATCH:
            order += torch.randperm(len(data), generator=generator).tolist()
        batch = COLLATE([data[order.pop(0)] for _ in range(BATCH)])
        graph, true = batch["graph"], batch["displacement"]
        given = model(*graph)
        loss = relative_error(given, true, graph.batch, len(graph.condition)).mean()
        loss = loss + intrusion_loss(given, true, graph).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(wanted, 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def errors(predict: Callable[[Encoded], Tensor], data: list[Encoded]) -> dict[str, float]:
    """Means over parts."""
    found = [measure(predict(each), each.displacement, each.graph) for each in data]
    return {name: mean(float(each[name]) for each in found) for name in METRICS}


def by_network(model: nn.Module) -> Callable[[Encoded], Tensor]:
    model.eval()
    return lambda each: model(*each.graph)


def by_pod(name: str, data: list[Encoded], kinds: list[str]) -> Callable[[Encoded, str], Tensor]:
    """One regression a family, as engineers do it."""
    regression = "knn" if "kNN" in name else "gp"
    models = {}
    for kind in dict.fromkeys(kinds):
        own = [each for each, other in zip(data, kinds, strict=True) if other == kind]
        models[kind] = Pod(regression).fit(own, COLLATE.levels[0])  # type: ignore[arg-type]
        if name == "mean history":
            models[kind].modes = np.zeros_like(models[kind].modes)
    return lambda each, kind: torch.from_numpy(models[kind].predict(each)).float()


def pretraining(arm: str, seed: int, work: Path) -> list[Row]:
    """One row for each part of the split."""
    found = join([split(family, seed, work) for family in PRETRAINED])
    kinds = {name: [part.family for part in each] for name, each in found.items()}
    start = time.process_time()
    if arm in CLASSICAL:
        data = encoded(found, "morph")
        pod = by_pod(arm, data["train"], kinds["train"])
        about: Row = {"trained": "", "steps": ""}
        rows = []
        for name, each in data.items():
            given = [pod(part, kind) for part, kind in zip(each, kinds[name], strict=True)]
            rows.append({"part": name, **scored(given, each)})
    else:
        build, options, coarse = ARMS[arm]
        data = encoded(found, coarse)
        model = build(size=SIZE, init_seed=seed, **options)
        train(model, data["train"], 3e-3, STEPS, seed)
        about = {"trained": sum(p.numel() for p in model.parameters()), "steps": STEPS}
        if arm == "Mask-Morph U-Net":
            model.novelty.fit([each.graph for each in data["train"]])
            save_file(model.state_dict(), work / f"pretrained-{seed}.safetensors")
        predict = by_network(model)
        rows = [{"part": name, **errors(predict, each)} for name, each in data.items()]
    about["cpu_seconds"] = round(time.process_time() - start, 1)
    kind = {"stage": "pretraining", "arm": arm, "shots": "", "seed": seed}
    return [{**kind, **row, **about} for row in rows]


def scored(given: list[Tensor], data: list[Encoded]) -> dict[str, float]:
    found = iter(given)
    return errors(lambda _: next(found), data)


def adapted(arm: str, seed: int, work: Path) -> nn.Module:
    """A network as an arm of the transfer begins."""
    model = mask_morph_unet(size=SIZE, init_seed=seed)
    if arm == "scratch":
        return model
    model.load_state_dict(load_file(work / f"pretrained-{seed}.safetensors"))
    if arm in ("full", UNADAPTED):
        return model
    if arm == "frozen-edge":
        return attach(model, config_class("methods/partial")(), targets="frozen-edge")
    if arm == "lora":
        return attach(model, LoraConfig(r=8, lora_alpha=16), targets="linear")
    return attach(model, LoraConfig(r=1, lora_alpha=2, target_parameters=EDGES))


def transfer(arm: str, shots: int, seed: int, work: Path) -> list[Row]:
    """One row: the errors on bumpers that no arm was trained on."""
    every = parts(UNSEEN, work)
    drawn = np.random.default_rng([seed, 2]).permutation(POOL)[:shots]
    found = {"train": [every[at] for at in drawn], "test": every[POOL:]}
    data = encoded(found, "morph")
    start = time.process_time()
    about: Row = {"trained": "", "share": "", "steps": ""}
    if arm in CLASSICAL:
        pod = by_pod(arm, data["train"], [UNSEEN] * shots)
        scores = scored([pod(each, UNSEEN) for each in data["test"]], data["test"])
    else:
        model = adapted(arm, seed, work)
        if arm != UNADAPTED:
            train(model, data["train"], RATES[arm], TUNING, seed)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        total = sum(p.numel() for p in model.parameters())
        about = {"trained": trained, "share": round(trained / total, 4), "steps": TUNING}
        scores = errors(by_network(model), data["test"])
    about["cpu_seconds"] = round(time.process_time() - start, 1)
    kind = {"stage": "transfer", "arm": arm, "shots": shots, "seed": seed, "part": "test"}
    return [{**kind, **scores, **about}]


def jobs(seeds: Sequence[int]) -> list[tuple[str, Callable[[Path], list[Row]]]]:
    """Everything to compute, by name; a transfer comes after the pretraining of its seed."""
    first = [
        (f"pretraining {arm} {seed}", partial(pretraining, arm, seed))
        for seed in seeds
        for arm in (*ARMS, *CLASSICAL)
    ]
    return first + [
        (f"transfer {arm} {shots} {seed}", partial(transfer, arm, shots, seed))
        for seed in seeds
        for shots in SHOTS
        for arm in (UNADAPTED, *RATES, *CLASSICAL)
    ]


def compute(seeds: Sequence[int], work: Path, only: str) -> list[Row]:
    """The rows of all jobs that are done or that this process may do."""
    rows: list[Row] = []
    for name, run in track(jobs(seeds), "computing"):
        path = work / f"{name}.json"
        if not path.is_file() and only in name:
            with atomic_path(path) as part:
                part.write_text(json.dumps(run(work)), encoding="utf-8")
            print(path.read_text(), flush=True)
        rows += json.loads(path.read_text()) if path.is_file() else []
    return rows


def machine() -> Row:
    """What the figures were computed with."""
    return {
        "load": round(os.getloadavg()[0], 1),
        **{name: version(name) for name in ("torch", "peft")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "date": date.today().isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("crash-suite"))
    parser.add_argument("--only", default="", help="jobs whose name holds this")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    rows = [row | machine() for row in compute(options.seeds, options.work, options.only)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_path(options.out) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
