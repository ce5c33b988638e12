"""What a training step of each method costs, through the fused kernels and without.

    python benchmarks/study/cost.py

The step is that of the image tasks: 16 images, the last four blocks of the ViT-S, bfloat16. The
weights are random, since they change no cost. Each row is written when it is measured.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler announces itself otherwise
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from methods.measure import file_size, memory, step_times
from runner import option, parsed
from torch import nn
from torch.nn import functional as F

from scionwood import kernels
from study import rows, weights
from study.encoder import Tail
from study.methods import groups, prepare
from study.pictures import SIDE
from study.settings import registered

COLUMNS = (
    *("method", "kernels", "peak", "stays", "step_ms", "ratio", "low", "high", "trained"),
    *("stored", "torch", "peft", "machine", "date"),
)
FUSED = ("lora", "disel")
ROUNDS = 5


def step(method: str, fused: bool) -> tuple[Any, nn.Module, torch.optim.Optimizer]:
    """Return a function that takes one training step, its network and its optimiser."""
    settings, entry = registered()["images"], registered()["methods"][method]
    tail = Tail(weights.encoder(None, SIDE), settings["tail"], torch.zeros(2, 50, 384))
    torch.manual_seed(0)
    tokens, label = torch.randn(settings["batch"], 50, 384), torch.arange(settings["batch"]) % 8
    model = prepare(tail, entry, "images").train()
    if method in FUSED and not fused:
        kernels.disable(model)
    head = nn.Parameter(F.normalize(torch.randn(8, 768), dim=-1))
    optimizer = torch.optim.AdamW([*groups(model, 1e-4), {"params": [head], "lr": 1e-3}])

    def take() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            visited = model(tokens)
        F.cross_entropy(settings["scale"] * visited @ F.normalize(head, dim=-1).T, label).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return take, model, optimizer


def measure(method: str, fused: bool) -> dict[str, Any]:
    take, model, optimizer = step(method, fused)
    reference, *_ = step("lora", fused=True)
    used = memory(take, model, optimizer)
    times = step_times(take, reference, ROUNDS)
    row = {"method": method, "kernels": ("on" if fused else "off") if method in FUSED else "none"}
    row |= {"peak": used["peak"], "stays": used["stays"], "step_ms": times["step_ms"]}
    row |= {"ratio": times["step_over_lora"], "low": times["step_ci_low"]}
    row |= {"high": times["step_ci_high"], "stored": file_size(model)}
    row["trained"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return row | rows.about()


def main() -> None:
    where = option("--results", type=Path, default=rows.RESULTS)
    path = parsed(__doc__, where).results / "study_cost.csv"
    measured = {(row["method"], row["kernels"]) for row in rows.read(path)}
    for method, entry in registered()["methods"].items():
        if entry.get("trains") in ("everything", "cnn") or "like" in entry:
            continue
        for fused in (True, False) if method in FUSED else (True,):
            name = ("on" if fused else "off") if method in FUSED else "none"
            if (method, name) not in measured:
                row = measure(method, fused)
                rows.add(path, row, COLUMNS, ("method", "kernels"))
                print({key: row[key] for key in COLUMNS[:8]}, flush=True)


if __name__ == "__main__":
    main()
