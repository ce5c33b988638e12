"""Interleaved timing, ratios with intervals, and the description of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from runner import Row
from torch import Tensor

Phases = Mapping[str, Callable[[], object]]
"""What an form does, in this order; each part is timed by itself."""
Times = dict[Hashable, dict[str, list[float]]]
"""Seconds by form, phase and round."""
SHORTEST = 0.01  # seconds that one reading lasts at least


def measure(forms: Mapping[Hashable, Phases], device: str, rounds: int, warm: float = 0.2) -> Times:
    """Time rounds in the order A B C, C B A, A B C ..., after a warm-up of `warm` s for each form.

    On a CPU it measures the CPU time of the process, so that other processes matter little. On
    CUDA it measures the time between events.

    Args:
        forms: phases by form.
        device: `cpu` or `cuda`.
        rounds: readings of each form.
        warm: 0 if the forms have run before.

    Returns:
        Seconds for each call.
    """
    repeats = {name: _warm_up(phases, device, warm) for name, phases in forms.items()}
    times: Times = {name: {phase: [] for phase in phases} for name, phases in forms.items()}
    for turn in range(rounds):
        for name in list(forms)[:: -1 if turn % 2 else 1]:
            for phase, spent in timed(forms[name], device, repeats[name]).items():
                times[name][phase].append(spent)
    return times


def timed(phases: Phases, device: str, repeats: int) -> dict[str, float]:
    """Return the mean seconds of each phase over `repeats` calls."""
    marks = []
    for _ in range(repeats):
        call = [_mark(device)]
        for run in phases.values():
            run()
            call.append(_mark(device))
        marks.append(call)
    if device == "cuda":
        torch.cuda.synchronize()
    return {
        phase: sum(_between(call[i], call[i + 1]) for call in marks) / repeats
        for i, phase in enumerate(phases)
    }


def interleaved(
    runs: Mapping[Any, Callable[[], object]], rounds: int, device: str = "cpu", warm: float = 0.2
) -> dict[Any, np.ndarray]:
    """Return the seconds of each function in each round, timed as `measure` does."""
    times = measure({name: {"step": run} for name, run in runs.items()}, device, rounds, warm)
    return {name: total(seconds, ["step"]) for name, seconds in times.items()}


def apart(mine: Mapping[str, Tensor], peer: Mapping[str, Tensor], title: str, most: float) -> str:
    """Return the largest relative distance of gradients from those of a peer.

    Raises:
        AssertionError: a gradient is missing or zero, or further from the peer's than `most`.
    """
    assert peer.keys() == mine.keys(), f"{title}: other gradients than the peer's"
    assert all(value.norm() > 0 for value in mine.values()), f"{title}: a gradient is zero"
    far = max(float((mine[n] - peer[n]).norm() / peer[n].norm()) for n in mine)
    assert far < most, f"{title}: {far:.1e} from the peer's"
    return f"{far:.1e}"


def total(times: Mapping[str, Sequence[float]], phases: Iterable[str]) -> np.ndarray:
    """Return the seconds of each round, summed over the given phases; empty if a form has none."""
    return np.sum([times[phase] for phase in phases if phase in times], 0, initial=0.0)


def ratio(peer: ArrayLike, base: ArrayLike) -> tuple[float, float, float]:
    """Return the median over rounds of peer / ours and its bootstrapped 95 % interval."""
    ratios = np.asarray(peer) / np.asarray(base)
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.quantile(np.median(draws, 1), [0.025, 0.975])
    return float(np.median(ratios)), float(low), float(high)


def compared(peer: np.ndarray, base: np.ndarray) -> Row:
    """Return the columns of a comparison."""
    middle, low, high = ratio(peer, base)
    return {
        "median_ms": f"{np.median(peer) * 1e3:.4f}",
        "times_ours": f"{middle:.3f}",
        "ci_low": f"{low:.3f}",
        "ci_high": f"{high:.3f}",
    }


def _warm_up(phases: Phases, device: str, seconds: float) -> int:
    """Run for a while, and return how many calls make a reading long enough."""
    if not seconds:
        return 1
    start, call = time.monotonic(), 0.0
    while time.monotonic() < start + seconds:
        call = sum(timed(phases, device, 1).values())
    return max(1, round(SHORTEST / max(call, 1e-6)))


def _mark(device: str) -> float | torch.cuda.Event:
    if device == "cpu":
        return time.process_time()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _between(start: float | torch.cuda.Event, end: float | torch.cuda.Event) -> float:
    if isinstance(start, float):
        return end - start
    return start.elapsed_time(end) / 1e3
