"""Behaviour: the probes that the field of a task brings, and what they found."""

from __future__ import annotations

from pathlib import Path

from torch import random

from scionwood import Probe, Task, find, load
from scionwood_audit.record import Row, Status


def behaviour(task: Task, name: str, folder: Path | None) -> list[Row]:
    """Run the probes of a task.

    Args:
        task: a task with its adapter.
        name: its name, such as `seismic/denoise`.
        folder: the run folder, or None.

    Returns:
        One row for each probe, or one that says that the field brings none.
    """
    owner, _, part = name.partition("/")
    plugin = find(owner).plugin
    if plugin is None or part not in plugin.probes:
        value = f"no probes are known for {name}"
        return [Row("behaviour", "probes", "skipped", value, reason="see Plugin.probes")]
    with random.fork_rng(devices=[]):
        found: list[Probe] = load("probes", name)(task.eval(), folder)
    return [_row(probe) for probe in found]


def _row(probe: Probe) -> Row:
    status: Status = "kept" if probe.passed else "broken"
    value = f"{probe.value:.3g} {probe.unit}".rstrip()
    return Row("behaviour", probe.name, status, value, probe.limits, probe.reason)
