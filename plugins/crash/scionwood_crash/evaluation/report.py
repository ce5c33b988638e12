"""A prediction beside the truth as figures, an animation, and a page that holds them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from scionwood import atomic_path
from scionwood_crash.evaluation.figures import animate, deformed, motions, over_time
from scionwood_crash.page import Page, Table, render
from scionwood_crash.parts.mesh import CrashSeries

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Errors = dict[str, Any]
REPORT = "report.html"
CAPTIONS = {
    "deformed": "Deformed shapes at the last state, coloured by the distance between them",
    "animation": "The deformation over time, coloured by how far a node has moved",
    "intrusion": "Maximum intrusion",
    "error": "Mean Euclidean distance of nodes",
    "energy": "Absorbed energy, an estimate",
}
NOTES = (
    "Intrusion is the largest displacement of a node along the impact. MED is the mean Euclidean "
    "distance between predicted and true positions of nodes.",
    "Velocities and accelerations of probes are differences of second order between states: "
    "states that are far apart smooth them.",
)
ENERGY = (
    "The energy that the sheet absorbs is an estimate: plastic work of the largest strain through "
    "the thickness at the flow stress of slow deformation. It is too high where a sheet bends, and "
    "leaves out the rise of the stress with the rate."
)


def write_report(
    predicted: CrashSeries, true: CrashSeries, errors: Errors, folder: Path, *, overwrite: bool
) -> None:
    """Write the figures, an animation and `report.html` into a folder.

    Args:
        predicted: of the same mesh and times.
        true: what came about.
        errors: of `evaluate.compare`.
        folder: made where it is missing.
        overwrite: replace files that are there.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: the folder cannot be written to.
    """
    jobs = _figures(predicted, true, errors)
    pictures: dict[str, tuple[str, bytes]] = {}
    console = Console(stderr=True)
    for name in track([*jobs, "animation"], "drawing", console=console, transient=True):
        caption = CAPTIONS.get(name, name.replace("probe-", "Motion of node "))
        if name == "animation":
            target, media = folder / "deformed.gif", "image/gif"
            histories = {"true": true.displacement(), "predicted": predicted.displacement()}
            mesh = true.mesh
            animate(mesh.points, mesh.cells, histories, target, overwrite=overwrite)
        else:
            target, media = folder / f"{name}.png", "image/png"
            _save(jobs[name](), target, overwrite)
        pictures[caption] = media, target.read_bytes()
    with atomic_path(folder / REPORT, overwrite=overwrite) as part:
        part.write_text(render(_page(predicted, true, errors, pictures)), encoding="utf-8")


def _save(figure: Figure, target: Path, overwrite: bool) -> None:
    memory = BytesIO()
    figure.savefig(memory, format="png", dpi=120)
    with atomic_path(target, overwrite=overwrite) as part:
        part.write_bytes(memory.getvalue())


def _figures(
    predicted: CrashSeries, true: CrashSeries, errors: Errors
) -> dict[str, Callable[[], Figure]]:
    """What to draw, by name."""
    mesh, times = true.mesh, np.asarray(errors["times"])
    length, time = mesh.units.length, mesh.units.time
    by_time = {name: np.asarray(values) for name, values in errors["by_time"].items()}
    last = [each.read(len(times) - 1).displacement for each in (true, predicted)]

    def lines(kind: str, label: str) -> Callable[[], Figure]:
        values = {name: by_time[f"{kind}_{name}"] for name in ("true", "predicted")}
        return lambda: over_time(times, values, label=label, unit=time)

    def motion(number: str) -> Callable[[], Figure]:
        found = {name: _along(each, errors) for name, each in errors["probes"][number].items()}
        return lambda: motions(times, found, length=length, time=time)

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
    return jobs | {f"probe-{number}": motion(number) for number in errors["probes"]}


def _along(motion: Mapping[str, list[list[float]]], errors: Errors) -> dict[str, np.ndarray]:
    """Components of a probe's motion along the impact."""
    direction = np.asarray(errors["direction"])
    return {name: np.asarray(values) @ direction for name, values in motion.items()}


def _page(
    predicted: CrashSeries,
    true: CrashSeries,
    errors: Errors,
    pictures: Mapping[str, tuple[str, bytes]],
) -> Page:
    mesh = true.mesh
    length, time = mesh.units.length, mesh.units.time
    names = ["time", *errors["by_time"]]
    columns = [errors["times"], *errors["by_time"].values()]
    rows = [[f"{value:.4g}" for value in row] for row in zip(*columns, strict=True)]
    units = f"Times in {time}, lengths in {length}, energies in J."
    tables = {
        "Summary": Table(("", "true", "predicted", "error"), _summary(true, errors)),
        "By time": Table([name.replace("_", " ") for name in names], rows, units),
    }
    notes = NOTES if "energy_true" not in errors["by_time"] else (*NOTES, ENERGY)
    of_mesh = (
        f"{len(mesh.points)} nodes, {len(mesh.cells)} shells, {len(true)} states; units "
        f"{mesh.units}; impact along ({', '.join(f'{x:.3g}' for x in errors['direction'])})."
    )
    familiar, text = errors["familiar"], str(errors["familiarity"])
    name = true.path.name if true.path else "part"
    return Page(
        f"Crash prediction: {name}",
        "" if familiar else text,
        tables,
        pictures,
        (of_mesh, *((text,) if familiar else ()), *notes),
    )


def _summary(true: CrashSeries, errors: Errors) -> list[tuple[str, ...]]:
    length = true.mesh.units.length
    depths = [f"{errors[f'intrusion_{name}']:.4g}" for name in ("true", "predicted")]
    nodes = [_place(true, number) for number in errors["intrusion_node"]]
    return [
        (f"maximum intrusion, {length}", *depths, f"{errors['intrusion_error']:.2f} %"),
        ("where it is", *nodes, ""),
        (f"MED, {length}", "", "", f"{errors['med']:.4g}"),
        ("MED over the true maximum intrusion", "", "", f"{errors['med_share']:.2f} %"),
        ("relative L2 of positions", "", "", f"{errors['rel_l2']:.3g}"),
    ]


def _place(series: CrashSeries, number: int) -> str:
    """A node with where it was at first."""
    at = series.mesh.points[int(np.flatnonzero(series.mesh.node_ids == number)[0])]
    return f"node {number} at ({', '.join(f'{x:.4g}' for x in at)})"
