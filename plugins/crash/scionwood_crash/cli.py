"""The commands `scionwood crash simulate | predict | evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

Format = Literal["vtu", "d3plot", "record"]


def simulate(
    *,
    out: Path,
    family: str = "box",
    n: int = 4,
    seed: int = 0,
    format: Format = "vtu",
    workers: int = 2,
    force: bool = False,
) -> None:
    """Simulate crashes of random thin-walled parts with the reduced explicit-shell solver.

    Each takes a few seconds on one core. Files that are there are skipped, so that a run which was
    stopped goes on where it was; a design depends on seed, family and its number alone.

    Args:
        out: the folder to write to.
        family: hat, bumper, tube or box.
        n: how many designs.
        seed: of the designs.
        format: `vtu` is a PVD file with a VTU file for each state, `d3plot` LS-DYNA's, and
            `record` all that the solver gives, as safetensors.
        workers: processes.
        force: simulate again what is there.

    Raises:
        RecipeError: no such family, or less than one design or worker.
        WriteError: the disk is full.
    """
    from scionwood import RecipeError
    from scionwood_crash.suite.families import FAMILIES
    from scionwood_crash.suite.generate import generate

    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise RecipeError(f"family {family!r}", "there is none of this name", f"Choose: {known}")
    if n < 1 or workers < 1:
        rule = "a suite has one or more of each"
        raise RecipeError(f"{n} designs, {workers} workers", rule, "Correct --n or --workers")
    counts = generate(Path(out), family, n, seed, format, workers=workers, overwrite=force)
    print(f"{out}: {counts.made} simulated, {counts.skipped} were there, {counts.failed} failed")


def predict(
    mesh: Path,
    target: Path,
    *,
    run: Path,
    part: int | None = None,
    held: Literal["field", "ends", "low", "high"] = "field",
    direction: tuple[float, float, float] = (0.0, 0.0, -1.0),
    impactor: Literal["plane", "cylinder"] = "cylinder",
    speed: float = 7.0,
    mass: float = 25.0,
    radius: float = 90.0,
    yield_stress: float = 0.35,
    duration: float = 10.0,
    units: str | None = None,
    thickness: float | None = None,
    fallback: Literal["refuse", "project"] = "refuse",
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Predict how a part deforms, and write the history for ParaView or another program.

    What the file says of the impact and the material is taken before these options. A file with as
    many states as the network predicts gives its times too.

    Args:
        mesh: a deck, a mesh or a simulation in any format that is read.
        target: the file to write: `.pvd`, `.vtp`, `.zarr`, or a name that ends in `d3plot`.
        run: the run folder of `crash/displacement` that `scionwood fit` wrote.
        part: of the file, by its number; all shells where null, which then hang together.
        held: nodes that cannot move: of the file's field `held`, or both ends of the longest axis,
            or its lower or upper one.
        direction: in which the impactor moves.
        impactor: what hits the part, in its middle.
        speed: m/s.
        mass: kg.
        radius: of a cylinder, mm.
        yield_stress: of the sheet, GPa.
        duration: of the history, ms.
        units: of a file that does not say, such as `mm, ms, kg`.
        thickness: of shells that have none in the file.
        fallback: what happens to a part without two ends: an error, or a projection onto its axes.
        device: where to compute, such as cpu or cuda.
        force: replace the target if it exists.

    Raises:
        ReadError: the file is damaged or has no such part, the part has no two ends, or nobody says
            what is held.
        AdapterFileError: the run's adapter is damaged, or made for another base.
        TrainingError: the folder is no finished run.
        OutputExistsError: the target exists and `force` is false.
        WriteError: the target cannot be written whole.
    """
    from scionwood_crash.inference import Predictor
    from scionwood_crash.parts.series import Setup, only_part
    from scionwood_crash.readers import open_series, write_series

    setup = Setup(direction, impactor, speed, mass, radius, yield_stress, duration, held)
    series = open_series(Path(mesh), units=units, thickness=thickness)
    series = series if part is None else only_part(series, part)
    predictor = Predictor(Path(run), fallback=fallback, device=device)
    found = predictor.on_series(series, setup)
    write_series(Path(target), found, overwrite=force)
    print(f"{target}: {len(found)} states of {len(found.mesh.points)} nodes")
    print(predictor.verdict)


def evaluate(
    predicted: Path,
    true: Path,
    *,
    direction: tuple[float, float, float] | None = None,
    probes: list[int] | None = None,
    figures: Path | None = None,
    as_json: bool = False,
    force: bool = False,
) -> None:
    """Print mean Euclidean distance and maximum intrusion by time, and where it is; or report them.

    Where both files have plastic strain, an estimate of the energy that the sheet absorbs is beside
    them. The report is one HTML page, `report.html`, with tables, figures and an animation inside.

    Args:
        predicted: a file that `predict` wrote, or any simulation of the same mesh and times.
        true: what came about.
        direction: of the impact; that of the true file's features, or else (0, 0, -1), where null.
        probes: node numbers of the file, whose displacement, velocity and acceleration are given
            too; the node of the true maximum intrusion where null.
        figures: a folder for the report and its figures: the deformed shapes coloured by error,
            curves over time, the motion of probes, an animation.
        as_json: print JSON.
        force: replace figures that are there.

    Raises:
        ReadError: a file is damaged.
        RecipeError: the two differ in nodes or times, or there is no such probe.
        OutputExistsError: a figure exists and `force` is false.
    """
    from scionwood_crash import api
    from scionwood_crash.evaluation.compare import text

    given, reference = api.read(predicted), api.read(true)
    errors = api.evaluate(given, reference, direction=direction, probes=probes or [])
    if figures is not None:
        api.report(given, reference, errors, figures, overwrite=force)
    length = reference.mesh.units.length
    print(json.dumps(errors, indent=1) if as_json else text(errors, length))
