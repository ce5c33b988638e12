"""Every installed plugin passes the kit. A new plugin needs no test of its own here.

In the fast tests, the checks that train each recipe take the first one of the plugin; in the slow
ones they take all.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import chain, product

import pytest

from scionwood.plugins import discovery
from scionwood_kit import CHECKS, NothingToCheck
from scionwood_kit.cases import Case, cases
from scionwood_kit.checks.static import recipe_names
from scionwood_kit.rules import Check

BY_NAME = {check.__name__: check for check in CHECKS}
LONG = {"check_adapter_survives_a_fresh_process", "check_exports"}
"""Checks that take seconds for one recipe, or for one backbone."""
ONE_RECIPE = {
    "check_attach_is_identity": "cases",
    "check_only_adapter_trains": "cases",
    "check_trainable_tensors_get_gradients": "cases",
    "check_base_is_untouched_by_a_step": "cases",
    "check_merge_equals_unmerged": "cases",
    "check_recipes_parse_strictly": "recipe_names",
    "check_recipes_run": "recipe_names",
}
"""Checks that train every recipe, and the function of their module that lists the recipes."""
RECORD = ("static", "layout", "vocabulary", "documentation", "examples")
GROUPS = {
    "record": [name for name, c in BY_NAME.items() if c.__module__.rpartition(".")[2] in RECORD],
    "backbones": [name for name in BY_NAME if name.startswith("check_backbones_")],
    "readers": [name for name in BY_NAME if name.startswith("check_readers_")],
    "data": [name for name in BY_NAME if name.startswith("check_data_")],
    "recipes": ["check_recipes_are_complete", "check_recipes_parse_strictly"],
    **{name: [name] for name, lists in ONE_RECIPE.items() if lists == "cases"},
    "fit": ["check_recipes_run"],
    "loss": ["check_loss_falls"],
    "probes": ["check_probes"],
}
GROUPED = {*LONG, *chain.from_iterable(GROUPS.values())}
GROUPS["others"] = [name for name in BY_NAME if name not in GROUPED]
"""The checks of one case: what takes two seconds together."""


SLOW = {("bangla", "data"), ("bangla", "fit"), ("pde", "readers")}
"""Cases above two seconds: a dictionary is read, and grids of four formats."""
FAILING = {
    ("atoms", "check_exports"): "CHGNet sizes its sums by values of a tensor (torch.bincount)",
}
"""Checks that are expected to fail, each with its reason."""


@cache
def listed(plugin: str) -> list[Case]:
    """Return the cases of a plugin, whose recipes are resolved once for all checks."""
    return cases(discovery.record(plugin))


@pytest.mark.parametrize(
    ("plugin", "group"),
    [
        pytest.param(*pair, marks=[pytest.mark.slow] if pair in SLOW else [], id="-".join(pair))
        for pair in product(discovery.entries(), GROUPS)
    ],
)
def test_plugin(plugin, group, subtests, monkeypatch):
    for name in GROUPS[group]:
        check = BY_NAME[name]
        module = sys.modules[check.__module__]
        few = slice(1 if name in ONE_RECIPE else None)
        if hasattr(module, "cases"):
            monkeypatch.setattr(module, "cases", lambda record, few=few: listed(record.name)[few])
        if ONE_RECIPE.get(name) == "recipe_names":
            monkeypatch.setattr(module, "recipe_names", lambda record: recipe_names(record)[:1])
        with subtests.test(name):
            run(plugin, check)
        monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.parametrize("check", [*LONG, *ONE_RECIPE])
@pytest.mark.parametrize("plugin", discovery.entries())
def test_plugin_with_all_recipes(plugin, check, request):
    if reason := FAILING.get((plugin, check)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    run(plugin, BY_NAME[check])


def run(plugin: str, check: Check) -> None:
    try:
        check(discovery.record(plugin))
    except NothingToCheck as nothing:
        pytest.skip(f"nothing to check: {nothing}")
