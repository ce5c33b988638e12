"""The probes of a field: they run on a small model, and each states its limits and their reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from scionwood.plugins.plugin import Plugin, ProbeResult
from scionwood.recipes.recipe import Recipe, resolve
from scionwood_kit.cases import seeded
from scionwood_kit.checks.static import component, recipe_names
from scionwood_kit.rules import NothingToCheck, Problem, check
from scionwood_kit.tensors import digest

_SEE = "See scionwood.authoring.ProbeResult"


@check
def check_probes(plugin: Plugin) -> Iterator[Problem]:
    """Probes are named after a task or data, and run on a small model without changing it.

    A probe has a name of its own, a finite value, a limit, and the reason for this limit. Whether
    the value keeps the limit is the matter of a trained run: `scionwood audit run`.
    """
    if not plugin.probes:
        raise NothingToCheck("no probes")
    for name, reference in plugin.probes.items():
        where = f"probes {name!r}"
        if name not in {*plugin.tasks, *plugin.data}:
            rule = "probes have the name of the task or the data that they are for"
            yield Problem(where, rule, "Rename them")
            continue
        recipe = _recipe_of(plugin, name)
        if recipe is None:
            yield Problem(where, "no recipe uses what they name", "Add a recipe")
            continue
        for value, rule, remedy in _faults(recipe, component(reference)):
            yield Problem(f"{where}: {value}", rule, remedy)


def _recipe_of(plugin: Plugin, name: str) -> Recipe | None:
    full = f"{plugin.name}/{name}"
    resolved = (resolve(f"{plugin.name}/{n}", smoke=True) for n in recipe_names(plugin))
    candidates = [recipe for recipe in resolved if full in (recipe.task.name, recipe.data.name)]
    adapted = (recipe for recipe in candidates if recipe.adapter.component is not None)
    return next(adapted, candidates[0] if candidates else None)


def _faults(recipe: Recipe, function: Any) -> Iterator[tuple[str, str, str]]:
    from scionwood.training import build

    with seeded():
        task = build(recipe)[0].eval()
    before = digest(list(task.state_dict().values()))
    with seeded(), torch.set_grad_enabled(task.needs_gradient):
        results = function(task, None)
    if digest(list(task.state_dict().values())) != before or task.training:
        yield type(task).__name__, "probes leave the model as it was", "Restore what they change"
    if not isinstance(results, Sequence) or not all(
        isinstance(entry, ProbeResult) for entry in results
    ):
        yield (
            type(results).__name__,
            "probes return a list of scionwood.authoring.ProbeResult",
            _SEE,
        )
        return
    names = [entry.name for entry in results]
    for result in results:
        if names.count(result.name) > 1:
            yield result.name, "each probe has a name of its own", "Rename it"
        if not math.isfinite(result.value):
            yield f"{result.name} is {result.value}", "the value of a probe is finite", _SEE
        if not result.limits or not result.reason:
            yield result.name, "a probe states a limit and why it is so", _SEE
    if not results:
        yield "an empty list", "a task with probes has at least one", "Leave the entry out"
