"""The report of a prediction: figures, an animation, and one page that holds them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from scionwood.authoring import Figure as Picture
from scionwood.authoring import Page, Section, Table, atomic_path, render, writing
from scionwood_crash.evaluation.absorbed import excess
from scionwood_crash.evaluation.compare import Errors, summary_rows, time_columns, time_rows
from scionwood_crash.evaluation.figures import animate, deformed, motions, over_time
from scionwood_crash.parts.carried import carrier_message, same_frame
from scionwood_crash.parts.mesh import CrashSeries

REPORT = "report.html"
CAPTIONS = {
    "deformed": "Deformed shapes at the last state, coloured by the distance between them",
    "animation": "Deformation over time, coloured by the displacement of the nodes",
    "intrusion": "Maximum intrusion",
    "error": "Mean Euclidean distance of nodes",
    "energy": "Absorbed energy (estimate)",
    "force": "Wall force, after a filter of class 60 of SAE J211",
    "kinetic": "Kinetic energy that the obstacle has lost",
}
NOTES = (
    "Intrusion is the largest displacement of a node along the impact. MED is the mean Euclidean "
    "distance between the predicted and the simulated positions of the nodes.",
    "Velocities and accelerations of probes are second-order differences between states. Widely "
    "spaced states smooth them. The table compares the largest accelerations after a filter of "
    "class 60 of SAE J211. Do not use accelerations that it marks.",
    "Edge strain is the absolute change of the length of the sides of shells at the last state. "
    "Ripple is the mean distance of a node's displacement from the mean of its neighbours.",
)
ENERGY = (
    "The absorbed energy is an estimate: 0.69 of the plastic work of the largest strain through "
    "the thickness, at the quasi-static flow stress. It neglects the strain-rate effect and the "
    "elastic energy, so that it lies below the energy of the impactor."
)
_NAMES = {"true": "simulated", "predicted": "predicted"}


def write_report(
    predicted: CrashSeries,
    simulated: CrashSeries,
    errors: Errors,
    folder: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Write the figures, an animation and `report.html` of a comparison into a folder.

    Args:
        predicted: the prediction, with the mesh and the times of `simulated`.
        simulated: the reference.
        errors: the result of `evaluate_series`.
        folder: the target folder; it is created if it is missing.
        overwrite: replace files that exist.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> series = open_series("bumper.pvd")
        >>> write_report(series, series, evaluate_series(series, series), "report")
        >>> Path("report/report.html").is_file()
        True
    """
    folder, (predicted, simulated) = Path(folder), same_frame(predicted, simulated)
    jobs = _figures(predicted, simulated, errors)
    pictures: list[Picture] = []
    console = Console(stderr=True)
    with writing(folder):
        for name in track([*jobs, "animation"], "drawing", console=console, transient=True):
            caption = CAPTIONS.get(name, name.replace("probe-", "Motion of node "))
            if name == "animation":
                target = folder / "deformed.gif"
                series = {"simulated": simulated, "predicted": predicted}
                histories = {label: run.displacement() for label, run in series.items()}
                mesh = simulated.mesh
                animate(mesh.points, mesh.cells, histories, target, overwrite=overwrite)
            else:
                target = folder / f"{name}.png"
                _save(jobs[name](), target, overwrite)
            pictures.append(Picture(caption, target.read_bytes()))
        with atomic_path(folder / REPORT, overwrite=overwrite) as part:
            page = _page(simulated, errors, pictures)
            part.write_text(render(page), encoding="utf-8")


def _save(figure: Figure, target: Path, overwrite: bool) -> None:
    memory = BytesIO()
    figure.savefig(memory, format="png", dpi=120)
    with atomic_path(target, overwrite=overwrite) as part:
        part.write_bytes(memory.getvalue())


def _figures(
    predicted: CrashSeries, simulated: CrashSeries, errors: Errors
) -> dict[str, Callable[[], Figure]]:
    """Return functions that draw the figures, by name."""
    mesh, times = simulated.mesh, np.asarray(errors["times"])
    length, time = mesh.units.length, mesh.units.time
    by_time = {name: np.asarray(values) for name, values in errors["by_time"].items()}
    last = [series.read(len(times) - 1).displacement for series in (simulated, predicted)]

    def lines(kind: str, label: str) -> Callable[[], Figure]:
        values = {title: by_time[f"{kind}_{name}"] for name, title in _NAMES.items()}
        return lambda: over_time(times, values, label=label, unit=time)

    def motion(number: str) -> Callable[[], Figure]:
        probes = errors["probes"][number]
        curves = {_NAMES[name]: _along(probe, errors) for name, probe in probes.items()}
        return lambda: motions(times, curves, length=length, time=time)

    title = f"at {times[-1]:.4g} {time}"
    jobs: dict[str, Callable[[], Figure]] = {
        "deformed": lambda: deformed(mesh.points, mesh.cells, *last, title=title, unit=length),
        "intrusion": lines("intrusion", f"maximum intrusion, {length}"),
        "error": lambda: over_time(
            times, {"MED": by_time["med"]}, label=f"mean distance, {length}", unit=time
        ),
    }
    if "energy_true" in by_time:
        jobs["energy"] = lines("energy", "absorbed energy (estimate), J")
    if "force_true" in by_time:
        jobs["force"] = lines("force", "wall force, kN")
        jobs["kinetic"] = lines("kinetic", "absorbed kinetic energy, J")
    return jobs | {f"probe-{number}": motion(number) for number in errors["probes"]}


def _along(motion: Mapping[str, list[list[float]]], errors: Errors) -> dict[str, np.ndarray]:
    """Return the components of a probe's motion along the impact."""
    direction = np.asarray(errors["direction"])
    return {name: np.asarray(values) @ direction for name, values in motion.items()}


def _page(simulated: CrashSeries, errors: Errors, pictures: Sequence[Picture]) -> Page:
    mesh = simulated.mesh
    units = f"Times in {mesh.units.time}, lengths in {mesh.units.length}, energies in J."
    head = ("", "simulated", "predicted", "error")
    summary = Section("Summary", [Table(head, summary_rows(simulated, errors))])
    by_time = Section("By time", [Table(time_columns(errors), time_rows(errors), units)])
    notes = NOTES if "energy_true" not in errors["by_time"] else (*NOTES, ENERGY)
    about = (
        f"{len(mesh.points)} nodes, {len(mesh.cells)} shells, {len(simulated)} states; units "
        f"{mesh.units}; impact along ({', '.join(f'{x:.3g}' for x in errors['direction'])})."
    )
    familiar, text = errors["familiar"], str(errors["familiarity"])
    wrong = excess(errors["by_time"], errors["impact_energy"])
    warnings = [*(() if familiar else (text,)), *filter(None, (wrong,))]
    name = simulated.path.name if simulated.path else "part"
    return Page(
        f"Crash prediction: {name}",
        [summary, *pictures, by_time],
        warning=" ".join(warnings),
        notes=(
            about,
            *filter(None, (carrier_message(simulated),)),
            *((text,) if familiar else ()),
            *notes,
        ),
    )
