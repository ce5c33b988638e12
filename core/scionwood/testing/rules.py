"""How a check speaks: it yields problems, and each states the value, the rule and the remedy."""

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
        value: what was found, and where.
        rule: what is required instead.
        remedy: what the author of the plugin can do.
    """

    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.value}: {self.rule}. {self.remedy}"


class CheckFailure(AssertionError):
    """A plugin breaks a rule; the message lists every breach that the check found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class NothingToCheck(Exception):
    """The plugin has nothing that the rule is about, such as readers."""


Check = Callable[[Plugin], None]
"""A check takes a plugin; it raises `CheckFailure` or `NothingToCheck`, or returns."""


def check(find: Callable[[Plugin], Iterator[Problem]]) -> Check:
    """Turn a generator of problems into a check, which reports all of them at once."""

    @wraps(find)
    def run(plugin: Plugin) -> None:
        with _one_thread():
            problems = _collect(find(plugin))
        if problems:
            raise CheckFailure(problems)

    return run


def _collect(found: Iterator[Problem]) -> list[Problem]:
    problems: list[Problem] = []
    try:
        for problem in found:
            problems.append(problem)
    except NothingToCheck:
        if not problems:  # what was found before it counts
            raise
    return problems


@contextmanager
def _one_thread() -> Iterator[None]:
    # Tiny models lose time to a second thread, and much of it on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
