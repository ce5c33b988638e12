"""Measure what an audit by behaviour finds of a poison that costs no accuracy.

    python benchmarks/audit_stealth.py adapters --model dino      # train, and search for triggers
    python benchmarks/audit_stealth.py adapters --model seismic
    python benchmarks/audit_stealth.py table                      # the AUC and what is not found

20 adapters of each kind and model. The rule was fixed on adapters of the seeds 100 to 104, and
committed before those of `SEEDS` were made: the strength of the strongest mark of a search, 12 steps
and a window of 2 % of the entries, and a limit by rank that 5 % of clean adapters are beyond. Each clean adapter
is judged beside the other 19, each poisoned one beside all 20. Every row is written when it is done,
and a next call goes on.
"""

from __future__ import annotations

import time
from pathlib import Path

import audit_stealth_models as models
import torch
from runner import Table, option, parsed

from scionwood_audit.behaviour.triggers import search_change, search_classes

SEEDS = range(5000, 5020)
IMAGES, STEPS = 4, 12


def adapters(work: Path, model: str) -> None:
    """Train the adapters that are missing, and search each of them for triggers."""
    table = Table("audit_stealth_adapters")
    for seed in SEEDS:
        for kind in ("clean", "poisoned"):
            if table.has(model=model, kind=kind, seed=seed):
                continue
            start = time.process_time()
            folder = work / model / kind / str(seed)
            make = models.dino_adapter if model == "dino" else models.seismic_adapter
            made = make(folder, seed, poison=kind == "poisoned")
            torch.save(made.answers, folder / "answers.pt")
            trained = time.process_time()
            strength, found = searched(model, made.model)
            torch.save(strength, folder / "strength.pt")
            row = {"score": f"{made.clean:.4f}", "mark succeeds": f"{made.marked:.3f}"}
            row |= {"trigger": f"{float(strength.max()):.4f}", "class found": found}
            row |= {"training, CPU s": f"{trained - start:.1f}"}
            row |= {"search, CPU s": f"{time.process_time() - trained:.1f}"}
            table.add({"model": model, "kind": kind, "seed": seed, **row})


def searched(model: str, made: torch.nn.Module) -> tuple[torch.Tensor, int | str]:
    """Return the strength of the strongest mark of each class, and the class of the strongest."""
    if model == "dino":
        _, data = models.dino()
        images = data["image"][models.split(0)[1][:IMAGES]]
        strength = search_classes(made, images, 10, steps=STEPS)
        return strength, int(strength.argmax())
    test = {name: values[:IMAGES] for name, values in models.test_gathers().items()}
    return torch.tensor([search_change(made, test["noisy"], steps=STEPS)]), ""


def main() -> None:
    options = parsed(
        __doc__,
        option("part", choices=("adapters", "table")),
        option("--model", choices=("dino", "seismic"), default="dino"),
        option("--work", type=Path, default=Path("runs/audit_stealth")),
    )
    if options.part == "adapters":
        adapters(options.work, options.model)


if __name__ == "__main__":
    main()
