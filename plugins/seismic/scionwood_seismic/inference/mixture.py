"""Mix a network with filters for one record, by a risk that needs no reference.

The candidates are chains of filters and the network. Two of them give an estimate of the signal
and of the noise. The estimated signal, turned about both axes and with the opposite sign, plus the
noise is a record whose signal is known: on it the error of each mixture can be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.optimize import nnls

from scionwood_seismic.inference.beams import Beams
from scionwood_seismic.inference.events import STRONG, GatherEvents
from scionwood_seismic.inference.filters import band_pass, fan, fx_ssa, prediction
from scionwood_seismic.inference.gate import Levels, amplitudes, tried

Chain = tuple[str, ...]
Step = Callable[[np.ndarray], np.ndarray]

NETWORK: Chain = ("network",)
FIXED: Chain = ("wide band", "rank 8", "network")
"""The chain that is best on average on the tuning lines, if every record gets the same."""

CHAINS: tuple[Chain, ...] = (
    (),
    NETWORK,
    ("mirrored network",),
    ("network", "beam band"),
    ("network", "wide band"),
    ("beam band", "network"),
    ("period band",),
    ("period band", "network"),
    ("period band", "fan"),
    ("period band", "rank 12"),
    ("wide band", "prediction"),
    ("wide band", "rank 8"),
    FIXED,
    ("common mode",),
)
"""The candidates; the empty one is the record itself."""

EVENTS: Levels = {"strong": (STRONG, 3)}
"""Amplitudes and events of each kind with which the candidates are tested."""

ABOVE = 0.02
"""By how much the mixture keeps more of them than the gate asks for, which draws others."""

STIFF = 100.0  # weight of an amplitude that is missing, over the energy of the signal
EDGE = 0.05  # of the largest power of the beams, where their band ends
BEYOND = 0.015
"""By how much the share of the energy that a candidate removes, and that is coherent as events are,
may exceed that of the network. Filters that cut into the events of a tuning line exceed it."""

NOISY, BLIND = 0.2, 0.1
"""The share of the energy that `FIXED` removes of a noisy record, and that share of it which the
network removes at least, if its estimate of the signal counts."""

RIDGE = 3e-3  # of each output's energy, for outputs that are nearly alike
ROUNDS = 4  # of the weights of the two estimates
LEAST_RISK = 1e-6
SMALL = 0.01  # weights below are dropped


@final
@dataclass(frozen=True)
class Mixture:
    """A weighted sum of chains, and what they are expected to do.

    Attributes:
        weights: chain -> weight.
        steps: name of a step -> what it does to a record, (trace, time).
        risk: the expected energy of the error over that of the signal.
        network_risk: that of the network alone.
    """

    weights: Mapping[Chain, float]
    steps: Mapping[str, Step]
    risk: float
    network_risk: float

    def __call__(self, record: np.ndarray) -> np.ndarray:
        """Return the weighted sum of what the chains make of a record, (trace, time) float32."""
        by_chain = outputs(record, self.weights, self.steps)
        total = np.zeros(record.shape)
        for chain, weight in self.weights.items():
            total += weight * by_chain[chain]
        return total.astype(np.float32)


def steps_of(beams: Beams, network: Step) -> dict[str, Step]:
    """Return the steps of the chains for a record.

    Args:
        beams: what is coherent in the record; it sets the corners of the filters once, so that
            events which are added later cannot move them.
        network: a record, (trace, time) -> the denoised record.
    """
    period = beams.period
    in_band = beams.frequency[beams.power > EDGE * beams.power.max()] / period
    low, high = (in_band[0], in_band[-1]) if len(in_band) else (0.5 / period, 2 / period)
    wide = max(low / 2, 0.12 / period), max(1.8 * high, 2.3 / period)
    slowest = period * (1.5 * float(np.quantile(np.abs(beams.slopes), 0.9)) + 0.1)

    def rank(number: int, highest: float) -> Step:
        return _live(lambda x: fx_ssa(x, 1.0, rank=number, highest=1.1 * highest))

    def band(first: float, last: float) -> Step:
        return lambda x: band_pass(x, first, last)

    return {
        "network": network,
        "mirrored network": lambda x: network(x[::-1])[::-1],
        "beam band": band(max(0.8 * low, 0.2 / period), max(1.25 * high, 1.3 / period)),
        "wide band": band(*wide),
        "period band": band(0.2 / period, 2.3 / period),
        "fan": _live(lambda x: fan(x, slowest)),
        "rank 8": rank(8, wide[1]),
        "rank 12": rank(12, 2.3 / period),
        "prediction": _live(prediction),
        "common mode": _live(lambda x: x - np.median(x, axis=0)),
    }


def outputs(
    record: np.ndarray, chains: Sequence[Chain] | Mapping[Chain, float], steps: Mapping[str, Step]
) -> dict[Chain, np.ndarray]:
    """Return what each chain makes of a record; what chains have in common is computed once.

    Args:
        record: (trace, time); dead traces are zero.
        chains: names of steps.
        steps: name -> step.
    """
    by_chain: dict[Chain, np.ndarray] = {(): np.asarray(record, np.float32)}
    for chain in chains:
        for end in range(1, len(chain) + 1):
            if chain[:end] not in by_chain:
                before = by_chain[chain[: end - 1]]
                by_chain[chain[:end]] = np.asarray(steps[chain[end - 1]](before), np.float32)
    return by_chain


def mix(record: np.ndarray, beams: Beams, network: Step, *, strong: float = 0.85) -> Mixture:
    """Choose the mixture of chains for a record.

    The weights minimise the sum of the logarithms of the risks under the two estimates of the
    signal, so that a dB counts the same if the record is clean. Each kind of strong events of the
    gate keeps its limit, or what it keeps in the result of the network if that is less.

    Args:
        record: (trace, time), any unit; dead traces are zero.
        beams: what is coherent in it.
        network: a record, (trace, time) -> the denoised record.
        strong: the amplitude that strong events keep.

    Example:
        >>> from scionwood_seismic.inference.beams import beams
        >>> from scionwood_seismic.synth.field_signal import draw_record
        >>> rng = np.random.default_rng(0)
        >>> record = draw_record(rng, (48, 256), ["layers"])
        >>> record += 0.5 * record.std() * rng.standard_normal(record.shape)
        >>> mixture = mix(record, beams(record, 16.0), lambda x: x)
        >>> mixture.risk < mixture.network_risk
        True
    """
    steps = steps_of(beams, network)
    by_chain = outputs(record, CHAINS, steps)
    alive = np.asarray(np.any(record, axis=1))
    harm = {chain: _coherent(record - by_chain[chain], record, beams, alive) for chain in CHAINS}
    chains = [chain for chain in CHAINS if harm[chain] <= harm[NETWORK] + BEYOND]
    gone = {
        chain: _energy(record - by_chain[chain]) / _energy(record) for chain in (FIXED, NETWORK)
    }
    estimates = [chain for chain in (FIXED, NETWORK) if chain in chains]
    if FIXED in chains and gone[FIXED] > NOISY and gone[NETWORK] < BLIND * gone[FIXED]:
        estimates = [FIXED]  # the network takes the noise for signal
    problems = []
    for chain in estimates:
        signal = -by_chain[chain][::-1, ::-1]
        again = outputs(signal + record - by_chain[chain], chains, steps)
        problems.append(_products(signal, [again[one] for one in chains]))
    recovered = _recovered(record, beams, by_chain, chains, steps)
    # What the network itself loses is for the gate, which puts lost signal back.
    limits = np.minimum(strong + ABOVE, recovered[:, chains.index(NETWORK)])
    weights, risks = _solve(problems, recovered, limits)
    alone = np.eye(len(chains))[chains.index(NETWORK)]
    risk = _mean_risk(risks)
    network_risk = _mean_risk([_risk(problem, alone) for problem in problems])
    if risk > network_risk:
        weights, risk = alone, network_risk
    large = {c: float(w) for c, w in zip(chains, weights, strict=True) if w > SMALL}
    return Mixture(large, steps, risk, network_risk)


Problem = tuple[np.ndarray, np.ndarray]
"""Products of the outputs with each other and with the signal, over the signal's energy."""


def _products(signal: np.ndarray, by_chain: Sequence[np.ndarray]) -> Problem:
    rows = np.stack([one.ravel() for one in by_chain]).astype(np.float64)
    energy = _energy(signal)
    return rows @ rows.T / energy, rows @ signal.ravel().astype(np.float64) / energy


def _risk(problem: Problem, weights: np.ndarray) -> float:
    gram, with_signal = problem
    return max(float(weights @ gram @ weights - 2 * weights @ with_signal + 1), LEAST_RISK)


def _mean_risk(risks: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(risks))))


def _solve(
    problems: Sequence[Problem], recovered: np.ndarray, limits: np.ndarray
) -> tuple[np.ndarray, list[float]]:
    """Return the weights with the least sum of log risks, none negative, and the risks.

    Args:
        problems: those of the estimates.
        recovered: (kind, chain), what comes back of strong events.
        limits: what of each kind is to come back, (kind,).
    """
    shares = np.full(len(problems), 1 / len(problems))
    kinds, count = recovered.shape
    # What is more than the limit goes into a slack of its own, which is not negative either.
    stiff = STIFF**0.5 * np.hstack([recovered, -np.eye(kinds)])
    for _ in range(ROUNDS):
        gram = sum(share * problem[0] for share, problem in zip(shares, problems, strict=True))
        right = sum(share * problem[1] for share, problem in zip(shares, problems, strict=True))
        gram = gram + RIDGE * np.diag(np.diag(gram)) + 1e-12 * np.trace(gram) * np.eye(count)
        root = np.linalg.cholesky(gram)
        rows = np.vstack([np.hstack([root.T, np.zeros((count, kinds))]), stiff])
        aims = np.concatenate([np.linalg.solve(root, right), STIFF**0.5 * limits])
        weights = nnls(rows, aims)[0][:count]
        risks = [_risk(problem, weights) for problem in problems]
        # The gradient of a logarithm: each risk counts by its reciprocal.
        shares = 1 / np.array(risks)
        shares /= shares.sum()
    return weights, risks


def _recovered(
    record: np.ndarray,
    beams: Beams,
    by_chain: Mapping[Chain, np.ndarray],
    chains: Sequence[Chain],
    steps: Mapping[str, Step],
) -> np.ndarray:
    """Return what comes back of each kind of strong events, (kind, chain)."""
    again: list[dict[Chain, np.ndarray]] = []

    def denoise(part: np.ndarray) -> np.ndarray:
        again.append(outputs(part, chains, steps))
        return part

    source, rng = GatherEvents(record, beams), np.random.default_rng(1)
    trials, _ = tried(denoise, record, record, source, rng, levels=EVENTS)
    rows = []
    for chain in chains:
        parts = [
            replace(trial, denoised=by_chain[chain][trial.place], with_events=one[chain])
            for trial, one in zip(trials, again, strict=True)
        ]
        rows.append(amplitudes([event for part in parts for event in part.returned()]))
    return np.array([[row[kind] for row in rows] for kind in rows[0]])


def _coherent(removed: np.ndarray, record: np.ndarray, beams: Beams, alive: np.ndarray) -> float:
    """Return the share of the energy that is removed and coherent as events are."""
    return _energy(removed) / _energy(record) * beams.coherent_share(removed[alive])


def _energy(record: np.ndarray) -> float:
    return max(float(np.square(record, dtype=np.float64).sum()), 1e-300)


def _live(step: Step) -> Step:
    """Return a step that sees the live traces only; the others are zero."""

    def apply(record: np.ndarray) -> np.ndarray:
        alive = record.any(axis=1)
        if alive.all():
            return step(record)
        result = np.zeros(record.shape)
        result[alive] = step(record[alive])
        return result

    return apply
