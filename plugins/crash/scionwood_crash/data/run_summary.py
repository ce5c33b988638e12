"""The summary of a simulation file: its mesh, impact and settings, and what training lacks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import ReadError
from scionwood_crash.data.user_settings import RunSettings, open_run
from scionwood_crash.morph import Surface
from scionwood_crash.parts.carried import at_rest, carrier_message
from scionwood_crash.parts.impact import CLAMPED_FIELD, REVERSED, velocity_of_part
from scionwood_crash.parts.links import pieces_of
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.plausibility import check_clamps, check_whole, warnings_for
from scionwood_crash.parts.series import STRAIN, factors, from_series, run_name
from scionwood_crash.solver.model import KINDS

COLUMNS = (
    *("run", "states", "every", "until", "nodes", "shells", "parts", "size", "thickness"),
    *("clamped", "speed", "mass", "yield"),
)
"""The columns of the table of runs."""


@final
@dataclass
class RunSummary:
    """The summary of a simulation file, as `inspect` prints it.

    Attributes:
        values: the row of the table, by column.
        conditions: values of the keys without a known meaning, by key.
        missing: required options that neither the run nor the user states.
        ignored: messages on data that the reader leaves out.
        faults: reasons why the run cannot be used for training; empty if it can.
        assembly: a message if the part has several pieces; empty if it has one.
        frame: messages if the part flies into a wall and its frame of reference changes.
    """

    values: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    assembly: str = ""
    frame: list[str] = field(default_factory=list)


def summarise(path: Path, user: RunSettings) -> RunSummary:
    """Read a simulation as the training would, and return its summary.

    Args:
        path: the file of the run.
        user: the units, clamps and settings that the user states for all runs.
    """
    summary = RunSummary(values={"run": run_name(path)})
    with warnings.catch_warnings(record=True) as messages:
        warnings.simplefilter("always")
        try:
            _fill(summary, open_run(path, user), user)
        except ReadError as error:
            summary.faults.append(f"{error.rule}. {error.remedy}")
    summary.ignored += sorted(
        {str(warning.message).removeprefix(f"{path.name}: ") for warning in messages}
    )
    return summary


def _fill(summary: RunSummary, series: CrashSeries, user: RunSettings) -> None:
    mesh, states = series.mesh, len(series)
    length, time, mass = factors(mesh.units)
    numbers, summary.conditions = user.settings.stated(series.features, (length, time, mass))
    summary.missing = user.missing(numbers)
    if not mesh.units.known and user.units is None:
        summary.missing.append("units")
    summary.values |= _sizes(series)
    if states < 2:
        raise ReadError(str(series.path), "it holds a single state, not a history", "Leave it out")
    series = at_rest(series)
    summary.frame = [*filter(None, [carrier_message(series)])]
    field = CLAMPED_FIELD if CLAMPED_FIELD in series.read(0).point_fields else ""
    if user.held == "field" and not field:
        summary.missing.append("held")
    _judge(summary, series, user)


def _sizes(series: CrashSeries) -> dict[str, Any]:
    """Return what the table shows of the mesh and its states."""
    mesh, states, has_units = series.mesh, len(series), series.mesh.units.known
    length, time = (mesh.units.length, mesh.units.time) if has_units else ("", "")
    steps = np.diff(series.times)
    even = states > 1 and np.allclose(steps, steps.mean(), rtol=0.05)
    step = f"{steps.mean():.4g}" if even else _span(steps) if states > 1 else ""
    sides = " x ".join(f"{side:.4g}" for side in np.ptp(mesh.points, 0))
    return {
        "states": states,
        "every": f"{step} {time}".strip(),
        "until": f"{series.times[-1]:.4g} {time}".strip(),
        "nodes": len(mesh.points),
        "shells": len(mesh.cells),
        "parts": _parts(series),
        "size": f"{sides} {length}".strip(),
        "thickness": f"{_span(mesh.thickness)} {length}".strip(),
        "plastic strain": states > 1 and STRAIN in series.read(0).cell_fields,
    }


def _judge(summary: RunSummary, series: CrashSeries, user: RunSettings) -> None:
    """Add what the impact is, and why the run cannot be learned from."""
    settings = replace(user, held="still") if "held" in summary.missing else user
    part = from_series(series, settings.setup(), settings=user.settings)
    numbers, _ = user.settings.stated(series.features, factors(series.mesh.units))
    if velocity_of_part(numbers, settings.setup(), part.impactor):
        summary.frame.append(REVERSED)
    moved = np.linalg.norm(part.displacement, axis=2).max(0) if part.displacement is not None else 0
    summary.values["clamped"] = f"{int(part.clamped.sum())} ({settings.held})"
    summary.values["largest displacement"] = f"{float(np.max(moved)):.4g} mm"
    texts = {
        "speed": f"{part.impactor.speed:.4g} m/s",
        "mass": f"{part.impactor.mass:.4g} kg",
        "yield_stress": f"{part.material.yield_stress:.4g} GPa",
        "direction": " ".join(f"{value:.3g}" for value in part.impactor.direction),
    }
    for name, text in texts.items():
        column = "yield" if name == "yield_stress" else name
        summary.values[column] = "?" if name in summary.missing else text
    pieces = int(pieces_of(len(part.points), Surface(part.points, part.cells).edges[0]).max()) + 1
    summary.values["pieces"] = pieces
    if pieces > 1:
        summary.values["links"] = counts = _count_links(part)
        links = ", ".join(f"{count} links of kind {kind}" for kind, count in counts.items())
        summary.assembly = (
            f"an assembly of {pieces} pieces, {links or 'no weld or tie is stated'}; "
        )
        summary.assembly += "the network needs backbone.links: true"
    summary.faults += warnings_for(part)
    for check in (partial(check_whole, series), partial(check_clamps, part)):
        try:
            check()
        except ReadError as error:
            summary.faults.append(f"{error.rule}. {error.remedy}")


def _count_links(part: Part) -> dict[str, int]:
    """Return the number of links of each kind that the files state."""
    if part.links is None:
        return {}
    kinds, counts = np.unique(part.links.kinds, return_counts=True)
    return {KINDS[kind]: int(count) for kind, count in zip(kinds, counts, strict=True)}


def notes(summaries: Sequence[RunSummary]) -> list[str]:
    """Return sentences on several runs: what is missing, further, ignored, and at fault."""
    runs_of: dict[str, list[str]] = {}
    for summary in summaries:
        texts = [f"missing: {name}" for name in summary.missing]
        texts += [*([summary.assembly] if summary.assembly else []), *summary.frame]
        texts += [f"a further condition: {name}" for name in summary.conditions]
        texts += [f"ignored: {text}" for text in summary.ignored]
        texts += [f"cannot be learned from: {text}" for text in summary.faults]
        for text in texts:
            runs_of.setdefault(text, []).append(str(summary.values["run"]))
    out = []
    for text, runs in runs_of.items():
        which = "all runs" if len(runs) == len(summaries) > 1 else ", ".join(runs[:3])
        out.append(f"{text} ({which}{', ...' if len(runs) > 3 and which != 'all runs' else ''})")
    return out


def _parts(series: CrashSeries) -> str:
    numbers, counts = np.unique(series.mesh.part_ids, return_counts=True)
    rigid = series.mesh.rigid_parts
    texts = [
        f"{number}{' rigid' if number in rigid else ''} ({count})"
        for number, count in zip(numbers.tolist()[:4], counts.tolist(), strict=False)
    ]
    return ", ".join(texts) + (f" and {len(numbers) - 4} more" if len(numbers) > 4 else "")


def _span(values: np.ndarray) -> str:
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
