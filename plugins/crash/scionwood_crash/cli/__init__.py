"""The commands `scionwood crash inspect`, `simulate`, `calibrate`, `predict` and `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood.authoring import InputPath, OutputPath, RunPath

if TYPE_CHECKING:
    from scionwood_crash.evaluation.compare import Errors
    from scionwood_crash.parts.mesh import CrashSeries

Format = Literal["vtu", "d3plot", "record"]
Hold = Literal["field", "still", "ends", "low", "high"]
Vector = tuple[float, float, float]


def simulate(
    target: Path,
    *,
    family: str = "box",
    n: int = 4,
    seed: int = 0,
    format: Format = "vtu",
    jobs: int = 2,
    force: bool = False,
) -> None:
    """Simulate crashes of random thin-walled parts with the reduced explicit shell solver.

    One simulation takes a few seconds on one core. Existing files are skipped, so an interrupted
    run can be resumed. A design depends only on the seed, the family and its number.

    Args:
        target: the folder to write to.
        family: hat, bumper, tube or box.
        n: number of designs.
        seed: seed of the designs.
        format: `vtu` writes a PVD file with one VTU file per state, `d3plot` the format of LS-DYNA,
            and `record` all results of the solver as safetensors.
        jobs: number of parallel processes.
        force: repeat simulations whose file exists.

    Raises:
        RecipeError: the family is unknown, or `n` or `jobs` is less than 1.
        WriteError: a file cannot be written.
    """
    from scionwood import RecipeError
    from scionwood_crash.suite.families import FAMILIES
    from scionwood_crash.suite.generate import generate

    if family not in FAMILIES:
        rule = "the suite has no family of this name"
        raise RecipeError(f"family {family!r}", rule, f"Choose one of: {', '.join(FAMILIES)}")
    if n < 1 or jobs < 1:
        rule = "both must be at least 1"
        raise RecipeError(f"{n} designs, {jobs} processes", rule, "Correct --n or --jobs")
    counts = generate(Path(target), family, n, seed, format, jobs=jobs, overwrite=force)
    print(f"{target}: {counts.made} simulated, {counts.skipped} skipped, {counts.failed} failed")


def predict(
    mesh: InputPath,
    target: OutputPath,
    *,
    run: RunPath = "crash/transfer_lora",
    part: int | None = None,
    clamped: Hold | None = None,
    direction: Vector | None = None,
    impactor: Literal["plane", "cylinder"] | None = None,
    point: Vector | None = None,
    speed: float | None = None,
    mass: float | None = None,
    radius: float | None = None,
    yield_stress: float | None = None,
    duration: float = 10.0,
    settings: dict[str, str] | None = None,
    units: str | None = None,
    thickness: float | None = None,
    fallback: Literal["refuse", "project"] = "refuse",
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Predict how a part deforms, and write the states for ParaView or another program.

    Impact and material that the file states take precedence over these options, and these over
    what the recipe of the run states. The command names what none of them states, and the number
    that it assumes. A simulation is predicted at its own times. `NAME.json` beside the target
    records how the prediction was made.

    Args:
        mesh: a keyword deck, a mesh or a simulation, in any format that can be read.
        target: the file to write: `.pvd`, `.vtp`, `.zarr`, or a name that ends in `d3plot`.
        run: a run folder of `crash/displacement` that `scionwood fit` wrote, or the name of a
            shipped run.
        part: number of the part in the file. None means all shells, which must then be connected.
        clamped: which nodes cannot move: those of the file's point field `held` (`field`, the
            default), those that never move in the simulation (`still`), those at both ends of the
            longest axis, or at its lower or upper end.
        direction: direction in which the impactor moves; (0, 0, -1) if nothing states it.
        impactor: shape of the impactor; a cylinder if nothing states it.
        point: a point on the impactor, in the file's unit of length: on the axis of a cylinder, or
            on the plane. None means that it touches the middle of the part.
        speed: speed of the impactor, m/s; 7 if nothing states it.
        mass: mass of the impactor, kg; 25 if nothing states it.
        radius: radius of a cylinder, mm; 90 if nothing states it.
        yield_stress: yield stress of the sheet, GPa; 0.35 if nothing states it.
        duration: duration of the prediction from a mesh alone, ms.
        settings: meaning of the keys of the file's settings, such as `{v0: speed m/s, id: ignore}`;
            by default that of the run.
        units: units of a file that does not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        device: where to compute, such as cpu or cuda.
        force: replace the target if it exists.

    Raises:
        ReadError: the file is damaged or has no such part, the part has no two ends, or the clamped
            nodes are unknown or move in the simulation.
        AdapterFileError: the run's adapter is damaged, or belongs to another base.
        TrainingError: `run` does not name a finished run.
        OutputExistsError: the target exists and `force` is false.
        WriteError: the target cannot be written.
    """
    from dataclasses import asdict, replace

    from scionwood.authoring import check_target
    from scionwood_crash.data.stated import Given, assumed, open_run
    from scionwood_crash.inference import Predictor, record_path, write_record
    from scionwood_crash.parts.quantities import Settings
    from scionwood_crash.parts.series import only_part
    from scionwood_crash.readers import write_series

    check_target(record_path(target), force)
    predictor = Predictor(run, fallback=fallback, device=device)
    options = Given(units, thickness, direction, impactor, speed, mass, radius, yield_stress, point)
    held, means = clamped or predictor.given.held, Settings(settings or {})
    predictor.given = replace(options, held=held, settings=means).over(predictor.given)
    given = predictor.given
    series = open_run(mesh, given)
    series = series if part is None else only_part(series, part)
    setup = given.setup(duration)
    predicted = predictor.on_series(series, setup)
    write_series(target, predicted, overwrite=force)
    guessed = assumed(series, given)
    made = {"mesh": mesh.name, "part": part, "fallback": fallback, "setup": asdict(setup)}
    write_record(target, predictor, {**made, "assumed": guessed}, overwrite=force)
    print(f"{target}: {len(predicted)} states of {len(predicted.mesh.points)} nodes")
    if guessed:
        print(f"assumed, since nothing states it: {', '.join(guessed)}")
    print("\n".join([*predictor.frame, predictor.verdict]))
    if predictor.interval is not None:
        print(predictor.interval)


def evaluate(
    predicted: InputPath,
    simulated: InputPath,
    *,
    direction: Vector | None = None,
    units: str | None = None,
    thickness: float | None = None,
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
        direction: direction of the impact. None takes that of the reference file, or (0, 0, -1).
        units: units of files that do not state them, such as `mm, ms, kg`.
        thickness: thickness of shells that have none in the file.
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
    """
    from scionwood_crash import api

    given, reference = (
        api.read(path, units=units, thickness=thickness) for path in (predicted, simulated)
    )
    errors = api.evaluate(given, reference, direction=direction, probes=probes or [])
    if figures is not None:
        api.report(given, reference, errors, figures, overwrite=force)
    if json:
        from json import dumps

        print(dumps(errors, indent=1))
        return
    _print_errors(reference, errors)


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
    if wrong := excess(errors["by_time"], errors["impact_energy"]):
        print(wrong)


def calibrate(run: RunPath, *, folds: int = 4, json: bool = False) -> None:
    """Measure the errors of a run on designs that it has not seen, for prediction intervals.

    Predictions with the run then state 90 % intervals of the maximum intrusion and of the nodes. If
    the test split of the recipe has 9 designs or more, they set the intervals. Otherwise the
    training is repeated without one fold of its designs at a time, and at least 9 must be there.
    The command also prints the errors of simple regressions on the same training designs, each left
    out once.

    Args:
        run: a run folder of `crash/displacement`.
        folds: number of folds; each takes about as long as the training of the run.
        json: print JSON.

    Raises:
        TrainingError: `run` does not name a finished run.
        RecipeError: there are too few designs, or fewer designs than folds.
        WriteError: the folder `intervals` of the run cannot be written.
    """
    from scionwood.authoring import print_table
    from scionwood_crash.evaluation.calibration import calibrate as measured

    held, errors = measured(run, folds=folds)
    if json:
        from json import dumps

        print(dumps({"method": held.method, "designs": len(held.intrusion), "errors": errors}))
        return
    rows = [(name, f"{value:.1f}") for name, value in errors.items()]
    print_table(["maximum intrusion", "error, %"], rows, numeric=["error, %"])
    kind = "spare designs" if held.method == "split" else f"designs in {held.folds} folds"
    print(f"{run}: {held.level:.0%} intervals from {len(held.intrusion)} {kind}")
