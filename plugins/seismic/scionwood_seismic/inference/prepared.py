"""A record as the models see it: of about unit amplitude, and without offset, trend and drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood_seismic.data.normalise import live
from scionwood_seismic.inference import envelope
from scionwood_seismic.inference.baseline import drift, offsets, significant
from scionwood_seismic.synth.canonical import Domain, dominant_period


@final
@dataclass(frozen=True)
class Prepared:
    """A record before it is resampled.

    Attributes:
        scaled: (trace, time) float32, the record over its unit; dead traces are zero.
        shared: what all traces share, (time,); zero unless it is to be removed.
        signal: (trace, time) float32, without `shared`, offset, trend and drift.
        period: the dominant period, samples.
        reason: why the period cannot be treated; empty if it can.
    """

    scaled: np.ndarray
    shared: np.ndarray
    signal: np.ndarray
    period: float
    reason: str


def prepare(
    data: np.ndarray,
    alive: np.ndarray,
    unit: float,
    domain: Domain,
    *,
    common_mode: bool,
    period: float | None = None,
) -> Prepared:
    """Scale a record, and take off what is no signal.

    Args:
        data: (trace, time), any unit.
        alive: which traces are live, (trace,).
        unit: the amplitude to divide by.
        domain: the kind of record.
        common_mode: whether what all traces share, their median at each sample, goes too.
        period: the dominant period, samples; None: it is estimated.
    """
    scaled = np.zeros(data.shape, np.float32)
    np.divide(data, unit, out=scaled, where=alive[:, None], dtype=np.float64, casting="same_kind")
    shared = np.median(scaled[alive], axis=0) if common_mode else np.zeros_like(scaled[0])
    signal = np.where(alive[:, None], scaled - shared, np.float32(0))
    signal = signal - offsets(signal)
    period = dominant_period(signal[alive]) if period is None else period
    # Records of a station are not resampled, and long periods of an earthquake look like drift.
    reason = "" if domain == "station" else envelope.unresolved(period, data.shape[1])
    if domain != "station" and not reason:
        signal = signal - significant(signal, drift(signal, period))
    return Prepared(scaled, shared, signal, period, reason)


def prepare_neighbours(
    neighbours: np.ndarray,
    data: np.ndarray,
    alive: np.ndarray,
    unit: float,
    domain: Domain,
    common_mode: bool,
    period: float,
) -> np.ndarray:
    """Prepare neighbouring slices as the record is; the record stands for their dead traces.

    Args:
        neighbours: (slice, trace, time), in the unit of the record.
        data: the record, (trace, time).
        alive: which of its traces are live; the others are zero in the slices too.
        unit: the amplitude to divide by.
        domain: the kind of record.
        common_mode: see `prepare`.
        period: the dominant period of the record, samples.

    Returns:
        (slice, trace, time) float32.
    """
    filled = (np.where(live(one)[:, None], one, data) for one in neighbours)
    return np.stack(
        [
            prepare(one, alive, unit, domain, common_mode=common_mode, period=period).signal
            for one in filled
        ]
    )
