"""The features of pairs that a task states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from scionwood.plugins.plugin import Plugin
from scionwood.training.task import Task
from scionwood_kit.cases import RecipeCase, cases, seeded
from scionwood_kit.checks.data import first_batch
from scionwood_kit.rules import NothingToCheck, Problem, check

_SEE = "See scionwood.Task.pairs"


@check
def check_pairs(plugin: Plugin) -> Iterator[Problem]:
    """A task of pairs returns two tensors (n, d) for n samples, finite and with gradients.

    In evaluation mode two calls return the same bits.
    """
    recipes = [case for case in cases(plugin) if isinstance(case, RecipeCase)]
    pair_cases = {case.recipe.task.name: case for case in recipes if _states_pairs(case)}
    if not pair_cases:
        raise NothingToCheck("no task of pairs")
    for name, case in pair_cases.items():
        for value, rule in _faults(case):
            yield Problem(f"task {name!r}: {value}", rule, _SEE)


def _states_pairs(case: RecipeCase) -> bool:
    kind: Any = case.recipe.task.component
    return kind.pairs is not Task.pairs


def _faults(case: RecipeCase) -> Iterator[tuple[str, str]]:
    recipe, rig = case.recipe, case.rig()
    task: Any = rig.trained.eval()
    batch = first_batch(recipe.data, recipe.seed)
    with seeded():
        features, again = task.pairs(batch), task.pairs(batch)
    if not (isinstance(features, tuple) and len(features) == 2):
        yield type(features).__name__, "pairs are a tuple of two tensors"
        return
    shapes = [tuple(tensor.shape) for tensor in features]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != task.batch_size(batch):
        rule = f"both have the shape (n, d), and the batch has n = {task.batch_size(batch)} samples"
        yield f"pairs of shape {shapes[0]} and {shapes[1]}", rule
    if not all(tensor.isfinite().all() for tensor in features):
        yield "pairs with NaN or infinity", "the features are finite"
    if not any(tensor.requires_grad for tensor in features):
        yield "pairs without gradient", "the features depend on what trains"
    if not all(map(torch.equal, features, again)):
        yield "two calls differ", "in evaluation mode nothing is random"
