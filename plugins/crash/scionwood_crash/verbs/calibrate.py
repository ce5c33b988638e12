"""Measure the errors of a run on unseen designs."""

from __future__ import annotations

from scionwood.authoring import RunPath


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

    Example:
        >>> calibrate("runs/mine", folds=4)  # doctest: +SKIP
    """
    from scionwood.authoring import print_table
    from scionwood_crash.evaluation.calibration import fit_intervals

    intervals, errors, scalars = fit_intervals(run, folds=folds)
    if json:
        from json import dumps

        print(
            dumps(
                {
                    "method": intervals.method,
                    "designs": len(intervals.intrusion),
                    "errors": errors,
                    "scalars": scalars,
                }
            )
        )
        return
    rows = [(name, f"{value:.1f}") for name, value in errors.items()]
    print_table(["maximum intrusion", "error, %"], rows, numeric=["error, %"])
    for quantity, by_method in scalars.items():
        values = ", ".join(f"{name} {value:.1f} %" for name, value in by_method.items())
        print(f"{quantity}: median error {values}")
    kind = "spare designs" if intervals.method == "split" else f"designs in {intervals.folds} folds"
    print(f"{run}: {intervals.level:.0%} intervals from {len(intervals.intrusion)} {kind}")
