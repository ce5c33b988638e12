"""Calibrate a run: measure its errors on designs that its networks have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import ReadError, RecipeError, build, find_run, load_run, resolve
from scionwood.authoring import atomic_folder, reading, writing
from scionwood_crash.data.encode import Encoded
from scionwood_crash.evaluation.fields import Fields, projected
from scionwood_crash.evaluation.folds import assigned, trained, without_fold
from scionwood_crash.evaluation.impulse import scalar_errors
from scionwood_crash.evaluation.intervals import FOLDER, Intervals, errors_of, rank
from scionwood_crash.evaluation.regression import left_out
from scionwood_crash.model.graph import CrashGraph

FOLDS = "folds.safetensors"
RECIPE = "recipe.yaml"
Predict = Callable[[CrashGraph], Tensor]


@final
class Calibrated(NamedTuple):
    """The result of a calibration.

    Attributes:
        intervals: what was written into the run folder.
        errors: mean error of the maximum intrusion on unseen designs by method, percent.
        scalars: median error of wall force, deceleration and absorbed kinetic energy on unseen
            designs by quantity and method, percent; see `impulse`.
    """

    intervals: Intervals
    errors: dict[str, float]
    scalars: dict[str, dict[str, float]]


def fit_intervals(run: str | Path, *, folds: int = 4) -> Calibrated:
    """Measure the errors of a run on unseen designs, and write its intervals.

    If the test split of the recipe has 9 designs or more, they set the intervals (`split`).
    Otherwise networks are trained again without one fold of the training designs each (`cv+`).
    The folder `intervals` in the run holds the result; it is not shared with the run.

    Args:
        run: the run folder.
        folds: folds for `cv+`, 2 or more; each costs about one training.

    Raises:
        TrainingError: `run` does not name a finished run.
        RecipeError: there are too few designs, or fewer designs than folds.
        WriteError: the folder cannot be written.
    """
    folder = find_run(run)
    recipe = resolve(folder / RECIPE)
    _, data = build(recipe)
    parts = getattr(data, "encoded", None)
    if parts is None:
        rule = "it holds no parts with their displacements"
        raise RecipeError(f"data of {folder}", rule, "Calibrate a run of crash/displacement")
    stiffness = Fields.read(folder).stiffness
    train, test = parts("train"), parts("test")
    if len(test) >= 9:
        predict = predicting(load_run(folder), stiffness)
        unseen, moved = test, [predict(part.graph) for part in test]
        rows = [
            errors_of(after, part.displacement, part.graph)
            for after, part in zip(moved, test, strict=True)
        ]
        intervals = Intervals("split", *_columns(rows))
        weights: dict[str, Tensor] = {}
    else:
        unseen = train
        intervals, weights, moved = _crossed(recipe, data, train, folds, stiffness)
    _store(folder, intervals, weights)
    network = float(100 * np.mean(np.expm1(intervals.intrusion)))
    pairs = zip(unseen, moved, strict=True)
    predicted = [part._replace(displacement=after) for part, after in pairs]
    scalars = scalar_errors(unseen, predicted)
    return Calibrated(intervals, {"network": network} | left_out(train), scalars)


def predicting(task: Any, stiffness: float) -> Predict:
    """Return the projected prediction of a task for the graph of one part, on the CPU.

    Args:
        task: of `crash/displacement`.
        stiffness: stiffness of the projection.
    """

    @torch.no_grad()
    def predict(graph: CrashGraph) -> Tensor:
        moved, _ = task.predict({"graph": graph})
        return projected(moved.float(), graph, stiffness)

    return predict


def networks(folder: Path, task: Any, intervals: Intervals, predict: Predict) -> list[Predict]:
    """Return the predictions of the networks of the folds; none for `split`.

    Args:
        folder: the run folder.
        task: the task of the run, whose trained weights are exchanged for each call.
        intervals: the intervals of the run.
        predict: the prediction of `task`.

    Raises:
        ReadError: the weights of the folds are missing or belong to another network.
    """
    if intervals.method == "split":
        return []
    path = folder / FOLDER / FOLDS
    again = "Calibrate again: scionwood crash calibrate RUN"
    if not path.is_file():
        rule = "the intervals of this run need it, and it is not shared with a run"
        raise ReadError(str(path), rule, again)
    with reading(path, "weights of folds"):
        stored = load_file(path)
    parameters = dict(task.backbone.named_parameters())
    states: list[dict[str, Tensor]] = [{} for _ in range(intervals.folds)]
    for key, value in stored.items():
        fold, _, name = key.partition("/")
        expected = fold.isdecimal() and int(fold) < intervals.folds and name in parameters
        if not expected or parameters[name].shape != value.shape or not value.isfinite().all():
            raise ReadError(str(path), f"{key} belongs to another network", again)
        states[int(fold)][name] = value
    return [_exchanged(task, state, predict) for state in states]


def _exchanged(task: Any, state: dict[str, Tensor], predict: Predict) -> Predict:
    parameters = {name: p for name, p in task.backbone.named_parameters() if name in state}

    @torch.no_grad()
    def call(graph: CrashGraph) -> Tensor:
        originals = {name: value.clone() for name, value in parameters.items()}
        try:
            for name, value in parameters.items():
                value.copy_(state[name])
            return predict(graph)
        finally:
            for name, value in parameters.items():
                value.copy_(originals[name])

    return call


def _crossed(
    recipe: Any, data: Any, train: Sequence[Encoded], folds: int, stiffness: float
) -> tuple[Intervals, dict[str, Tensor], list[Tensor]]:
    rank(len(train), 0.9)
    if not 2 <= folds <= min(len(train), 32):
        rule = f"there must be 2 to {min(len(train), 32)} folds of {len(train)} designs"
        raise RecipeError(f"{folds} folds", rule, "Correct --folds")
    fold = assigned(len(train), folds)
    rows: list[tuple[float, float]] = [(0.0, 0.0)] * len(train)
    unseen = [part.displacement for part in train]
    weights: dict[str, Tensor] = {}
    console = Console(stderr=True)
    for at in track(range(folds), "training folds", console=console, transient=True):
        training_parts = [
            part for part, fold_number in zip(train, fold, strict=True) if fold_number != at
        ]
        task = without_fold(recipe, training_parts, data)
        weights |= {f"{at}/{name}": value for name, value in trained(task).items()}
        predict = predicting(task, stiffness)
        for index in (index for index, fold_number in enumerate(fold) if fold_number == at):
            part = train[index]
            moved = unseen[index] = predict(part.graph)
            rows[index] = errors_of(moved, part.displacement, part.graph, half=True)
    return Intervals("cv+", *_columns(rows), fold), weights, unseen


def _columns(rows: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(row[0] for row in rows), tuple(row[1] for row in rows)


def _store(folder: Path, intervals: Intervals, weights: dict[str, Tensor]) -> None:
    with writing(folder / FOLDER), atomic_folder(folder / FOLDER, overwrite=True) as part:
        intervals.write(part)
        if weights:
            tensors = {name: value.contiguous() for name, value in weights.items()}
            save_file(tensors, part / FOLDS)
