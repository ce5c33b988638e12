"""Structure: every rule about the files of an adapter, with all faults and not only the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import nn

from scionwood import adapters
from scionwood_audit.record import Row

FAULTS_LISTED = 20
"""The most faults of one rule that are listed one by one."""


def structure(folder: Path, model: nn.Module | None) -> list[Row]:
    """Check the files of an adapter, and its fit to a base if there is one.

    Args:
        folder: the folder of the adapter.
        model: the bare backbone; None leaves the rules about it out.

    Returns:
        One row for each rule that is kept, and one for each fault.
    """
    rows = rows_of(adapters.inspect_folder(folder, model))
    if model is None:
        why = "no base was named, so nothing was compared with a model"
        rows.append(Row("structure", "model", "skipped", why))
    return rows


def rows_of(findings: Sequence[adapters.Finding]) -> list[Row]:
    """Return a row for each rule that is kept or could not be checked, and one for each fault."""
    return [row for finding in findings for row in _rows(finding)]


def _rows(finding: adapters.Finding) -> Iterator[Row]:
    if finding.skipped:
        yield Row("structure", finding.rule, "skipped", finding.skipped)
        return
    if not finding.faults:
        yield Row("structure", finding.rule, "kept")
        return
    for fault in finding.faults[:FAULTS_LISTED]:
        yield Row("structure", finding.rule, "broken", fault.value, reason=fault.rule)
    if len(finding.faults) > FAULTS_LISTED:
        more = len(finding.faults) - FAULTS_LISTED
        yield Row("structure", finding.rule, "broken", f"and {more} more faults")
