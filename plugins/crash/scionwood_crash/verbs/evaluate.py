"""Compare a prediction with a simulation: two files, or two series in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath
from scionwood_crash.parts.options import FileOptions, Vector

if TYPE_CHECKING:
    from scionwood_crash.evaluation.compare import Errors
    from scionwood_crash.parts.mesh import CrashSeries

DOWN: Vector = (0.0, 0.0, -1.0)
"""The direction of impact that is assumed when neither the user nor the file states one."""


def evaluate(
    predicted: InputPath,
    simulated: InputPath,
    options: FileOptions = FileOptions(),
    *,
    direction: Vector | None = None,
    probes: list[int] | None = None,
    figures: Path | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Compare a prediction with a simulation: mean Euclidean distance and maximum intrusion.

    If both files have plastic strain, the table also estimates the energy that the sheet absorbs.
    With `--figures` the command also writes `report.html`: one page with the tables, the figures
    and an animation.

    Args:
        predicted: a file that `predict` wrote, or any simulation with the same mesh and times.
        simulated: the reference.
        options: what the files do not state.
        direction: direction of the impact. None takes that of the reference file, or (0, 0, -1).
        probes: numbers of nodes whose displacement, velocity and acceleration are compared. None
            means the node of the maximum intrusion of the reference.
        figures: a folder for the report and its figures: deformed shapes coloured by the error,
            curves over time, the motion of the probes, an animation.
        json: print JSON.
        force: replace figures that exist.

    Raises:
        ReadError: a file is damaged.
        RecipeError: nodes or times differ, or a probe does not exist.
        OutputExistsError: a figure exists and `force` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> evaluate("bumper.pvd", "bumper.pvd", json=True)  # doctest: +ELLIPSIS
        {
         "times": ...
    """
    from scionwood_crash.evaluation.report import write_report
    from scionwood_crash.readers import open_series

    series, reference = (
        open_series(path, units=options.units, thickness=options.thickness)
        for path in (predicted, simulated)
    )
    errors = evaluate_series(series, reference, direction=direction, probes=probes or [])
    if figures is not None:
        write_report(series, reference, errors, figures, overwrite=force)
    if json:
        from json import dumps

        print(dumps(errors, indent=1))
        return
    _print_errors(reference, errors)


def evaluate_series(
    predicted: CrashSeries,
    simulated: CrashSeries,
    *,
    direction: Vector | None = None,
    probes: Sequence[int] = (),
) -> Errors:
    """Compare a prediction with the simulation of the same part.

    Displacements of a part that flies into a fixed wall are taken relative to its carrier.

    Args:
        predicted: the prediction, on the mesh and at the times of `simulated`.
        simulated: the reference.
        direction: see `evaluate`.
        probes: see `evaluate`.

    Returns:
        The errors, whose names `Errors` explains.

    Raises:
        ReadError: the part flies into a wall, and no group of nodes moves as one body.
        RecipeError: nodes or times differ, or a probe does not exist.

    Example:
        >>> series = open_series("bumper.pvd")
        >>> errors = evaluate_series(series, series)
        >>> errors["med"], errors["intrusion_error"]
        (0.0, 0.0)
    """
    import numpy as np

    from scionwood_crash.evaluation.compare import compare
    from scionwood_crash.parts.carried import same_frame

    predicted, simulated = same_frame(predicted, simulated)
    return compare(predicted, simulated, np.array(direction or _direction(simulated)), probes)


def _direction(simulated: CrashSeries) -> Vector:
    """Return the direction in which the impactor moves, as the carrier of the part sees it."""
    from scionwood_crash.parts.impact import Setup, rigid_body
    from scionwood_crash.parts.quantities import Settings
    from scionwood_crash.parts.series import factors

    scale = factors(simulated.mesh.units)
    numbers, _ = Settings().stated(simulated.features, scale)
    if "impactor_direction_x" not in numbers:
        return DOWN
    return rigid_body(numbers, Setup(), simulated.mesh.points * scale[0], scale).direction


def _print_errors(reference: CrashSeries, errors: Errors) -> None:
    from scionwood.authoring import print_table
    from scionwood_crash.evaluation.absorbed import excess
    from scionwood_crash.evaluation.compare import summary_rows, time_columns, time_rows

    units = reference.mesh.units
    columns = time_columns(errors)
    energy = ", energies in J" if "energy_true" in errors["by_time"] else ""
    title = f"By time (times in {units.time}, lengths in {units.length}{energy})"
    print_table(columns, time_rows(errors), title=title, numeric=columns)
    print()
    columns = ["", "simulated", "predicted", "error"]
    print_table(columns, summary_rows(reference, errors), numeric=columns[1:])
    print()
    print(errors["familiarity"])
    if sentence := excess(errors["by_time"], errors["impact_energy"]):
        print(sentence)
