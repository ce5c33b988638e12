"""Rules about a saved adapter: loading ends at the first fault, and an inspection lists all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scionwood.errors import ScionwoodError


@dataclass(frozen=True)
class Finding:
    """The result of one rule about a saved adapter.

    Attributes:
        rule: what was checked, such as `tensors: values`.
        faults: the errors that loading would raise; empty if the rule is kept.
        skipped: why the rule could not be checked; empty if it was.

    Example:
        >>> from scionwood.adapters import Finding
        >>> Finding("tensors: header").faults
        ()
    """

    rule: str
    faults: tuple[ScionwoodError, ...] = ()
    skipped: str = ""


class Ended(Exception):  # no error: the fault is among the findings
    """In an inspection, what follows needs the result of a rule that is broken."""


class Rules:
    """Runs rules as blocks. Loading has no list of findings, and raises the first fault."""

    def __init__(self, findings: list[Finding] | None = None) -> None:
        self.findings = findings

    @contextmanager
    def __call__(self, rule: str, *, goes_on: bool = False) -> Iterator[list[ScionwoodError]]:
        """Run a block that raises a fault, or adds faults to the list that it gets.

        Raises:
            Ended: In an inspection, a fault of a rule without which nothing `goes_on`.
        """
        faults: list[ScionwoodError] = []
        try:
            yield faults
        except ScionwoodError as fault:
            faults.append(fault)
        if self.findings is None and faults:
            raise faults[0]
        if self.findings is not None:
            self.findings.append(Finding(rule, tuple(faults)))
            if faults and not goes_on:
                raise Ended

    def skip(self, rule: str, reason: str) -> None:
        """Do without a rule that cannot be checked."""
        if self.findings is not None:
            self.findings.append(Finding(rule, skipped=reason))


LOADING = Rules()
