"""Compare methods on the same shots and seeds: accuracy, wording, calibration, base to novel."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from biomed_zoo.base import Method, Shots
from biomed_zoo.frozen import Pooled, pooled_features
from biomed_zoo.gallery import Answers, Gallery
from biomed_zoo.methods import METHODS, make_method, reads_prompt
from biomed_zoo.settings import DEFAULTS, Settings
from scionwood import RecipeError
from scionwood.authoring import atomic_path, print_table, writing
from scionwood_biomed.data.base import ImageData
from scionwood_biomed.data.items import Item
from scionwood_biomed.data.splits import base_and_novel, deal
from scionwood_biomed.data.splits import shots as draw
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
from scionwood_biomed.tasks.wording import TEMPLATE, UNSEEN, WORDINGS, OtherNames, with_wording

Row = dict[str, Any]
"""The result of one method, K and seed: `method`, `shots`, `seed`, `accuracy`, ..."""

Run = tuple[int, int, str]
"""Seed, number of shots K, and method."""

BATCH = 64
HARMONIC = "harmonic mean of base and novel accuracy, taken for each seed, then averaged"


@final
@dataclass(frozen=True)
class Plan:
    """A comparison of methods.

    Attributes:
        methods: names from `methods.METHODS`.
        shots: numbers of shots K.
        seeds: seeds of splits, shots and training.
        settings: the hyper-parameters of all methods.
        novel: whether to train on half of the classes and to report the other half too.
        experts: expert sentences by class, or `None`.
        others: synonyms and abbreviations of class names, or `None`.
        pooled: computes the features of the blocks, for methods on frozen features.

    Raises:
        RecipeError: a method is unknown, a number of shots is below 1, or a list is empty.
    """

    methods: Sequence[str] = METHODS
    shots: Sequence[int] = (1, 2, 4, 8, 16)
    seeds: Sequence[int] = (0, 1, 2)
    settings: Settings = DEFAULTS
    novel: bool = False
    experts: Prompts | None = None
    others: OtherNames | None = None
    pooled: Pooled = pooled_features

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


def evaluate(
    plan: Plan,
    data: ImageData,
    build: Callable[[], ClipBackbone],
    *,
    progress: Callable[[Iterator[Run], int], Iterator[Run]] | None = None,
    gallery: Gallery | None = None,
    each: Callable[[Row, Answers, Sequence[Item]], None] | None = None,
) -> list[Row]:
    """Train and measure every method; splits are those of the source, or by subject.

    Args:
        plan: the comparison.
        data: the images. Its own shots, classes and seed are ignored.
        build: builds a fresh backbone.
        progress: wraps the iterator of runs to show progress; it also gets the number of runs.
        gallery: collects what the figures show.
        each: is called after each run with its row, and the answers to its test images.

    Returns:
        One row per run.

    Raises:
        RecipeError: a class has too few subjects or images, or there are fewer than four classes
            for base to novel.
    """
    runs = list(plan.runs())
    tracked_runs = iter(runs) if progress is None else progress(iter(runs), len(runs))
    return [_run(plan, data, build(), gallery, each, *run) for run in tracked_runs]


def _run(
    plan: Plan,
    data: ImageData,
    backbone: ClipBackbone,
    gallery: Gallery | None,
    on_row: Callable[[Row, Answers, Sequence[Item]], None] | None,
    seed: int,
    count: int,
    name: str,
) -> Row:
    items = data.items()
    classes = sorted({item.label for item in items})
    base, novel = base_and_novel(classes) if plan.novel else (classes, [])
    parts = deal(items, seed=seed)
    training_items = draw(_only(parts["train"], base), count, seed=seed)
    image, label = _tensors(data, training_items, base)
    method = make_method(name, backbone, plan.settings, plan.pooled)
    method.fit(Shots(image, label, base, plan.experts), seed)
    row: Row = {"method": name, "shots": 0 if name == "zero_shot" else count, "seed": seed}
    row["prompt"] = "yes" if reads_prompt(name) else "no"
    test = _only(parts["test"], base)
    measures, answers = _measure(plan, method, data, test, base)
    row |= measures
    row |= _clinical(answers, test)
    if len(base) == 2 and (val := _only(parts["val"], base)):
        row |= _operating(_answers(method, data, val, base)[0], answers)
    if gallery is not None:
        gallery.take(row, backbone, answers, data.tensor(test[0])[None])
    row["trainable"] = method.trainable()
    if novel:
        row["novel"] = _answers(method, data, _only(parts["test"], novel), novel)[0].accuracy()
        row["harmonic"] = _harmonic(row["accuracy"], row["novel"])
    if on_row is not None:
        on_row(row, answers, test)
    return row


def _harmonic(base: float, novel: float) -> float:
    return 2 * base * novel / (base + novel) if base + novel else 0.0


def _measure(
    plan: Plan, method: Method, data: ImageData, items: list[Item], classes: list[str]
) -> tuple[Row, Answers]:
    """Return accuracy and calibration with the training template, and accuracy with others."""
    families = list(WORDINGS)
    texts = [with_wording(family, classes, plan.others) for family in families]
    answers = _answers(method, data, items, classes, texts)
    by_wording = {f: a.accuracy() for f, a in zip(families, answers, strict=True)}
    first = answers[0]
    unseen = [by_wording[family] for family in UNSEEN]
    row = {
        "accuracy": first.accuracy(),
        "ece": calibration_error(first.probabilities, first.label),
        "wording_mean": float(np.mean(unseen)),
        "wording_worst": min(unseen),
        "wording_spread": float(np.std(unseen)),
        **{f"wording_{family}": by_wording[family] for family in families[1:]},
    }
    return row, first


def _clinical(answers: Answers, items: Sequence[Item]) -> Row:
    """Return balanced accuracy with its interval over subjects, and AUROC."""
    probabilities, label = answers.probabilities.numpy(), answers.label.numpy()
    low, high = interval(
        lambda at: balanced_accuracy(probabilities[at], label[at]),
        [item.subject for item in items],
        label,
        draws=200,
    )
    balanced = balanced_accuracy(probabilities, label)
    row = {"balanced": balanced, "balanced_low": low, "balanced_high": high}
    return {**row, "auroc": auroc(probabilities, label)}


def _operating(val: Answers, test: Answers) -> Row:
    """Return sensitivity and specificity of two classes, at a threshold chosen on validation."""
    value = threshold(val.probabilities.numpy(), val.label.numpy())
    point = at_threshold(test.probabilities.numpy(), test.label.numpy(), value)
    return point._asdict()


def _answers(
    method: Method,
    data: ImageData,
    items: list[Item],
    classes: list[str],
    texts: Sequence[Sequence[str]] | None = None,
) -> list[Answers]:
    """Return the predictions for each list of prompts."""
    image, label = _tensors(data, items, classes)
    features = [method.features(part) for part in torch.split(image, BATCH)]
    answers = []
    for prompts in texts or [[f"{TEMPLATE} {name}" for name in classes]]:
        parts = [method.probabilities(part, prompts, classes) for part in features]
        answers.append(Answers(torch.cat(parts).cpu(), label))
    return answers


def _only(items: Sequence[Item], classes: Sequence[str]) -> list[Item]:
    return [item for item in items if item.label in classes]


def _tensors(data: ImageData, items: list[Item], classes: list[str]) -> tuple[Tensor, Tensor]:
    image = torch.stack([data.tensor(item) for item in items])
    return image, torch.tensor([classes.index(item.label) for item in items])


COLUMNS = ("balanced", "auroc", "sensitivity", "specificity", "accuracy", "wording_mean",
           "wording_worst", "wording_spread", "ece", "novel", "harmonic")  # fmt: skip


def summary(rows: Sequence[Row]) -> list[Row]:
    """Return the mean and standard deviation over seeds, one row per method and K."""
    keys = dict.fromkeys((row["shots"], row["method"]) for row in rows)
    lines = []
    for count, method in sorted(keys, key=lambda key: (key[0], METHODS.index(key[1]))):
        mine = [row for row in rows if (row["shots"], row["method"]) == (count, method)]
        line: Row = {"shots": count, "method": method, "prompt": mine[0]["prompt"]}
        line["trainable"] = mine[0]["trainable"]
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
            line["prompt"],
            f"{line['trainable']:,}",
            *(f"{line[c]:.3f} +- {line[f'{c}_std']:.3f}" for c in columns),
        ]
        for line in lines
    ]
    head = ["shots", "method", "reads prompt", "trainable", *columns]
    print_table(head, table, numeric=[name for name in head if name not in head[1:3]])
    seeds = len({row["seed"] for row in rows})
    print(f"mean +- standard deviation over {seeds} seeds; splits by subject")
    if "harmonic" in columns:
        print(f"harmonic: {HARMONIC}")


def write(
    rows: Sequence[Row], folder: str | Path, *, overwrite: bool, gallery: Gallery | None = None
) -> None:
    """Write `results.csv` and the figures, as PNG files, into a folder.

    Args:
        rows: the rows of all runs.
        folder: folder to write into.
        overwrite: replace existing files.
        gallery: what was collected for the figures; without it there are fewer figures.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: the folder cannot be written.
    """
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
    gallery = gallery or Gallery(max(row["shots"] for row in rows))
    for name, figure in gallery.draw(rows).items():
        path = folder / f"{name}.png"
        with writing(path), atomic_path(path, overwrite=overwrite) as part:
            figure.savefig(part, dpi=120, format="png")
