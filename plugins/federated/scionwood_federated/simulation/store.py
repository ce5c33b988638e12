"""The folder of a simulation: what is done stays done, and an interrupted round is done again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from scionwood import OutputExistsError, TrainingError, adapters
from scionwood.authoring import atomic_folder, writing
from scionwood_federated.checks import SiteScore
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.simulation.costs import Costs
from scionwood_federated.simulation.engine import Outcome, Progress
from scionwood_federated.update.folder import write_json

PLAN, FINISHED, ROUND = "plan.json", "done", "round"


def open_store(folder: Path, plan: Mapping[str, Any], *, resume: bool) -> None:
    """Make the folder of a simulation, or check that it holds the same one.

    Raises:
        OutputExistsError: it holds a simulation, and `resume` is false.
        TrainingError: it holds another simulation.
    """
    path = folder / PLAN
    if path.exists() and not resume:
        remedy = "Choose another folder, or go on: --resume"
        raise OutputExistsError(str(folder), "it holds a simulation already", remedy)
    if path.exists():
        before = adapters.read_json(path)
        if different := sorted(
            k for k in before.keys() | plan.keys() if before.get(k) != plan.get(k)
        ):
            rule = f"it was begun with another {different[0]}"
            raise TrainingError(f"simulation {folder}", rule, "Give the same, or another folder")
        return
    with writing(folder):
        (folder / FINISHED).mkdir(parents=True, exist_ok=True)
        write_json(path, plan)


def keep_outcome(folder: Path, outcome: Outcome) -> None:
    """Write what a regime reached, without its weights."""
    record = {k: v for k, v in vars(outcome).items() if k not in ("final", "costs", "ranking")}
    record["costs"] = asdict(outcome.costs)
    record["ranking"] = [list(site_score) for site_score in outcome.ranking]
    write_json(folder / FINISHED / f"{outcome.regime}.json", record)


def kept_outcome(folder: Path, regime: str) -> Outcome | None:
    """Return what a regime reached, or `None` if it is not done."""
    path = folder / FINISHED / f"{regime}.json"
    if not path.exists():
        return None
    record: dict[str, Any] = adapters.read_json(path)
    record["costs"] = Costs(**record["costs"])
    record["rounds"] = [(r, site, score) for r, site, score in record["rounds"]]
    record["ranking"] = [SiteScore(*values) for values in record["ranking"]]
    return Outcome(**record)


def keep_round(folder: Path, progress: Progress) -> None:
    """Write the state after a round as a whole, and drop the round before."""
    pooled = progress.pooled
    tensors = {f"adapter:{k}": v for k, v in pooled.adapter.items()}
    tensors |= {f"head:{k}": v for k, v in pooled.head.items()}
    for site, head in progress.heads.items():
        tensors |= {f"site:{site}:{k}": v for k, v in head.items()}
    record = {"round": progress.round, "rounds": progress.rounds, "lost": progress.lost}
    record |= {"sites": list(pooled.sites), "heads": sorted(progress.heads)}
    record["costs"] = asdict(progress.costs)
    with writing(folder), atomic_folder(folder / ROUND, overwrite=True) as part:
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, part / "w.safetensors")
        (part / "round.json").write_text(json.dumps(record), encoding="utf-8")


def kept_round(folder: Path) -> Progress | None:
    """Return the state after the last whole round, or `None` if there is none."""
    if not (folder / ROUND / "round.json").exists():
        return None
    record = adapters.read_json(folder / ROUND / "round.json")
    tensors = adapters.read_untrusted(folder / ROUND / "w.safetensors")
    pooled = Pooled(
        _part(tensors, "adapter:"), _part(tensors, "head:"), record["lost"], tuple(record["sites"])
    )
    heads = {site: _part(tensors, f"site:{site}:") for site in record["heads"]}
    rounds = [(r, site, score) for r, site, score in record["rounds"]]
    costs = Costs(**record.get("costs", {}))  # earlier versions did not keep them
    return Progress(record["round"], pooled, heads, rounds, record["lost"], costs)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
