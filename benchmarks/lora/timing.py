"""Interleaved timing, ratios with intervals, and the description of the machine."""

from __future__ import annotations

import csv
import os
import platform
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from scionwood.authoring import atomic_path

Phases = Mapping[str, Callable[[], object]]
"""What an form does, in this order; each part is timed by itself."""
Times = dict[Hashable, dict[str, list[float]]]
"""Seconds by form, phase and round."""
Row = dict[str, object]
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


def total(times: Mapping[str, Sequence[float]], phases: Iterable[str]) -> np.ndarray:
    """Return the seconds of each round, summed over the given phases; empty if a form has none."""
    return np.sum([times[phase] for phase in phases if phase in times], 0, initial=0.0)


def ratio(peer: np.ndarray, ours: np.ndarray) -> tuple[float, float, float]:
    """Return the median over rounds of peer / ours and its bootstrapped 95 % interval."""
    each = peer / ours
    draws = np.random.default_rng(0).choice(each, (2000, len(each)))
    low, high = np.quantile(np.median(draws, 1), [0.025, 0.975])
    return float(np.median(each)), float(low), float(high)


def compared(peer: np.ndarray, ours: np.ndarray) -> Row:
    """Return the columns of a comparison."""
    middle, low, high = ratio(peer, ours)
    return {
        "median_ms": f"{np.median(peer) * 1e3:.4f}",
        "times_ours": f"{middle:.3f}",
        "ci_low": f"{low:.3f}",
        "ci_high": f"{high:.3f}",
    }


def machine(device: str) -> Row:
    """Return the machine, the versions, and the load."""
    packages = ("torch", "peft", "timm", "triton")
    return {
        "machine": processor(device),
        "threads": torch.get_num_threads(),
        "load": f"{os.getloadavg()[0]:.1f}",
        **{name: version(name) if find_spec(name) else "" for name in packages},
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor(device: str) -> str:
    """Return the name of the card or of the processor."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(path: Path, rows: Sequence[Row], device: str) -> None:
    """Write the CSV whole or not at all; rows of other devices stay."""
    replace_rows(path, [{**row, "device": device} for row in rows], ("device",))


def replace_rows(path: Path, rows: Sequence[Row], same: Sequence[str] = ()) -> None:
    """Write the CSV whole or not at all, with new rows behind those of the file that stay.

    Args:
        path: the file, which need not be there yet.
        rows: the new rows; their columns may differ.
        same: a row of the file goes if a new one equals it in these columns; without any, all go.
    """
    new = {tuple(str(row[name]) for name in same) for row in rows}
    if path.exists():
        with path.open(newline="") as file:
            old = [*csv.DictReader(file)]
        rows = [*(row for row in old if tuple(row[name] for name in same) not in new), *rows]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


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
