"""Measure a run on labelled structures: `scionwood atoms evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, RunPath, check_target, print_table, prints

if TYPE_CHECKING:
    from scionwood_atoms.evaluation.of_run import Evaluation


def _print_evaluation(evaluation: Evaluation, *, json: bool = False) -> None:
    """Print the errors of the models.

    Args:
        evaluation: the result.
        json: print JSON.
    """
    from scionwood_atoms.evaluation.of_run import TITLE, table

    if json:
        rows = [asdict(row) for row in evaluation.rows]
        content = {"structures": evaluation.structures, "dropped": dict(evaluation.dropped)}
        print(dumps({**content, "models": rows}, indent=1))
        return
    names, cells = table(evaluation)
    print_table(names, cells, title=TITLE.format(evaluation.structures))
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
        structures: extended XYZ, a database of ase, or OUTCAR or vasprun.xml of VASP, with labels
            that the run has not seen.
        energy: the key of the energy.
        forces: the column of the forces in extended XYZ.
        figures: a folder for parity.png and report.html, a page with all tables.
        force: replace existing figures.

    Returns:
        The errors of each model.

    Raises:
        ScionwoodError: the file or the run cannot be used, or their labels contradict; the message
            names it.

    Example:
        >>> errors = evaluate("runs/water", "test.xyz")
        >>> errors.structures, [row.model for row in errors.rows]
        (4, ['run', 'frozen sevennet/tiny', 'sGDML'])
    """
    from scionwood_atoms.evaluation.of_run import evaluate_run, write_page

    for name in ("parity.png", "report.html"):
        if figures is not None:
            check_target(figures / name, overwrite=force)
    evaluation = evaluate_run(run, structures, energy=energy, forces=forces)
    if figures is not None:
        write_page(evaluation, str(run), figures, overwrite=force)
    return evaluation
