"""The coherent stage: a mixture of filters and the network, and the name of what it removes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from scipy import fft

from scionwood_seismic.inference.beams import Beams, beams
from scionwood_seismic.inference.filters import band_pass
from scionwood_seismic.inference.mixture import Mixture, Step, mix
from scionwood_seismic.inference.waves import ABOVE, SlowWaves, find_slow_waves, whitened
from scionwood_seismic.synth.canonical import (
    CANONICAL_PERIOD,
    Domain,
    dominant_period,
    local_coherence,
)

FEWEST = 7
"""Live traces of a record that beams and a fan need."""

LARGEST = 128, 1024
"""Traces and canonical samples of the part of a large record on which the weights are chosen."""

BAND = 0.5, 2.0  # of the dominant frequency
COHERENT = 0.35  # local coherence of noise that neighbours share
COMMON = 0.3  # share of the energy that is the median trace
LEAST_SHARE, MOST_CHAINS = 0.2, 3  # the least share of a noise that is named, and the most chains


@final
@dataclass(frozen=True)
class Reference:
    """What the steps for a record are chosen by.

    Attributes:
        record: (trace, time) without slow waves, if they are to be removed.
        period: the dominant period of the events, samples.
        slow: the slow waves of the record; None if one kind of waves was found.
        events: the part of the record in which events are looked for, (trace, time).
    """

    record: np.ndarray
    period: float
    slow: SlowWaves | None
    events: np.ndarray


@final
@dataclass(frozen=True)
class Stage:
    """What denoises a record.

    Attributes:
        reference: what it was chosen by.
        beams: what is coherent in the reference.
        mixture: the filters and the network.
        takes_slow: whether slow waves go first.
    """

    reference: Reference
    beams: Beams
    mixture: Mixture
    takes_slow: bool

    @property
    def lowest(self) -> float:
        """Cycles per period, below which slow waves are taken out; 0 if they are kept."""
        slow = self.reference.slow
        return ABOVE * slow.cut * self.reference.period if slow and self.takes_slow else 0.0

    def denoised(self, record: np.ndarray) -> np.ndarray:
        """Denoise the record, a part of it, or either with events, (trace, time)."""
        slow = self.reference.slow
        return self.mixture(slow.removed(record) if slow and self.takes_slow else record)

    def as_json(self, removed: np.ndarray, dt: float) -> dict[str, Any]:
        """Return what the stage did and why, as JSON values, with a sentence as `line`.

        Args:
            removed: what it removed, (live trace, time).
            dt: the sample interval, s.
        """
        gain = 10 * float(np.log10(self.mixture.network_risk / self.mixture.risk))
        chains = sorted(self.mixture.weights.items(), key=lambda pair: -pair[1])
        weights = {", ".join(chain) or "input": round(weight, 3) for chain, weight in chains}
        noises = name_noise(removed, self.reference.period)
        slow, waves = self.reference.slow, ""
        if slow:
            waves = (
                f"; two kinds of waves: {slow.fast:.1f} samples per trace above "
                f"{slow.cut / dt:.3g} Hz, {slow.slow:.1f} below"
            )
            waves += ", which went" if self.takes_slow else "; --slow remove takes these out"
        chains_text = " + ".join(f"{w:.2f} ({c})" for c, w in list(weights.items())[:MOST_CHAINS])
        why = f"by its estimate {gain:.1f} dB better than the network alone"
        return {
            "line": f"noise {' and '.join(noises)}: {chains_text}, {why}{waves}",
            "noise": noises,
            "weights": weights,
            "gain_db": round(gain, 2),
            "slow": slow and {"cut": slow.cut, "slow": slow.slow, "fast": slow.fast},
        }


def usable(domain: Domain, alive: np.ndarray) -> bool:
    """Return whether the stage can treat a record.

    Args:
        domain: the kind of record; components of a station have no neighbours.
        alive: which traces are live, (trace,).
    """
    return domain != "station" and int(alive.sum()) >= FEWEST


def hidden_period(signal: np.ndarray) -> float:
    """Return the period of events under slow noise that hides them, samples.

    Args:
        signal: (live trace, time), any unit.
    """
    return dominant_period(whitened(signal))


def find_reference(
    signal: np.ndarray, period: float, alive: np.ndarray, slow: Literal["keep", "remove"]
) -> Reference:
    """Return what the steps for a record are chosen by.

    Args:
        signal: (trace, time), any unit; dead traces are zero.
        period: its dominant period, samples.
        alive: which traces are live, (trace,).
        slow: whether slow waves are kept, or are removed first.
    """
    slow_waves = find_slow_waves(signal[alive])
    if slow_waves is None or slow == "keep":
        return Reference(signal, period, slow_waves, signal)
    record = slow_waves.removed(signal)
    # What is left of the slow waves must not pass for the events, which lie above.
    above = np.zeros_like(record)
    above[alive] = band_pass(record[alive], 0.8 * slow_waves.cut, 0.5)
    return Reference(record, dominant_period(above[alive]), slow_waves, above)


def find_stage(
    reference: Reference,
    alive: np.ndarray,
    network: Callable[[np.ndarray], np.ndarray],
    slow: Literal["keep", "remove"],
    strong: float,
) -> Stage | None:
    """Choose the mixture for a record; None if it has no coherent event.

    Args:
        reference: see `find_reference`.
        alive: which traces are live, (trace,).
        network: a record or a part of it, (trace, time) -> the denoised one.
        slow: whether slow waves are kept, or are removed first.
        strong: the amplitude that strong events keep.
    """
    coherent = beams(reference.events[alive], reference.period)
    if not coherent.has_events:
        return None
    shape = LARGEST[0], round(LARGEST[1] * reference.period / CANONICAL_PERIOD)
    rows, columns = (
        slice((n - min(n, size)) // 2, (n - min(n, size)) // 2 + min(n, size))
        for n, size in zip(reference.record.shape, shape, strict=True)
    )
    middle = reference.record[rows, columns]
    part = middle[middle.any(axis=1)]
    inner = coherent if part.shape == reference.record.shape else beams(part, reference.period)
    step: Step = network
    mixture = mix(middle, inner, step, strong=strong)
    return Stage(reference, coherent, mixture, slow == "remove")


def name_noise(removed: np.ndarray, period: float) -> list[str]:
    """Return names of the noise in what was removed, the largest part first.

    Args:
        removed: (live trace, time), any unit.
        period: the dominant period of the events, samples.

    Example:
        >>> import numpy as np
        >>> name_noise(np.random.default_rng(0).standard_normal((32, 200)), 20.0)
        ['above the band', 'in the band, incoherent']
    """
    energy = max(float(np.square(removed, dtype=np.float64).sum()), 1e-300)
    shared = np.median(removed, axis=0)
    common = len(removed) * float(np.square(shared).sum()) / energy
    f = fft.rfftfreq(removed.shape[1]) * period
    power = np.square(np.abs(fft.rfft(removed))).sum(axis=0)
    below, above = power[f < BAND[0]].sum(), power[f > BAND[1]].sum()
    total = max(float(power.sum()), 1e-300)
    inside = band_pass(removed, BAND[0] / period, BAND[1] / period)
    is_coherent = local_coherence(inside) > COHERENT
    parts: Mapping[str, float] = {
        "below the band (swell, wind, instrument)": below / total,
        "above the band": above / total,
        f"in the band, {'shared by neighbours' if is_coherent else 'incoherent'}": 1
        - (below + above) / total,
    }
    if common > COMMON:
        parts = {"common to all traces": common, **parts}
    return [
        name for name, share in sorted(parts.items(), key=lambda p: -p[1]) if share > LEAST_SHARE
    ]
