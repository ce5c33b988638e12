"""Checks yield problems; each states the value, the rule and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps

import torch

from scionwood.plugin import Plugin


@dataclass(frozen=True)
class Problem:
    """One breach of a rule.

    Attributes:
        value: the faulty value and its place.
        rule: the requirement that it breaks.
        remedy: a way for the plugin's author to correct it.
    """

    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.value}: {self.rule}. {self.remedy}"


class CheckFailure(AssertionError):
    """A plugin breaks a rule. The message lists every breach."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class NothingToCheck(Exception):
    """The rule is about something that the plugin does not have, such as readers."""


Check = Callable[[Plugin], None]
"""A check takes a plugin. It returns, or raises `CheckFailure` or `NothingToCheck`."""


def check(find: Callable[[Plugin], Iterator[Problem]]) -> Check:
    """Turn a generator of problems into a check that reports all of them at once."""

    @wraps(find)
    def run(plugin: Plugin) -> None:
        with _one_thread():
            problems = _collect(find(plugin))
        if problems:
            raise CheckFailure(problems)

    return run


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
