"""Simulate a federation of a recipe, and compare it with sites alone and with pooled data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scionwood import override
from scionwood.authoring import atomic_folder, write_manifest
from scionwood_federated.engines.plan import HOLD
from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.rules.registry import check_options
from scionwood_federated.schedule import Plan, Regime
from scionwood_federated.simulation.comparison import Comparison
from scionwood_federated.simulation.engine import Outcome, Simulation
from scionwood_federated.simulation.model import SharedModel
from scionwood_federated.simulation.report import write_report
from scionwood_federated.simulation.sites import sites_of
from scionwood_federated.simulation.store import (
    keep_outcome,
    keep_round,
    kept_outcome,
    kept_round,
    open_store,
)
from scionwood_federated.update.folder import save_weights, write_json
from scionwood_federated.update.record import FederationError

CONSTANT = {"task.schedule": "constant", "task.warmup_steps": 0}
"""A schedule would begin again in each round, so the rate is constant by default."""


def run_simulation(
    recipe: Any,
    out: Path,
    plan: Plan,
    *,
    sites: str,
    compare: Sequence[Regime],
    overrides: Sequence[str],
    seed: int,
    resume: bool,
) -> Comparison:
    """Simulate a federation of a resolved recipe; see `simulate`."""
    _check_plan(plan)
    resolved: Any = override(recipe, CONSTANT)
    resolved = override(resolved, list(overrides)) if overrides else resolved
    folder = out
    record = {**asdict(plan), "recipe": resolved.dump(), "sites": sites, "seed": seed}
    open_store(folder, record, resume=resume)
    model = SharedModel(resolved, HOLD.get(plan.rule, ""))
    simulation = Simulation(model, sites_of(resolved, sites), plan, seed=seed)
    outcomes: dict[str, Outcome] = {}
    if plan.personal not in ("none", "head"):
        compare = [*compare, "personal"]
    for regime in dict.fromkeys(compare):
        outcome = kept_outcome(folder, regime)
        if outcome is None:
            outcome = _run(simulation, regime, folder)
            keep_outcome(folder, outcome)
        outcomes[regime] = outcome
    name = resolved.task.component.monitor.removeprefix("val_")
    comparison = Comparison(name, model.higher_is_better, outcomes, folder)
    write_report(comparison)
    _write_global(comparison, model, resolved, plan)
    return comparison


def _check_plan(plan: Plan) -> None:
    if plan.rounds < 1 or plan.steps < 1 or plan.score_every < 1:
        rule = "rounds, steps and rounds between scores are at least 1"
        raise FederationError(f"{plan.rounds} rounds of {plan.steps} steps", rule, "Give more")
    check_options(plan.rule, plan.options)
    if plan.proximal < 0:
        raise FederationError(f"proximal {plan.proximal}", "it is below 0", "Give 0.01, or 0")


def _run(simulation: Simulation, regime: Regime, folder: Path) -> Outcome:
    if regime == "alone":
        return simulation.alone()
    if regime in ("pooled", "pooled_equal"):
        return simulation.pooled(equal=regime == "pooled_equal")
    if regime == "personal":
        progress = kept_round(folder)
        if progress is None or progress.round < simulation.plan.rounds:
            rule = "a site chooses after the rounds, and they are not done"
            raise FederationError("regime personal", rule, "Compare federated as well")
        return simulation.personal(progress.pooled)
    return simulation.federated(kept_round(folder), lambda now: keep_round(folder, now))


def _write_global(comparison: Comparison, model: SharedModel, recipe: Any, plan: Plan) -> None:
    """Write the federated model as a run, which every command takes."""
    progress = kept_round(comparison.folder)
    target = comparison.folder / "global"
    if progress is None or plan.personal == "head" or target.exists():
        return
    about = replace(model.state("global", 0, plan.steps, progress.round).about, held="")
    write_model(model, progress.pooled, recipe, about.dump(), target)


def write_model(
    model: SharedModel, weights: Pooled, recipe: Any, record: Mapping[str, Any], target: Path
) -> None:
    """Write weights as a run.

    Args:
        model: the model, which takes the weights.
        weights: the adapter and the head.
        recipe: the recipe.
        record: what `federation.json` says.
        target: the folder.

    Raises:
        OutputExistsError: the folder exists.
    """
    model.put(weights.adapter, weights.head)
    with atomic_folder(target) as part:
        save_weights(model.backbone, part)
        (part / "recipe.yaml").write_text(recipe.dump(), encoding="utf-8")
        write_json(part / "federation.json", record)
        write_manifest(part)
