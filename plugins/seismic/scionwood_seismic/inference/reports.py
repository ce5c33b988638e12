"""What denoising did to one record: the report of the harm gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, final

from scionwood_seismic.inference.decision import worst
from scionwood_seismic.inference.gate import Returned
from scionwood_seismic.synth.canonical import Domain

NO_EVENT = "no coherent event found"
"""Why the gate cannot test a record."""


@final
@dataclass(frozen=True)
class Report:
    """What denoising did to one record.

    Attributes:
        domain: the kind of record that the model is made for.
        period: the dominant period, s (m in a depth file).
        recovered: the amplitude, as a share, that comes back of events that the gate added: kind ->
            value after the blend with the input. Empty if nothing was measured.
        removed: the share of the energy that was removed.
        share: the share of the model's removal that was kept: 1 all of it, 0 nothing.
        back: how much of the removed part that resembles signal was put back, 0 to 1.
        reason: why less than all was kept; empty if all was kept.
        places: what came back of each event after the blend, with the middle of its energy.
        coherent: the share of the energy that was removed and is coherent as events are.
        added: the energy above the band that the model added and that was taken out again, over
            that of the input.
        left: traces that were returned as they were: name of the cause -> number.
        factor: canonical samples per sample.
        runs: what the gate computed, in runs of the denoiser on the whole record.
        adaptation: the outcome of the adaptation to the record, as JSON values; empty without one.
        stage: what the coherent stage did and why, as JSON values; empty without it.
        aliased: the apparent velocity, m/s, below which events of the dominant period are aliased
            at the distance of the traces; None if that is not known.
    """

    domain: Domain
    period: float = 0.0
    recovered: Mapping[str, float] = field(default_factory=dict)
    removed: float = 0.0
    share: float = 0.0
    back: float = 0.0
    reason: str = ""
    places: Sequence[Returned] = ()
    coherent: float = 0.0
    added: float = 0.0
    left: Mapping[str, int] = field(default_factory=dict)
    factor: float = 1.0
    runs: float = 0.0
    adaptation: Mapping[str, Any] = field(default_factory=dict)
    stage: Mapping[str, Any] = field(default_factory=dict)
    aliased: float | None = None

    @property
    def passed_through(self) -> bool:
        """Whether the record is unchanged."""
        return self.share == 0

    @property
    def worst(self) -> float | None:
        """The smallest recovered amplitude of strong events; None if it was not measured."""
        name, value = worst(self.recovered, "strong")
        return value if name else None

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self) | {"passed_through": self.passed_through}


def with_spacing(report: Report, dx: float | None) -> Report:
    """Return a report that knows the distance between the traces.

    An event is aliased if it is delayed by more than half of its period from trace to trace.

    Args:
        report: that of a record in time.
        dx: the distance, m; None: unknown.

    Example:
        >>> with_spacing(Report("shot", period=0.02), 12.5).aliased
        1250.0
    """
    is_usable = dx is not None and dx > 0 and report.period > 0
    return replace(report, aliased=2 * dx / report.period) if dx and is_usable else report


def summed(reports: Sequence[Report]) -> Report:
    """Return one report for traces that were denoised one by one: the worst of them.

    Args:
        reports: those of the traces, at least one.
    """
    worst = min(reports, key=lambda report: (report.share, report.worst or 1.0))
    removed = sum(report.removed for report in reports) / len(reports)
    unchanged = sum(report.passed_through for report in reports)
    if not worst.reason or len(reports) == 1:
        return replace(worst, removed=removed)
    reason = f"{worst.reason} (in the worst of {len(reports)} traces; {unchanged} are unchanged)"
    share = sum(report.share for report in reports) / len(reports)
    return replace(worst, removed=removed, reason=reason, share=share)
