"""Behaviour: the probes that the field of a task brings, and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import random

from scionwood import Task, find, load
from scionwood.authoring import ProbeResult
from scionwood_audit.record import Row, Status


def behaviour(task: Task, names: Sequence[str], folder: Path | None) -> list[Row]:
    """Run the probes of a task.

    Args:
        task: a task with its adapter.
        names: the names of the task and of its data, such as `seismic/denoise`; the first one for
            which a field brings probes counts.
        folder: the run folder, or None.

    Returns:
        One row for each probe, or one that says that no field brings any.
    """
    name = next(filter(_has_probes, names), None)
    if name is None:
        value = f"no probes are known for {' or '.join(names)}"
        return [Row("behaviour", "probes", "skipped", value, reason="see Plugin.probes")]
    with random.fork_rng(devices=[]):
        results: list[ProbeResult] = load("probes", name)(task.eval(), folder)
    return [_row(probe) for probe in results]


def _has_probes(name: str) -> bool:
    owner, _, part = name.partition("/")
    plugin = find(owner).plugin
    return plugin is not None and part in plugin.probes


def _row(probe: ProbeResult) -> Row:
    status: Status = "kept" if probe.passed else "broken"
    value = f"{probe.value:.3g} {probe.unit}".rstrip()
    return Row("behaviour", probe.name, status, value, probe.limits, probe.reason)
