"""Score a run on its test split: for each class or finding, with intervals over subjects."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch

from scionwood import TrainingError, find_run, load_run, resolve
from scionwood.authoring import print_table
from scionwood_biomed.data.base import ImageData
from scionwood_biomed.evaluation.metrics import calibration_error
from scionwood_biomed.evaluation.scores import at_threshold, auroc, balanced_accuracy, interval
from scionwood_biomed.tasks.fitted import FittedTask


@final
class Score(NamedTuple):
    """One number with its interval.

    Attributes:
        name: what it is.
        value: its value.
        low: lower end of the 95 % interval over subjects; NaN if it has none.
        high: upper end.

    Example:
        >>> Score("AUROC", 0.8, 0.7, 0.9).value
        0.8
    """

    name: str
    value: float
    low: float
    high: float


@torch.no_grad()
def score_run(run: str | Path, *, device: str = "cpu") -> list[Score]:
    """Score a run on its test split; see `verbs.score`.

    Args:
        run: a finished run.
        device: device of the computation, such as `cpu` or `cuda`.

    Raises:
        TrainingError: the run is not a finished run of `biomed/blockwise_lda` or `biomed/volumes`.
    """
    folder = find_run(run)
    task = load_run(folder, device)
    if not isinstance(task, FittedTask):
        rule = f"its task is {type(task).__name__}"
        remedy = "Give a run of biomed/blockwise_lda or biomed/volumes"
        raise TrainingError(str(run), rule, remedy)
    data: ImageData = resolve(folder / "recipe.yaml").data.build()
    items = data.splits()["test"]
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for batch in data.loader("test"):
        probabilities = task.predict({"image": batch["image"].to(device)}).cpu()
        parts.append((probabilities.numpy(), task.labels(batch).cpu().numpy()))
    answers, label = (np.concatenate(column) for column in zip(*parts, strict=True))
    subjects = [item.subject for item in items]
    if task.network.answer.exclusive:
        return _of_classes(task, answers, label, subjects)
    return _of_findings(task.classes, answers, label, subjects)


def print_scores(scores: list[Score]) -> None:
    """Print scores as a table."""
    rows = [
        (
            score.name,
            f"{score.value:.3f}",
            "" if np.isnan(score.low) else f"{score.low:.3f} to {score.high:.3f}",
        )
        for score in scores
    ]
    print_table(("score", "value", "95 % over subjects"), rows, numeric=("value",))


def _of_classes(
    task: Any, answers: np.ndarray, label: np.ndarray, subjects: list[str]
) -> list[Score]:
    def both(name: str, score: Any) -> Score:
        low, high = interval(lambda at: score(answers[at], label[at]), subjects, label)
        return Score(name, score(answers, label), low, high)

    scores = [both("balanced accuracy", balanced_accuracy), both("AUROC", auroc)]
    if answers.shape[1] == 2 and len(np.unique(label)) == 2:
        value = float(task.network.answer.threshold)
        names = {"sensitivity": 1, "specificity": 2}
        scores += [
            both(name, lambda p, y, at=at: at_threshold(p, y, value)[at])
            for name, at in names.items()
        ]
    error = calibration_error(torch.from_numpy(answers), torch.from_numpy(label))
    return [*scores, Score("calibration error", error, float("nan"), float("nan"))]


def _of_findings(
    names: list[str], answers: np.ndarray, label: np.ndarray, subjects: list[str]
) -> list[Score]:
    scores = []
    for at, name in enumerate(names):
        rows = np.flatnonzero(~np.isnan(label[:, at]))
        truth = label[rows, at].astype(int)
        two = np.stack([1 - answers[rows, at], answers[rows, at]], 1)
        owners = [subjects[place] for place in rows]
        low, high = interval(partial(_auroc_of_rows, two, truth), owners, truth)
        scores.append(Score(f"AUROC, {name}", auroc(two, truth), low, high))
    return scores


def _auroc_of_rows(probabilities: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float:
    """Return the AUROC of some rows."""
    return auroc(probabilities[rows], truth[rows])
