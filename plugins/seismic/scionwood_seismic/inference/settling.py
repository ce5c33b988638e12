"""Settle what may be removed from a record, by what comes back of events that are added to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from scionwood_seismic.inference import envelope, gate
from scionwood_seismic.inference.decision import share_to_keep, share_to_put_back
from scionwood_seismic.inference.events import Source
from scionwood_seismic.inference.options import GateOptions
from scionwood_seismic.inference.reports import Report


@final
@dataclass(frozen=True)
class Removal:
    """A denoiser and what it removes from a record.

    Attributes:
        denoise: a record or a part of it -> the denoised one, (trace, time).
        record: (trace, time), or (1 + slice, trace, time) with its neighbours.
        removed: what the denoiser removes, (trace, time).
        window: the period that sets the size of windows, samples.
    """

    denoise: gate.Denoise
    record: np.ndarray
    removed: np.ndarray
    window: float

    @property
    def signal(self) -> np.ndarray:
        """The record without its neighbours."""
        alone: np.ndarray = self.record[0] if self.record.ndim == 3 else self.record
        return alone


def settle(
    removal: Removal, source: Source, report: Report, options: GateOptions
) -> tuple[np.ndarray, Report]:
    """Put lost signal back, and then blend, until strong events reach their limit.

    Args:
        removal: the denoiser and the record.
        source: draws the events that are added.
        report: that of the removal.
        options: the limits.

    Returns:
        What may be removed, (trace, time), and its report.
    """
    trials, samples = gate.tried(
        removal.denoise,
        removal.record,
        removal.signal - removal.removed,
        source,
        np.random.default_rng(0),
        period=removal.window,
    )
    removed = removal.removed
    events = [event for one in trials for event in one.returned()]
    share, reason, back = *share_to_keep(gate.amplitudes(events), options), 0.0
    if options.gate == "report":
        share, reason = 1.0, ""
    if reason:
        events, back, removed = _mended(removal, trials, events, options)
        share, still = share_to_keep(gate.amplitudes(events), options)
        reason = f"{still or reason}; lost signal was put back" if share else still
    events = [event.blended(share) for event in events]
    left = np.float32(share) * removed
    return left, replace(
        report,
        recovered=gate.amplitudes(events),
        places=events,
        share=share,
        back=back if share else 0.0,
        reason=reason,
        coherent=share**2 * report.coherent,
        removed=energy(left) / max(energy(removal.signal), 1e-300),
        runs=samples / removal.record.size,
    )


def _mended(
    removal: Removal,
    trials: Sequence[gate.Trial],
    events: Sequence[gate.Returned],
    options: GateOptions,
) -> tuple[list[gate.Returned], float, np.ndarray]:
    """Return what comes back if lost signal goes back, how much does, and the rest."""

    def mend(record: np.ndarray, denoised: np.ndarray) -> np.ndarray:
        lost = envelope.resembling(record, record - denoised, removal.window)
        mended: np.ndarray = denoised + lost
        return mended

    others = [event for one in trials for event in one.returned(mend)]
    back = share_to_put_back(gate.amplitudes(events), gate.amplitudes(others), options)
    # A result is linear in what goes back, and so are the amplitudes.
    both = [a.towards(b, back) for a, b in zip(events, others, strict=True)]
    lost = envelope.resembling(removal.signal, removal.removed, removal.window)
    return both, back, removal.removed - np.float32(back) * lost


def energy(data: np.ndarray) -> float:
    """Return the sum of the squares."""
    return float(np.square(data, dtype=np.float64).sum())
