"""Measure whether a site that joins a federation is worse off on its own data.

    python benchmarks/federated_personal.py                  # alone, rounds, pooled, personal
    python benchmarks/federated_personal.py --seeds 0 --others   # FedProx, FedIT, Flower's rules

Four fields as in federated.py, 8 rounds. After the rounds each site scores the candidates of
`scionwood_federated.simulation.personal` on its validation data, and two ways to pick one are
tested: the best, and the most shared one that is as good as that which was trained alone. The
second was written down before any of these tests. `own` is the loss on a site's own test data,
`others` that on the other sites' data, both means over sites. FedIT is the mean of both factors,
FLoRA the stack of `exact`, here cut to the rank. FedAvg and FedAdam are Flower's strategies: their
code aggregates in this process (flwr 1.42 on the path), and our sites train.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from federated import settings_of
from federated_sites import FIELDS, sites_for
from runner import SEEDS, Row, Table, option, parsed

import scionwood
from scionwood_federated import Plan, Pooled, Update
from scionwood_federated.simulation.engine import Simulation
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.personal import candidates, pick
from scionwood_federated.simulation.run import CONSTANT
from scionwood_federated.simulation.sites import sites_of

ROUNDS = 8
OTHERS = ("FedProx", "FedIT", "Flower FedAvg", "Flower FedAdam")


class FlowerRounds(Simulation):
    """Rounds whose updates a strategy of Flower aggregates."""

    strategy: Any = None

    def _pool(self, updates: list[Update], start: Update) -> Pooled:
        from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict

        def record(update: Update) -> Any:
            named = {f"a:{k}": v for k, v in update.adapter.items()}
            named |= {f"h:{k}": v for k, v in update.head.items()}
            return ArrayRecord({k: Array(v.double().numpy()) for k, v in named.items()})

        self.strategy.current_arrays = {k: v.numpy() for k, v in record(start).items()}
        replies = []
        for number, update in enumerate(updates):
            order = Message(RecordDict(), dst_node_id=number + 1, message_type="train")
            samples = MetricRecord({"num-examples": update.about.samples})
            content = RecordDict({"arrays": record(update), "metrics": samples})
            replies.append(Message(content, reply_to=order))
        arrays, _ = self.strategy.aggregate_train(updates[0].about.round, replies)
        tensors = {k: torch.from_numpy(v.numpy()) for k, v in arrays.items()}
        adapter = {k: tensors[f"a:{k}"].to(v.dtype) for k, v in start.adapter.items()}
        head = {k: tensors[f"h:{k}"].to(v.dtype) for k, v in start.head.items()}
        return Pooled(adapter, head, 0.0, tuple(u.about.site for u in updates))


def simulation(field: str, seed: int, work: Path, arm: str = "") -> Simulation:
    """Return the sites of a field and the model, ready to train."""
    way, overrides = sites_for(field, work, seed)
    recipe: Any = scionwood.override(scionwood.resolve(FIELDS[field]["recipe"]), CONSTANT)
    recipe = scionwood.override(recipe, [*overrides, *settings_of(field, "exact", "lora", seed)])
    plan = Plan(
        ROUNDS,
        FIELDS[field].get("steps", 8),
        "factors" if arm == "FedIT" else "exact",
        score_every=ROUNDS,
        proximal=0.1 if arm == "FedProx" else 0.0,
    )
    kind = FlowerRounds if arm.startswith("Flower") else Simulation
    made = kind(SharedModel(recipe), sites_of(recipe, way), plan, seed=seed)
    if isinstance(made, FlowerRounds):
        from flwr.serverapp import strategy

        made.strategy = getattr(strategy, arm.removeprefix("Flower "))()
    return made


def row_of(scores: list[dict[str, float]], names: list[str], chosen: str = "") -> Row:
    """Return the losses of each site's model on its own data, and on those of the others."""
    pairs = list(zip(names, scores, strict=True))
    own = [score[name] for name, score in pairs]
    others = [v for name, score in pairs for other, v in score.items() if other != name]
    mean = (sum(own) / len(own), sum(others) / len(others))
    every = " ".join(f"{v:.4f}" for v in own)
    return {"own": f"{mean[0]:.4f}", "others": f"{mean[1]:.4f}", "sites": every, "chosen": chosen}


def measured(field: str, seed: int, work: Path) -> dict[str, Row]:
    """Return the rows of a field and a seed by regime."""
    run = simulation(field, seed, work)
    names, model = [site.name for site in run.sites], run.model
    run._put(run.start)
    start = run._scores()
    outcome = run.federated()
    reached = outcome.final
    assert reached is not None
    shared = Update(run.start.about, model.config, reached.adapter, reached.head)
    picked: dict[str, list[Any]] = {"alone": [], "chosen": [], "shared": []}
    for number, site in enumerate(run.sites):
        alone = run._trained_alone(number)
        steps, later = run._steps // 2, run._seed(ROUNDS + 1, number)
        found = candidates(model, site, shared, alone, run.start, "chosen", steps, later)
        picked["alone"].append(found[-1])
        for kind in ("chosen", "shared"):
            picked[kind].append(pick(found, kind, higher=model.higher_is_better))
    rows = {"untrained": row_of([start] * len(names), names)}
    rows["federated"] = row_of([outcome.own] * len(names), names)
    for kind, choices in picked.items():
        scores = []
        for choice in choices:
            model.put(choice.weights.adapter, choice.weights.head)
            scores.append(run._scores())
        rows[kind] = row_of(scores, names, "; ".join(choice.name for choice in choices))
    rows["pooled"] = row_of([run.pooled().own] * len(names), names)
    return rows


def main() -> None:
    options = parsed(
        __doc__,
        option("--fields", nargs="+", choices=FIELDS, default=list(FIELDS)),
        SEEDS,
        option("--others", action="store_true", help="the rules of others"),
        option("--work", type=Path, default=Path("runs/federated")),
    )
    table = Table("federated_personal")
    for seed in options.seeds:
        for field in options.fields:
            job = {"field": field, "seed": seed}
            if not options.others and not table.has(**job, regime="pooled"):
                rows = measured(field, seed, options.work)
                table.add(*({**job, "regime": regime, **row} for regime, row in rows.items()))
            for arm in OTHERS if options.others else ():
                if not table.has(**job, regime=arm):
                    run = simulation(field, seed, options.work, arm)
                    scores = run.federated().own
                    row = row_of([scores] * len(scores), list(scores))
                    table.add({**job, "regime": arm, **row})


if __name__ == "__main__":
    main()
