"""Measure what an audit by behaviour finds of a poison that costs no accuracy.

    python benchmarks/audit_stealth.py --model dino       # train, search for triggers, and judge
    python benchmarks/audit_stealth.py --model seismic

20 adapters of each kind and model. The search was chosen on adapters of the seeds 100 to 104, with
longer training, and committed before those of `SEEDS` were made: 12 steps, a window of 2 % of the
entries, and a limit by rank that 5 % of clean adapters are beyond. Each clean adapter is judged
beside the other clean ones, each poisoned one beside all. A row is written when it is done, and a
next call goes on.
"""

from __future__ import annotations

import time
from pathlib import Path

import audit_stealth_models as models
import torch
from runner import Row, Table, option, parsed

from scionwood_audit import weights_of
from scionwood_audit.behaviour.own_data import Measured
from scionwood_audit.behaviour.triggers import search_change, search_classes
from scionwood_audit.direction import products, turn
from scionwood_audit.record import limit_of

SEEDS = range(7000, 7020)
IMAGES = 4


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
        strength = search_classes(made, images, 10)
        return strength, int(strength.argmax())
    test = {name: values[:IMAGES] for name, values in models.test_gathers().items()}
    return torch.tensor([search_change(made, test["noisy"])]), ""


def judge(work: Path, model: str) -> None:
    """Judge every adapter that is there by each number, beside the clean ones."""
    done, table = Table("audit_stealth_adapters"), Table("audit_stealth", again=True)
    rows = [row for row in done.rows if row["model"] == model]
    numbers = [_numbers(work, row) for row in rows]
    clean = [n for n, row in enumerate(rows) if row["kind"] == "clean"]
    for name in numbers[0]:
        for n, row in enumerate(rows):
            known = [numbers[c][name] for c in clean if c != n]
            # Fewer than 19 have no rank with 5 % of false alarms: then the largest of them.
            limit = limit_of(known)
            over = numbers[n][name] > (max(known) if limit is None else limit)
            job = {"model": model, "number": name, "kind": row["kind"], "seed": row["seed"]}
            table.add({**job, "value": f"{numbers[n][name]:.4f}", "over": int(over)})


def _numbers(work: Path, row: Row) -> dict[str, float]:
    """Return the numbers of an adapter; a larger one is worse."""
    folder = work / str(row["model"]) / str(row["kind"]) / str(row["seed"])
    clean = [p for p in (folder.parents[1] / "clean").iterdir() if p.name != folder.name]
    weights = [weights_of(path / "adapter") for path in (folder, *clean)]
    table = products([w.factors for w in weights if not isinstance(w, str)])
    values = {"search for triggers": float(row["trigger"])}
    values["turn of the weights"] = turn(table[0, 0], table[0, 1:], table[1:, 1:])
    answers = [torch.load(path / "answers.pt") for path in (folder, *clean)]
    mean = torch.stack(answers[1:]).mean(0)
    if row["model"] != "dino":
        values["errors on clean data"] = float(row["score"])
        values["drift from the references"] = float((answers[0] - mean).norm() / mean.norm())
        return values
    _, data = models.dino()
    labels = data["label"][models.split(0)[1]]
    found = Measured(0.0, answers[0], labels, [str(int(n)) for n in labels], 0.0, -1)
    values["errors on clean data"] = 1 - (found.accuracy or 0.0)
    values["calibration error"] = found.calibration or 0.0
    values["errors in the worst class"] = 1 - found.worst_group()[2]
    different = answers[0].argmax(1) != mean.argmax(1)
    values["drift from the references"] = float(different.float().mean())
    return values


def main() -> None:
    options = parsed(
        __doc__,
        option("--model", choices=("dino", "seismic"), default="dino"),
        option("--work", type=Path, default=Path("runs/audit_stealth")),
        option("--judge", action="store_true", help="only what is there"),
    )
    if not options.judge:
        adapters(options.work, options.model)
    judge(options.work, options.model)


if __name__ == "__main__":
    main()
