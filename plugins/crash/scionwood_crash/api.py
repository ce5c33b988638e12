"""The Python interface: read, write, simulate, predict and evaluate crash series.

A `CrashSeries` is a shell mesh with its states over time. Every function here takes or returns one,
whatever file format it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scionwood_crash.evaluation.compare import Errors, compare
from scionwood_crash.evaluation.report import write_report
from scionwood_crash.inference import Predictor
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.carried import same_frame
from scionwood_crash.parts.impact import rigid_body
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.parts.quantities import Settings
from scionwood_crash.parts.series import Setup, Vector, factors, only_part, to_series
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.suite.record import to_part
from scionwood_crash.suite.simulate import simulate as simulate_design

__all__ = [
    "CrashSeries",
    "Errors",
    "Frame",
    "Setup",
    "ShellMesh",
    "evaluate",
    "predict",
    "read",
    "report",
    "simulate",
    "write",
]

DOWN: Vector = (0.0, 0.0, -1.0)
"""The direction of impact that is assumed when neither the user nor the file states one."""


def read(
    path: str | Path, *, units: str | None = None, thickness: float | None = None
) -> CrashSeries:
    """Read a crash simulation or a mesh; a mesh is a series of one state.

    Example:
        >>> series = read("bumper.pvd")
        >>> series.displacement().shape == (len(series), len(series.mesh.points), 3)
        True

    Args:
        path: d3plot, LS-DYNA keyword deck, PVD, VTU, VTP, Zarr, or a format of meshio (VTK, Abaqus,
            Nastran, MED).
        units: units of a file that does not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file, in its unit of length.

    Returns:
        A series whose states are read on demand.

    Raises:
        ReadError: the format is unknown, or the file is damaged.
    """
    return open_series(path, units=units, thickness=thickness)


def write(series: CrashSeries, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a series in the format of the suffix.

    Example:
        >>> write(read("bumper.pvd"), "bumper.vtp")
        >>> len(read("bumper.vtp")) == len(read("bumper.pvd"))
        True

    Args:
        series: the series to write.
        path: the target: `.pvd`, `.vtu`, `.vtp`, `.zarr`, `.zip`, or a name that ends in `d3plot`.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `path` exists and `overwrite` is false.
        WriteError: no format has that suffix, or the file cannot be written.
    """
    write_series(path, series, overwrite=overwrite)


def simulate(family: str, *, seed: int = 0, index: int = 0) -> CrashSeries:
    """Simulate one random design of the suite with the reduced explicit shell solver.

    The same arguments give the same bits. One simulation takes a few seconds.

    Example:
        >>> series = simulate("tube", seed=2)
        >>> len(series), str(series.mesh.units)
        (21, 'mm, ms, kg')

    Args:
        family: `hat`, `bumper`, `tube` or `box`.
        seed: seed of the designs.
        index: number of the design within the family.

    Returns:
        21 states in mm, ms and kg, with the plastic strain of the shells.

    Raises:
        RecipeError: the family is unknown.
        SimulationError: the simulation diverged.
    """
    return to_series(to_part(simulate_design(family, seed, index)))


def predict(
    series: CrashSeries,
    run: str | Path = "crash/transfer_lora",
    *,
    setup: Setup | None = None,
    part: int | None = None,
    fallback: Fallback = "refuse",
    device: str = "cpu",
) -> CrashSeries:
    """Predict how a part deforms, with the network of a run.

    To predict many parts with one run, keep a `scionwood_crash.inference.Predictor`.

    Example:
        >>> series = read("bumper.pvd")
        >>> len(predict(series)) == len(series)
        True

    Args:
        series: a mesh, or a simulation that is predicted from its mesh.
        run: a run of the task `crash/displacement`, as a folder or another reference that
            `scionwood.find_run` takes. By default the shipped run, which knows bumpers.
        setup: impact and boundary conditions that the file does not state; by default those that
            the recipe of the run states for all files, and else the defaults of `Setup`.
        part: number of the part to predict; `None` means all shells, which must then be connected.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        device: where to compute, such as `cpu` or `cuda`.

    Returns:
        The predicted states on the mesh, in the units and at the times of `series`. A mesh alone
        has as many states as the network predicts.

    Raises:
        ReadError: the part does not exist, has no two ends, or its clamped nodes are unknown or
            move in the simulation.
        TrainingError: `run` does not name a finished run.
    """
    chosen = series if part is None else only_part(series, part)
    predictor = Predictor(run, fallback=fallback, device=device)
    return predictor.on_series(chosen, setup or predictor.given.setup())


def evaluate(
    predicted: CrashSeries,
    simulated: CrashSeries,
    *,
    direction: Vector | None = None,
    probes: Sequence[int] = (),
) -> Errors:
    """Compare a prediction with the simulation of the same part.

    Example:
        >>> series = read("bumper.pvd")
        >>> errors = evaluate(series, series)
        >>> errors["med"], errors["intrusion_error"]
        (0.0, 0.0)

    Args:
        predicted: the prediction, on the mesh and at the times of `simulated`.
        simulated: the reference.
        direction: direction of the impact; `None` takes that of the reference file, or (0, 0, -1).
        probes: node numbers of the file at which motions are compared; with none, the node of
            the maximum intrusion.

        Displacements of a part that flies into a fixed wall are taken relative to its carrier.

    Returns:
        The errors, whose names `Errors` explains.

    Raises:
        ReadError: the part flies into a wall, and no group of nodes moves as one body.
        RecipeError: nodes or times differ, or a probe does not exist.
    """
    predicted, simulated = same_frame(predicted, simulated)
    return compare(predicted, simulated, np.array(direction or _direction(simulated)), probes)


def report(
    predicted: CrashSeries,
    simulated: CrashSeries,
    errors: Errors,
    folder: str | Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write figures, an animation and the page `report.html` of a comparison.

    Example:
        >>> series = read("bumper.pvd")
        >>> report(series, series, evaluate(series, series), "report")
        >>> Path("report/report.html").is_file()
        True

    Args:
        predicted: the prediction.
        simulated: the reference.
        errors: the result of `evaluate`.
        folder: the target folder; it is created if it is missing.
        overwrite: replace existing files.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: the folder cannot be written.
    """
    pair = same_frame(predicted, simulated)
    write_report(*pair, errors, Path(folder), overwrite=overwrite)


def _direction(simulated: CrashSeries) -> Vector:
    """Return the direction in which the impactor moves, as the carrier of the part sees it."""
    scale = factors(simulated.mesh.units)
    stated, _ = Settings().stated(simulated.features, scale)
    if "impactor_direction_x" not in stated:
        return DOWN
    return rigid_body(stated, Setup(), simulated.mesh.points * scale[0], scale).direction
