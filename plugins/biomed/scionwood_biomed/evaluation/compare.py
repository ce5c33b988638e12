"""Every method on the same shots and seeds: accuracy, wording, calibration, base to novel."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError, atomic_path
from scionwood_biomed.data.images import ImageData
from scionwood_biomed.data.items import Item
from scionwood_biomed.data.splits import base_and_novel, deal, harmonic_mean
from scionwood_biomed.data.splits import shots as draw
from scionwood_biomed.evaluation.gallery import Answers, Gallery
from scionwood_biomed.evaluation.methods import METHODS, Arm, Shots, arm
from scionwood_biomed.evaluation.metrics import calibration_error
from scionwood_biomed.evaluation.settings import DEFAULTS, Settings
from scionwood_biomed.model.model import ClipBackbone
from scionwood_biomed.tasks.anchors import Prompts
from scionwood_biomed.tasks.wording import TEMPLATE, UNSEEN, WORDINGS, Others, worded

Row = dict[str, Any]
"""One method, K and seed: `method`, `shots`, `seed`, `accuracy`, ..."""

AT_ONCE = 64
HARMONIC = "harmonic mean of base and novel accuracy, taken for each seed, then averaged"


@final
@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        methods: of `arms.METHODS`.
        shots: numbers of shots K.
        seeds: of splits, shots and training.
        settings: the hyper-parameters of all methods.
        novel: train on half of the classes and report the others too.
        experts: sentences by class, or None.
        others: synonyms and abbreviations of classes, or None.
    """

    methods: Sequence[str] = METHODS
    shots: Sequence[int] = (1, 2, 4, 8, 16)
    seeds: Sequence[int] = (0, 1, 2)
    settings: Settings = DEFAULTS
    novel: bool = False
    experts: Prompts | None = None
    others: Others | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.methods) - set(METHODS)):
            raise RecipeError(f"method {unknown[0]!r}", f"one of {', '.join(METHODS)}")
        if not self.shots or min(self.shots) < 1 or not self.seeds:
            raise RecipeError(f"shots {list(self.shots)}", "one number or more, each 1 or more")

    def runs(self) -> Iterator[tuple[int, int, str]]:
        """Seed, K and method of every run; what learns nothing runs once a seed."""
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
    progress: Callable[[Iterator[Any], int], Iterator[Any]] | None = None,
    gallery: Gallery | None = None,
) -> list[Row]:
    """Train and measure every method; splits are those of the source, or by subject.

    Args:
        plan: what is compared.
        data: the images; its own shots, classes and seed do not count.
        build: makes a fresh backbone.
        progress: shows how far it is, given the runs and their number.
        gallery: keeps what figures show.

    Returns:
        A row a run.

    Raises:
        RecipeError: a class has too few subjects or images, or a side of base to novel one class.
    """
    runs = list(plan.runs())
    shown = iter(runs) if progress is None else progress(iter(runs), len(runs))
    return [_run(plan, data, build(), gallery, *run) for run in shown]


def _run(
    plan: Plan,
    data: ImageData,
    backbone: ClipBackbone,
    gallery: Gallery | None,
    seed: int,
    count: int,
    method: str,
) -> Row:
    items = data.items()
    classes = sorted({item.label for item in items})
    base, novel = base_and_novel(classes) if plan.novel else (classes, [])
    parts = deal(items, seed=seed)
    given = draw(_only(parts["train"], base), count, seed=seed)
    image, label = _tensors(data, given, base)
    chosen = arm(method, backbone, plan.settings)
    chosen.fit(Shots(image, label, base, plan.experts), seed)
    row: Row = {"method": method, "shots": count, "seed": seed}
    if method == "zero_shot":
        row["shots"] = 0
    test = _only(parts["test"], base)
    measured, answers = _measured(plan, chosen, data, test, base)
    row |= measured
    if gallery is not None:
        gallery.take(row, backbone, answers, data.tensor(test[0])[None])
    row["trainable"] = chosen.trainable()
    if novel:
        row["novel"] = _answers(chosen, data, _only(parts["test"], novel), novel)[0].accuracy()
        row["harmonic"] = harmonic_mean(row["accuracy"], row["novel"])
    return row


def _measured(
    plan: Plan, chosen: Arm, data: ImageData, items: list[Item], classes: list[str]
) -> tuple[Row, Answers]:
    """Accuracy and calibration with every method's wording, and accuracy with the others."""
    families = list(WORDINGS)
    texts = [worded(family, classes, plan.others) for family in families]
    answers = _answers(chosen, data, items, classes, texts)
    by_wording = {f: a.accuracy() for f, a in zip(families, answers, strict=True)}
    first = answers[0]
    others = [by_wording[family] for family in UNSEEN]
    row = {
        "accuracy": first.accuracy(),
        "ece": calibration_error(first.probabilities, first.label),
        "wording_mean": float(np.mean(others)),
        "wording_worst": min(others),
        "wording_spread": float(np.std(others)),
        **{f"wording_{family}": by_wording[family] for family in families[1:]},
    }
    return row, first


def _answers(
    chosen: Arm,
    data: ImageData,
    items: list[Item],
    classes: list[str],
    texts: Sequence[Sequence[str]] | None = None,
) -> list[Answers]:
    """Predictions for each list of prompts."""
    image, label = _tensors(data, items, classes)
    features = [chosen.features(part) for part in image.split(AT_ONCE)]
    found = []
    for prompts in texts or [[f"{TEMPLATE} {name}" for name in classes]]:
        parts = [chosen.probabilities(part, prompts, classes) for part in features]
        found.append(Answers(torch.cat(parts).cpu(), label))
    return found


def _only(items: Sequence[Item], classes: Sequence[str]) -> list[Item]:
    return [item for item in items if item.label in classes]


def _tensors(data: ImageData, items: list[Item], classes: list[str]) -> tuple[Tensor, Tensor]:
    image = torch.stack([data.tensor(item) for item in items])
    return image, torch.tensor([classes.index(item.label) for item in items])


COLUMNS = ("accuracy", "wording_mean", "wording_worst", "wording_spread", "ece", "novel",
           "harmonic")  # fmt: skip


def summary(rows: Sequence[Row]) -> list[Row]:
    """Mean and standard deviation over seeds, a row for each method and K."""
    keys = dict.fromkeys((row["shots"], row["method"]) for row in rows)
    found = []
    for count, method in sorted(keys, key=lambda key: (key[0], METHODS.index(key[1]))):
        mine = [row for row in rows if (row["shots"], row["method"]) == (count, method)]
        line: Row = {"shots": count, "method": method, "trainable": mine[0]["trainable"]}
        for column in (c for c in COLUMNS if c in mine[0]):
            values = [row[column] for row in mine]
            line[column], line[f"{column}_std"] = float(np.mean(values)), float(np.std(values))
        found.append(line)
    return found


def text(rows: Sequence[Row]) -> str:
    """The summary as a table for a terminal."""
    lines = summary(rows)
    columns = [column for column in COLUMNS if column in lines[0]]
    head = f"{'shots':>5} {'method':<20}{'trainable':>10}" + "".join(f"{c:>17}" for c in columns)
    table = [head]
    for line in lines:
        cells = [f"{line[c]:.3f} +- {line[f'{c}_std']:.3f}" for c in columns]
        start = f"{line['shots']:>5} {line['method']:<20}{line['trainable']:>10,}"
        table.append(start + "".join(f"{cell:>17}" for cell in cells))
    seeds = len({row["seed"] for row in rows})
    table.append(f"mean +- standard deviation over {seeds} seeds; splits by subject")
    if "harmonic" in columns:
        table.append(f"harmonic: {HARMONIC}")
    return "\n".join(table)


def write(
    rows: Sequence[Row], folder: Path, *, overwrite: bool, gallery: Gallery | None = None
) -> None:
    """Write `results.csv`, and figures as `.png`, into a folder.

    Args:
        rows: of all runs.
        folder: where to write.
        overwrite: replace files that are there.
        gallery: what the figures show beside the rows; without it there are fewer.

    Raises:
        OutputExistsError: a file exists and `overwrite` is false.
    """
    folder = Path(folder)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (
        atomic_path(folder / "results.csv", overwrite=overwrite) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)
    gallery = gallery or Gallery(max(row["shots"] for row in rows))
    for name, figure in gallery.draw(rows).items():
        with atomic_path(folder / f"{name}.png", overwrite=overwrite) as part:
            figure.savefig(part, dpi=120, format="png")
