"""Measure a run on labelled structures: `scionwood atoms evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, RunPath, check_target, prints

if TYPE_CHECKING:
    from scionwood_atoms.evaluation.of_run import Evaluation


def _print_evaluation(evaluation: Evaluation, *, json: bool = False) -> None:
    """Print the errors of the models.

    Args:
        evaluation: the result.
        json: print JSON.
    """
    from dataclasses import asdict
    from json import dumps

    from scionwood.authoring import print_table

    if json:
        rows = [asdict(row) for row in evaluation.rows]
        content = {"structures": evaluation.structures, "dropped": dict(evaluation.dropped)}
        print(dumps({**content, "models": rows}, indent=1))
        return
    elements = list(evaluation.rows[0].elements)
    names = ["model", "energy, meV/atom", "force, meV/A", *(f"on {name}" for name in elements)]
    cells = [
        [row.model, f"{row.energy:.2f}", f"{row.force:.1f}"]
        + [f"{row.elements[name]:.1f}" for name in elements]
        for row in evaluation.rows
    ]
    print_table(names, cells, title=f"root mean square errors, {evaluation.structures} structures")
    for reason, count in evaluation.dropped.items():
        print(f"dropped: {count} frames, {reason}")
    best = min(evaluation.rows, key=lambda row: row.force)
    if best.model != "run":
        print(f"{best.model} has smaller errors of the forces than the run")


@prints(_print_evaluation)
def evaluate(
    run: RunPath,
    structures: InputPath,
    *,
    energy: str = "energy",
    forces: str = "forces",
    figures: Path | None = None,
    force: bool = False,
) -> Evaluation:
    """Print the errors of a run on labelled structures, beside the frozen base.

    If all structures have one composition, a kernel model (sGDML) of the run's training structures
    stands beside them. It is often better for one molecule.

    Args:
        run: a run that was fitted to `atoms/files`.
        structures: an extended XYZ file with labels that the run has not seen.
        energy: the key of the energy in its comment lines.
        forces: the column of its forces.
        figures: a folder for parity.png.
        force: replace existing figures.

    Returns:
        The errors of each model.

    Raises:
        ReadError: the file or the run is damaged.
        LabelError: the file has no labels.
        OffsetError: a composition of the file has no reference energy.
        TrainingError: the run was not fitted to `atoms/files`.
        OutputExistsError: the figure exists and `force` is false.

    Example:
        >>> errors = evaluate("runs/water", "test.xyz")
        >>> errors.structures, [row.model for row in errors.rows]
        (4, ['run', 'frozen sevennet/tiny', 'sGDML'])
    """
    from scionwood_atoms.evaluation.of_run import draw_parity, evaluate_run

    if figures is not None:
        check_target(figures / "parity.png", overwrite=force)
    evaluation = evaluate_run(run, structures, energy=energy, forces=forces)
    if figures is not None:
        draw_parity(evaluation, figures / "parity.png", overwrite=force)
    return evaluation
