"""Checks yield problems; each states the value, the rule and the remedy.

A problem is an error, or advice: a habit that the plugins of the Scionwood repository must keep,
and that other plugins may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps

import torch

from scionwood.errors import PluginError
from scionwood.plugins.plugin import Plugin
from scionwood.recipes.recipe_file import recipe_folder


@dataclass(frozen=True)
class Problem:
    """One breach of a rule.

    Attributes:
        value: the faulty value and its place.
        rule: the requirement that it breaks.
        remedy: a way for the plugin's author to correct it.
        advice: whether a plugin outside the Scionwood repository may leave it so.
    """

    value: str
    rule: str
    remedy: str
    advice: bool = False

    def __str__(self) -> str:
        return f"{self.value}: {self.rule}. {self.remedy}"


class CheckFailure(AssertionError):
    """A plugin breaks a rule. The message lists every breach.

    Attributes:
        problems: the errors.
        advice: what the check advises beside them.
    """

    def __init__(self, problems: Sequence[Problem], advice: Sequence[Problem] = ()) -> None:
        self.problems = list(problems)
        self.advice = list(advice)
        super().__init__("\n".join(map(str, problems)))


class CheckAdvice(UserWarning):
    """What a check advises; pytest lists it among its warnings."""


class NothingToCheck(Exception):
    """The rule is about something that the plugin does not have, such as readers."""


Check = Callable[[Plugin], Sequence[Problem]]
"""A check takes a plugin. It returns its advice, or raises `CheckFailure` or `NothingToCheck`."""


def check(find: Callable[[Plugin], Iterator[Problem]]) -> Check:
    """Turn a generator of problems into a check that reports all of them at once.

    In a plugin of the Scionwood repository advice counts as an error.
    """

    @wraps(find)
    def run(plugin: Plugin) -> Sequence[Problem]:
        with _one_thread():
            problems = _collect(find(plugin))
        strict = in_the_repository(plugin)
        errors = [problem for problem in problems if strict or not problem.advice]
        advice = [problem for problem in problems if problem not in errors]
        if errors:
            raise CheckFailure(errors, advice)
        return advice

    return run


def in_the_repository(plugin: Plugin) -> bool:
    """Return whether a plugin is one of a checkout of Scionwood: its recipes lie in `configs`."""
    try:
        folder = recipe_folder(plugin)
    except (ModuleNotFoundError, PluginError):
        return False
    return folder is not None and folder.parent.name == "configs"


def _collect(yielded: Iterator[Problem]) -> list[Problem]:
    problems: list[Problem] = []
    try:
        for problem in yielded:
            problems.append(problem)
    except NothingToCheck:
        if not problems:  # earlier problems count
            raise
    return problems


@contextmanager
def _one_thread() -> Iterator[None]:
    # A second thread slows tiny models down, most of all on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
