"""The rows of an audit and the verdict that follows from them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from scionwood import ScionwoodError
from scionwood.authoring import atomic_path, writing

Status = Literal["kept", "broken", "skipped", "note"]
"""A rule is kept or broken, could not be checked, or the row only states a fact."""

PARTS = ("structure", "origin", "behaviour", "weights", "training")


ALARMS = 0.05
"""The share of adapters like the references that may be called anomalous."""

ENOUGH = math.ceil(1 / ALARMS) - 1
"""Fewer references have no rank that allows so few false alarms."""


def limit_of(among: Sequence[float] | np.ndarray) -> float | None:
    """Return the largest number that is consistent with those of the references.

    It is a rank among them, as in split conformal prediction: a further adapter like them is beyond
    it in at most 5 % of cases, whatever the distribution is.

    Args:
        among: the number of each reference; `None` is returned for fewer than `ENOUGH`.

    Example:
        >>> from scionwood_audit.record import limit_of
        >>> limit_of(range(19)), limit_of(range(18))
        (18.0, None)
    """
    rank = math.ceil(round((1 - ALARMS) * (len(among) + 1), 9))
    return float(sorted(among)[rank - 1]) if rank <= len(among) else None


class AuditError(ScionwoodError, ValueError):
    """An audit cannot be made of what was named.

    Example:
        >>> from scionwood_audit import AuditError
        >>> AuditError("run x", "it is no run", "Check the path").rule
        'it is no run'
    """


@final
@dataclass(frozen=True)
class Row:
    """One piece of evidence.

    Attributes:
        part: one of `PARTS`.
        name: what was checked.
        status: see `Status`.
        value: what was found.
        limit: the limit, or an empty text.
        reason: why the limit is what it is, or what the rule says.

    Example:
        >>> from scionwood_audit import Row
        >>> Row("origin", "signature", "skipped", reason="it has none").status
        'skipped'
    """

    part: str
    name: str
    status: Status
    value: str = ""
    limit: str = ""
    reason: str = ""


@final
@dataclass(frozen=True)
class Audit:
    """All evidence about one adapter, run or recipe.

    Attributes:
        subject: what was audited.
        rows: the evidence in the order of `PARTS`.
        references: the number of comparable references; None if none were asked for.
        facts: terms and values such as base and versions.

    Example:
        >>> from scionwood_audit import Audit, Row
        >>> broken = Row("structure", "tensors: hash", "broken", "it is another one")
        >>> Audit("a folder", [broken]).verdict
        'refused'
    """

    subject: str
    rows: Sequence[Row]
    references: int | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One of `refused`, `anomalous`, `consistent with N references` and `no reference`.

        Broken rules of structure or origin refuse. Any other broken row is anomalous. Evidence that
        is all kept says that nothing was found, and never that an adapter is harmless.
        """
        broken = {row.part for row in self.rows if row.status == "broken"}
        if broken & {"structure", "origin"}:
            return "refused"
        if broken:
            return "anomalous"
        if self.references:
            return f"consistent with {self.references} references"
        return "no reference"

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many rows of each part have each status."""
        counts: dict[str, dict[str, int]] = {}
        for row in self.rows:
            part_counts = counts.setdefault(row.part, {})
            part_counts[row.status] = part_counts.get(row.status, 0) + 1
        return counts

    def as_json(self) -> dict[str, Any]:
        """Return what `write_json` writes."""
        return {
            "subject": self.subject,
            "verdict": self.verdict,
            "references": self.references,
            "facts": self.facts,
            "rows": [asdict(row) for row in self.rows],
        }


def write_json(audit: Audit, path: Path) -> None:
    """Write an audit as JSON.

    Raises:
        WriteError: the disk is full or not writable.
    """
    with writing(path), atomic_path(path) as part:
        part.write_text(json.dumps(audit.as_json(), indent=2) + "\n", encoding="utf-8")
