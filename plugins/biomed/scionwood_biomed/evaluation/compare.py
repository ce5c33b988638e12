"""Compare methods on the same shots and seeds: accuracy, AUROC, calibration, operating point."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from scionwood import RecipeError
from scionwood.authoring import atomic_path, print_table, writing
from scionwood_biomed.data.base import ImageData
from scionwood_biomed.data.items import Item
from scionwood_biomed.data.splits import deal
from scionwood_biomed.data.splits import shots as draw
from scionwood_biomed.evaluation.methods import METHODS, Method, Shots
from scionwood_biomed.evaluation.metrics import calibration_error
from scionwood_biomed.evaluation.scores import (
    at_threshold,
    auroc,
    balanced_accuracy,
    interval,
    over_seeds,
    threshold,
)
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.tasks.anchors import Prompts

Row = dict[str, Any]
"""The result of one method, K and seed: `method`, `shots`, `seed`, `accuracy`, ..."""

Run = tuple[int, int, str]
"""Seed, number of shots K, and method."""

BATCH = 64
COLUMNS = ("balanced", "auroc", "sensitivity", "specificity", "accuracy", "ece")


@final
@dataclass(frozen=True)
class Plan:
    """A comparison of methods.

    Attributes:
        methods: names from `methods.METHODS`.
        shots: numbers of shots K.
        seeds: seeds of splits, shots and training.
        steps: optimiser steps of methods that train.
        experts: expert sentences by class, or `None`.

    Raises:
        RecipeError: a method is unknown, a number of shots is below 1, or a list is empty.
    """

    methods: Sequence[str] = tuple(METHODS)
    shots: Sequence[int] = (1, 2, 4, 8, 16)
    seeds: Sequence[int] = (0, 1, 2)
    steps: int = 100
    experts: Prompts | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.methods) - set(METHODS)):
            rule = f"it must be one of {', '.join(METHODS)}"
            raise RecipeError(f"method {unknown[0]!r}", rule, "Correct the name")
        if not self.shots or min(self.shots) < 1 or not self.seeds:
            rule = "at least one number of shots and one seed are needed, each number 1 or more"
            value = f"shots {list(self.shots)}, seeds {list(self.seeds)}"
            raise RecipeError(value, rule, "Use for example shots 1, 4 and 16")

    def runs(self) -> Iterator[Run]:
        """Yield the seed, K and method of every run; zero-shot runs once per seed."""
        for seed in self.seeds:
            for count in self.shots:
                for method in self.methods:
                    if method != "zero_shot" or count == self.shots[0]:
                        yield seed, count, method


@final
class _Answers(NamedTuple):
    """Probabilities (image, class) and labels (image,)."""

    probabilities: Tensor
    label: Tensor


def evaluate(
    plan: Plan,
    data: ImageData,
    build: Callable[[], ClipBackbone],
    *,
    progress: Callable[[Iterator[Run], int], Iterator[Run]] | None = None,
) -> list[Row]:
    """Train and measure every method; splits are those of the source, or by subject.

    Args:
        plan: the comparison.
        data: the images. Its own shots, classes and seed are ignored.
        build: builds a fresh backbone.
        progress: wraps the iterator of runs to show progress; it also gets the number of runs.

    Returns:
        One row per run.

    Raises:
        RecipeError: a class has too few subjects or images.
    """
    runs = list(plan.runs())
    tracked_runs = iter(runs) if progress is None else progress(iter(runs), len(runs))
    return [_run(plan, data, build(), *run) for run in tracked_runs]


def _run(
    plan: Plan, data: ImageData, backbone: ClipBackbone, seed: int, count: int, name: str
) -> Row:
    classes = sorted({item.label for item in data.items()})
    parts = deal(data.items(), seed=seed)
    image, label = _tensors(data, draw(parts["train"], count, seed=seed), classes)
    method = METHODS[name](backbone, plan.steps)
    method.fit(Shots(image, label, classes, plan.experts), seed)
    answers = _answers(method, data, parts["test"], classes)
    row: Row = {"method": name, "shots": 0 if name == "zero_shot" else count, "seed": seed}
    row |= _measures(answers, parts["test"])
    if len(classes) == 2 and parts["val"]:
        val = _answers(method, data, parts["val"], classes)
        value = threshold(val.probabilities.numpy(), val.label.numpy())
        point = at_threshold(answers.probabilities.numpy(), answers.label.numpy(), value)
        row |= point._asdict()
    return row | {"trainable": method.trainable()}


def _measures(answers: _Answers, items: Sequence[Item]) -> Row:
    """Return accuracy, calibration, AUROC, and balanced accuracy with its interval."""
    probabilities, label = answers.probabilities.numpy(), answers.label.numpy()
    low, high = interval(
        lambda at: balanced_accuracy(probabilities[at], label[at]),
        [item.subject for item in items],
        label,
        draws=200,
    )
    return {
        "balanced": balanced_accuracy(probabilities, label),
        "balanced_low": low,
        "balanced_high": high,
        "auroc": auroc(probabilities, label),
        "accuracy": float((probabilities.argmax(-1) == label).mean()),
        "ece": calibration_error(*answers),
    }


def _answers(
    method: Method, data: ImageData, items: Sequence[Item], classes: list[str]
) -> _Answers:
    image, label = _tensors(data, items, classes)
    parts = [method.probabilities(part).cpu() for part in torch.split(image, BATCH)]
    return _Answers(torch.cat(parts), label)


def _tensors(data: ImageData, items: Sequence[Item], classes: list[str]) -> tuple[Tensor, Tensor]:
    image = torch.stack([data.tensor(item) for item in items])
    return image, torch.tensor([classes.index(item.label) for item in items])


def summary(rows: Sequence[Row]) -> list[Row]:
    """Return the mean and standard deviation over seeds, one row per method and K."""
    keys = dict.fromkeys((row["shots"], row["method"]) for row in rows)
    lines = []
    for count, method in sorted(keys, key=lambda key: (key[0], [*METHODS].index(key[1]))):
        mine = [row for row in rows if (row["shots"], row["method"]) == (count, method)]
        line: Row = {"shots": count, "method": method, "trainable": mine[0]["trainable"]}
        for column in (c for c in COLUMNS if c in mine[0]):
            line[column], line[f"{column}_std"] = over_seeds([row[column] for row in mine])
        lines.append(line)
    return lines


def print_summary(rows: Sequence[Row]) -> None:
    """Print the summary as a table, with notes on how it was computed."""
    lines = summary(rows)
    columns = [column for column in COLUMNS if column in lines[0]]
    table = [
        [
            line["shots"],
            line["method"],
            f"{line['trainable']:,}",
            *(f"{line[c]:.3f} +- {line[f'{c}_std']:.3f}" for c in columns),
        ]
        for line in lines
    ]
    head = ["shots", "method", "trainable", *columns]
    print_table(head, table, numeric=[name for name in head if name != "method"])
    seeds = len({row["seed"] for row in rows})
    print(f"mean +- standard deviation over {seeds} seeds; splits by subject")


def write(rows: Sequence[Row], folder: str | Path, *, overwrite: bool) -> None:
    """Write `results.csv` and the figure `shots.png` into a folder.

    Args:
        rows: the rows of all runs.
        folder: folder to write into.
        overwrite: replace existing files.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: the folder cannot be written.
    """
    from scionwood_biomed.evaluation.figures import over_shots

    folder = Path(folder)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (
        writing(folder),
        atomic_path(folder / "results.csv", overwrite=overwrite) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)
    results: dict[str, dict[int, list[float]]] = {}
    counts = sorted({row["shots"] for row in rows if row["shots"]}) or [1]
    for row in rows:
        by_count = results.setdefault(row["method"], {})
        for count in [row["shots"]] if row["shots"] else counts:  # zero-shot is a level line
            by_count.setdefault(count, []).append(row["accuracy"])
    path = folder / "shots.png"
    with writing(path), atomic_path(path, overwrite=overwrite) as part:
        over_shots(results).savefig(part, dpi=120, format="png")
