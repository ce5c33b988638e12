"""Errors of a run on labelled structures, beside the frozen base and a kernel model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

import scionwood
from scionwood import TrainingError
from scionwood.authoring import atomic_path, figure_style, writing
from scionwood_atoms.backbones import potential
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.frames import graph_of
from scionwood_atoms.data.geometry import Register
from scionwood_atoms.data.labels import Frame, LabelError, chosen, read_frames
from scionwood_atoms.data.scale import check_labels
from scionwood_atoms.evaluation.kernel import MOST_FOR_KERNEL, arrays, fit_kernel
from scionwood_atoms.model.potential import Potential, Predicted, predictions, rms
from scionwood_atoms.model.reference import Reference

KERNEL = "sGDML"
TITLE = (
    "Root mean square errors of {} structures; of the forces by element, and by quarters of the "
    "energy above the lowest label of the formula, meV/atom"
)


@final
@dataclass(frozen=True)
class Errors:
    """Root mean square errors of one model on m structures."""

    model: str
    energy: float  # meV/atom
    force: float  # of the components, meV/A
    elements: Mapping[str, float]  # the same by element
    above: Mapping[str, float]
    """The same by quarters of the structures, ordered by the energy of their label above the lowest
    of their composition; the names are ranges in meV/atom."""


@final
@dataclass(frozen=True)
class Evaluation:
    """The errors of a run, and what a parity plot shows."""

    rows: tuple[Errors, ...]  # the run, then the models beside it
    structures: int
    dropped: Mapping[str, int]  # frames of the file that were left out, by reason
    energies: np.ndarray
    """(2, m), labels and predictions of the run, eV/atom, less the mean label of their formula."""
    forces: np.ndarray  # (2, 3n), labels and predictions of the run, eV/A


def evaluate_run(
    run: str | Path, file: str | Path, *, energy: str = "energy", forces: str = "forces"
) -> Evaluation:
    """Return the errors of a run on a file, beside the frozen base and a kernel model.

    Structures that the run was trained or validated on are left out and counted. The kernel model
    is fitted to the training structures of the run, if they and the file have one composition.
    """
    folder = scionwood.find_run(run)
    data = scionwood.resolve(folder / "recipe.yaml").data.build()
    if not isinstance(data, Files):
        rule = "it was not fitted to labels of yours, so that it has no reference energies"
        raise TrainingError(f"run {folder}", rule, "Fit a run with data.name atoms/files")
    labels = chosen(read_frames(Path(file), energy=energy, forces=forces))
    parts = data.frames()
    register = Register()
    trained = {register.add(frame.structure) for frame in (*parts["train"], *parts["val"])}
    frames = [frame for frame in labels.frames if register.add(frame.structure) not in trained]
    if overlap := len(labels.frames) - len(frames):
        labels.dropped["structures of the training"] = overlap
    if not frames:
        rule = "the run was trained or validated on each of its structures"
        raise LabelError(Path(file).name, rule, "Name structures that the run has not seen")
    adapted: Any = scionwood.load_run(folder).backbone
    row, totals, output = measured("run", adapted.eval(), frames, Reference.read(folder))
    base = potential(data.base).eval()
    fair = data.reference_for(base, parts["train"])  # a reference for it alone
    frozen, _, base_prediction = measured(f"frozen {data.base}", base, frames, fair)
    check_labels(frames, *base_prediction, trained=base.card.get("weights") != "random")
    rows = row, frozen, *kernel_errors(parts["train"], parts["val"], frames)
    parity = _parity(frames, totals, output.forces)
    return Evaluation(rows, len(frames), dict(labels.dropped), *parity)


def measured(
    name: str, model: Potential, frames: Sequence[Frame], reference: Reference
) -> tuple[Errors, np.ndarray, Predicted]:
    """Return the errors of a potential, its total energies, (m,), eV, and its predictions."""
    prediction = predictions(model, [graph_of(model, frame) for frame in frames])
    totals = prediction.energies + [reference.of(frame.composition) for frame in frames]
    return errors(name, frames, totals, prediction.forces), totals, prediction


def kernel_errors(
    train: Sequence[Frame], val: Sequence[Frame], frames: Sequence[Frame]
) -> list[Errors]:
    """Return the errors of a kernel model on frames, none unless all are one molecule."""
    structures = [frame.structure for frame in (*train, *val, *frames)]
    orders = {tuple(one.symbols.tolist()) for one in structures}
    if len(orders) > 1 or any(one.pbc.any() for one in structures) or len(train) > MOST_FOR_KERNEL:
        return []
    model = fit_kernel(orders.pop(), arrays(train), arrays(val))
    return [errors(KERNEL, frames, *model.predict(arrays(frames)[0]))]


def errors(
    name: str,
    frames: Sequence[Frame],
    energies: np.ndarray,
    forces: Sequence[np.ndarray] | np.ndarray,
) -> Errors:
    """Return the errors of predictions of m structures.

    Energies, (m,), eV, are on the scale of the labels; forces are m arrays (atom, 3), eV/A.
    """
    names, sizes, labels, pulls = _labels(frames)
    apart = [one - pull for one, pull in zip(forces, pulls, strict=True)]
    wrong, symbols = np.concatenate(apart), np.concatenate([f.structure.symbols for f in frames])
    by_element = {str(name): 1000 * rms(wrong[symbols == name]) for name in np.unique(symbols)}
    quarters = _quarters(names, labels / sizes).items()
    above = {key: 1000 * rms(np.concatenate([apart[at] for at in part])) for key, part in quarters}
    total = 1000 * rms((energies - labels) / sizes)
    return Errors(name, total, 1000 * rms(wrong), by_element, above)


def _quarters(names: np.ndarray, energies: np.ndarray) -> dict[str, np.ndarray]:
    """Return the indices of quarters of the structures by their energy above the lowest."""
    lowest = {name: energies[names == name].min() for name in set(names.tolist())}
    above = 1000 * (energies - [lowest[name] for name in names.tolist()])
    parts = [part for part in np.array_split(np.argsort(above), 4) if len(part)]
    return {f"{above[part[0]]:.0f} to {above[part[-1]]:.0f}": part for part in parts}


def _labels(
    frames: Sequence[Frame],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the formulas, the numbers of atoms, the energies and the forces of labels."""
    names = np.array([frame.structure.formula for frame in frames])
    sizes = np.array([len(frame.structure.symbols) for frame in frames])
    energies = np.array([frame.structure.energy for frame in frames], dtype=np.float64)
    return names, sizes, energies, [np.asarray(frame.structure.forces) for frame in frames]


def _parity(
    frames: Sequence[Frame], energies: np.ndarray, forces: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    names, sizes, labels, pulls = _labels(frames)
    means = np.array([labels[names == name].mean() for name in names])
    both = np.stack([labels - means, energies - means]) / sizes
    return both, np.stack([np.concatenate(one).ravel() for one in (pulls, list(forces))])


def write_page(evaluation: Evaluation, run: str, folder: Path, *, overwrite: bool = False) -> None:
    """Write parity.png, and report.html with the table, or raise `WriteError`."""
    from scionwood.authoring import Figure, Page, Table, render

    draw_parity(evaluation, folder / "parity.png", overwrite=overwrite)
    best = min(evaluation.rows, key=lambda one: one.force).model
    parity = Figure("Labels and predictions of the run", (folder / "parity.png").read_bytes())
    page = Page(
        f"Errors of {run}",
        [Table(*table(evaluation), title=TITLE.format(evaluation.structures)), parity],
        warning="" if best == "run" else f"{best} has smaller errors of the forces than the run.",
        notes=[f"Left out: {count} frames, {why}." for why, count in evaluation.dropped.items()],
    )
    with writing(folder), atomic_path(folder / "report.html", overwrite=overwrite) as part:
        part.write_text(render(page), "utf-8")


def table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table of errors."""
    first = evaluation.rows[0]
    parts = [*(f"on {name}" for name in first.elements), *(f"{name} above" for name in first.above)]
    return ["model", "energy, meV/atom", "force, meV/A", *parts], [
        [row.model, f"{row.energy:.2f}"]
        + [f"{v:.1f}" for v in (row.force, *row.elements.values(), *row.above.values())]
        for row in evaluation.rows
    ]


def draw_parity(evaluation: Evaluation, target: Path, *, overwrite: bool = False) -> None:
    """Draw predictions against labels, energies and forces, into a PNG file."""
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(8, 4), layout="constrained")
        row = evaluation.rows[0]
        for axes, values, title, unit in zip(
            figure.subplots(1, 2),
            (evaluation.energies, evaluation.forces),
            (f"energy, {row.energy:.2g} meV/atom", f"force, {row.force:.3g} meV/A"),
            ("eV/atom", "eV/A"),
            strict=True,
        ):
            ends = [values.min(), values.max()]
            axes.plot(ends, ends, color="0.6", linewidth=1)
            axes.plot(*values, ".", markersize=3)
            axes.set(xlabel=f"label, {unit}", ylabel=f"run, {unit}", title=title)
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            figure.savefig(part, format="png")
