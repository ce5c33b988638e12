"""Whether the numbers of a part can be right: units, clamps, deleted shells."""

from __future__ import annotations

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.carried import STILL
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part

RANGES = {
    "length of the part": (5.0, 20_000.0, "mm"),
    "thickness": (0.05, 60.0, "mm"),
    "duration": (0.01, 2_000.0, "ms"),
    "impactor's speed": (0.05, 300.0, "m/s"),
    "yield stress": (0.01, 5.0, "GPa"),
    "largest displacement": (0.0, 10_000.0, "mm"),
}
"""What crashes of sheet metal lie in, generously; a wrong unit is often off by 1000."""


def warnings_for(part: Part) -> list[str]:
    """Return sentences on numbers of a part that cannot be right in mm, ms, kg and GPa.

    Args:
        part: converted to mm, ms and kg.
    """
    moved = 0.0 if part.displacement is None else float(np.abs(part.displacement).max())
    values = {
        "length of the part": [float(np.ptp(part.points, axis=0).max())],
        "thickness": [float(part.thickness.min()), float(part.thickness.max())],
        "duration": [part.duration],
        "impactor's speed": [part.impactor.speed],
        "yield stress": [part.material.yield_stress],
        "largest displacement": [moved],
    }
    out = []
    for name, numbers in values.items():
        low, high, unit = RANGES[name]
        wrong = [value for value in numbers if not low <= value <= high]
        if wrong:
            out.append(f"the {name} is {wrong[0]:.4g} {unit}, not {low:g} to {high:g} {unit}")
    return out


def check_numbers(part: Part) -> None:
    """Refuse a part whose numbers cannot be right in the stated units.

    Raises:
        ReadError: a number lies outside of `RANGES`.
    """
    wrong = warnings_for(part)
    if wrong:
        remedy = "Are the units mixed? State those of the file, such as units='m, s, kg'"
        raise ReadError(f"run {part.name!r}", "; ".join(wrong), remedy)


def check_clamps(part: Part) -> None:
    """Refuse clamped nodes that move in the history, which shows that they are not clamped.

    Raises:
        ReadError: a clamped node moves, or no node is clamped although some never move.
    """
    if part.displacement is None:
        return
    travel = np.linalg.norm(part.displacement, axis=2).max(0)
    limit = STILL * float(travel.max())
    still = int((travel <= limit).sum())
    if part.clamped.any() and float(travel[part.clamped].max()) > limit:
        moving = int((part.clamped & (travel > limit)).sum())
        rule = f"{moving} of {int(part.clamped.sum())} nodes stated as clamped move by up to "
        rule += f"{float(travel[part.clamped].max()):.3g} mm; {still} nodes never move"
        remedy = "State the nodes that never move: held: still in a recipe, --clamped still"
        raise ReadError(f"run {part.name!r}", rule, remedy)


def check_whole(series: CrashSeries) -> None:
    """Refuse a history in which shells are deleted: the networks do not know failure.

    Raises:
        ReadError: a shell is deleted.
    """
    alive = series.read(len(series) - 1).alive
    if not alive.all():
        rule = f"{int((~alive).sum())} of {len(alive)} shells are deleted by the last state"
        remedy = "The networks do not know failure: leave the run out (on_bad_file: skip)"
        raise ReadError(str(series.path or "series"), rule, remedy)
