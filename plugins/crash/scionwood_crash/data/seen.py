"""What is understood of a run before any training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import ReadError
from scionwood_crash.data.stated import Given, open_run
from scionwood_crash.morph import Surface
from scionwood_crash.parts.believe import check_clamps, check_whole, doubts
from scionwood_crash.parts.carried import at_rest, said
from scionwood_crash.parts.impact import CLAMPED_FIELD, REVERSED, velocity_of_part
from scionwood_crash.parts.links import pieces_of
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import STRAIN, factors, from_series, run_name
from scionwood_crash.solver.model import KINDS

COLUMNS = (
    *("run", "states", "every", "until", "nodes", "shells", "parts", "size", "thickness"),
    *("clamped", "speed", "mass", "yield"),
)
"""The columns of the table of runs."""


@final
@dataclass
class Seen:
    """What is understood of a run.

    Attributes:
        values: what the table shows, by column.
        conditions: further keys of the run, with their numbers.
        missing: options that neither the run nor the user states.
        ignored: what the reader leaves out.
        faults: why the run cannot be learned from; empty if it can.
        assembly: what is to be said of several pieces; empty for one.
        frame: what is to be said of a part that flies into a wall.
    """

    values: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    assembly: str = ""
    frame: list[str] = field(default_factory=list)


def look(path: Path, given: Given) -> Seen:
    """Read a run as the training would, and tell what is understood of it.

    Args:
        path: the file of the run.
        given: what the user states for all runs.
    """
    seen = Seen(values={"run": run_name(path)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _fill(seen, open_run(path, given), given)
        except ReadError as error:
            seen.faults.append(f"{error.rule}. {error.remedy}")
    seen.ignored += sorted({str(each.message).removeprefix(f"{path.name}: ") for each in caught})
    return seen


def _fill(seen: Seen, series: CrashSeries, given: Given) -> None:
    mesh, states = series.mesh, len(series)
    length, time, mass = factors(mesh.units)
    stated, seen.conditions = given.settings.stated(series.features, (length, time, mass))
    seen.missing = given.missing(stated)
    if not mesh.units.known and given.units is None:
        seen.missing.append("units")
    seen.values |= _sizes(series)
    if states < 2:
        raise ReadError(str(series.path), "it holds a single state, not a history", "Leave it out")
    series = at_rest(series)
    seen.frame = [*filter(None, [said(series)])]
    held = CLAMPED_FIELD if CLAMPED_FIELD in series.read(0).point_fields else ""
    if given.held == "field" and not held:
        seen.missing.append("held")
    _judge(seen, series, given)


def _sizes(series: CrashSeries) -> dict[str, Any]:
    """Return what the table shows of the mesh and its states."""
    mesh, states, known = series.mesh, len(series), series.mesh.units.known
    length, time = (mesh.units.length, mesh.units.time) if known else ("", "")
    steps = np.diff(series.times)
    alike = states > 1 and np.allclose(steps, steps.mean(), rtol=0.05)
    every = f"{steps.mean():.4g}" if alike else _span(steps) if states > 1 else ""
    sides = " x ".join(f"{side:.4g}" for side in np.ptp(mesh.points, 0))
    return {
        "states": states,
        "every": f"{every} {time}".strip(),
        "until": f"{series.times[-1]:.4g} {time}".strip(),
        "nodes": len(mesh.points),
        "shells": len(mesh.cells),
        "parts": _parts(series),
        "size": f"{sides} {length}".strip(),
        "thickness": f"{_span(mesh.thickness)} {length}".strip(),
        "plastic strain": states > 1 and STRAIN in series.read(0).cell_fields,
    }


def _judge(seen: Seen, series: CrashSeries, given: Given) -> None:
    """Add what the impact is, and why the run cannot be learned from."""
    known = replace(given, held="still") if "held" in seen.missing else given
    part = from_series(series, known.setup(), settings=given.settings)
    stated, _ = given.settings.stated(series.features, factors(series.mesh.units))
    if velocity_of_part(stated, known.setup(), part.impactor):
        seen.frame.append(REVERSED)
    moved = np.linalg.norm(part.displacement, axis=2).max(0) if part.displacement is not None else 0
    seen.values["clamped"] = f"{int(part.clamped.sum())} ({known.held})"
    seen.values["largest displacement"] = f"{float(np.max(moved)):.4g} mm"
    texts = {
        "speed": f"{part.impactor.speed:.4g} m/s",
        "mass": f"{part.impactor.mass:.4g} kg",
        "yield_stress": f"{part.material.yield_stress:.4g} GPa",
        "direction": " ".join(f"{value:.3g}" for value in part.impactor.direction),
    }
    for name, text in texts.items():
        column = "yield" if name == "yield_stress" else name
        seen.values[column] = "?" if name in seen.missing else text
    pieces = int(pieces_of(len(part.points), Surface(part.points, part.cells).edges[0]).max()) + 1
    seen.values["pieces"] = pieces
    if pieces > 1:
        seen.values["links"] = counts = _counted(part)
        shown = ", ".join(f"{count} links of kind {kind}" for kind, count in counts.items())
        seen.assembly = f"an assembly of {pieces} pieces, {shown or 'no weld or tie is stated'}; "
        seen.assembly += "the network needs backbone.links: true"
    seen.faults += doubts(part)
    for check in (partial(check_whole, series), partial(check_clamps, part)):
        try:
            check()
        except ReadError as error:
            seen.faults.append(f"{error.rule}. {error.remedy}")


def _counted(part: Part) -> dict[str, int]:
    """Return the number of links of each kind that the files state."""
    if part.links is None:
        return {}
    kinds, counts = np.unique(part.links.kinds, return_counts=True)
    return {KINDS[kind]: int(count) for kind, count in zip(kinds, counts, strict=True)}


def notes(every: Sequence[Seen]) -> list[str]:
    """Return sentences on several runs: what is missing, further, ignored, and at fault."""
    said: dict[str, list[str]] = {}
    for seen in every:
        texts = [f"missing: {name}" for name in seen.missing]
        texts += [*([seen.assembly] if seen.assembly else []), *seen.frame]
        texts += [f"a further condition: {name}" for name in seen.conditions]
        texts += [f"ignored: {text}" for text in seen.ignored]
        texts += [f"cannot be learned from: {text}" for text in seen.faults]
        for text in texts:
            said.setdefault(text, []).append(str(seen.values["run"]))
    out = []
    for text, runs in said.items():
        which = "all runs" if len(runs) == len(every) > 1 else ", ".join(runs[:3])
        out.append(f"{text} ({which}{', ...' if len(runs) > 3 and which != 'all runs' else ''})")
    return out


def _parts(series: CrashSeries) -> str:
    numbers, counts = np.unique(series.mesh.part_ids, return_counts=True)
    rigid = series.mesh.rigid_parts
    shown = [
        f"{number}{' rigid' if number in rigid else ''} ({count})"
        for number, count in zip(numbers.tolist()[:4], counts.tolist(), strict=False)
    ]
    return ", ".join(shown) + (f" and {len(numbers) - 4} more" if len(numbers) > 4 else "")


def _span(values: np.ndarray) -> str:
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
