"""Answer for a study: a probability with its range, and the slices that decide."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch

from scionwood import TrainingError, find_run, load_run, resolve
from scionwood.authoring import (
    Figure,
    Number,
    Numbers,
    Page,
    Table,
    atomic_path,
    figure_style,
    render,
    weights_digest,
    writing,
)
from scionwood_biomed.data.base import fitted
from scionwood_biomed.data.study_kinds import StudyKinds
from scionwood_biomed.inference.images import NOTICE
from scionwood_biomed.readers.volumes import read_slices, study_kind
from scionwood_biomed.tasks.volumes import Volumes
from scionwood_biomed.verbs.options import RunOptions
from scionwood_deid import Window

SLICES_SHOWN = 3
"""Slices on the page."""


@final
class StudyAnswer(NamedTuple):
    """The answer for one study.

    Attributes:
        probabilities: probability of each class.
        ranges: smallest and largest probability of each class over the poolings of the run, each
            fitted to training studies that were drawn anew.
        label: the second class from the threshold of the validation split; with more classes the
            most probable one.
        threshold: that threshold; `None` with more than two classes.
        attention: how much each slice counts, in their order along the normal; the sum is 1.

    Example:
        >>> answer = StudyAnswer({"no": 0.2, "yes": 0.8}, {}, "yes", 0.4, [0.1, 0.7, 0.2])
        >>> max(range(3), key=answer.attention.__getitem__)
        1
    """

    probabilities: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    label: str
    threshold: float | None
    attention: list[float]


@torch.no_grad()
def answer_study(
    path: str | Path,
    run: str | Path,
    options: RunOptions,
    *,
    page: str | Path | None = None,
    overwrite: bool = False,
) -> StudyAnswer:
    """Answer for one study with a run of `biomed/volumes`; see `verbs.study`.

    Args:
        path: a folder of one series or one study, a DICOM or a NIfTI file.
        run: a finished run of `biomed/volumes`.
        options: the window and the device.
        page: an HTML file to write; `None` writes none.
        overwrite: replace `page` if it exists.

    Raises:
        ReadError: a file is damaged, a series or the study is not whole, or the study has another
            modality or number of slices than the training studies of the run.
        TrainingError: the run is not a finished run of this task.
        OutputExistsError: `page` exists and `overwrite` is false.
    """
    folder = find_run(run)
    task = load_run(folder, options.device)
    if not isinstance(task, Volumes):
        rule = f"its task is {type(task).__name__}, and biomed/volumes is needed"
        raise TrainingError(str(run), rule, "Train one: scionwood fit biomed/volumes")
    network = task.network
    data = resolve(folder / "recipe.yaml").data
    window: Window = options.window or data.options.get("window", "file")
    StudyKinds.read(folder, network.slices).check(str(path), study_kind(path))
    slices = read_slices(path, window=window, slices=network.slices)
    image = torch.stack([fitted(picture, network.size) for picture in slices])[None]
    image = image.to(options.device)
    by_pooling = network.every(image)[:, 0].double().cpu().numpy()
    names, mean = task.classes, by_pooling.mean(0)
    threshold = float(network.answer.threshold) if len(names) == 2 else None
    second = threshold is not None and mean[1] >= threshold
    label = names[int(second) if threshold is not None else int(mean.argmax())]
    ranges = {n: (float(v.min()), float(v.max())) for n, v in zip(names, by_pooling.T, strict=True)}
    attention = [float(value) for value in network.attention(image)[0]]
    probabilities = dict(zip(names, map(float, mean), strict=True))
    answer = StudyAnswer(probabilities, ranges, label, threshold, attention)
    if page is not None:
        _write(Path(page), answer, slices, folder, overwrite)
    return answer


def _write(path: Path, answer: StudyAnswer, slices: np.ndarray, run: Path, overwrite: bool) -> None:
    rows = [
        (name, f"{value:.3f}", "{:.3f} to {:.3f}".format(*answer.ranges[name]))
        for name, value in answer.probabilities.items()
    ]
    note = "The range is over poolings that were fitted to training studies drawn anew."
    threshold = "none" if answer.threshold is None else f"{answer.threshold:.3f}"
    best = sorted(np.argsort(answer.attention)[::-1][:SLICES_SHOWN])
    page = Page(
        "Answer for one study",
        [
            Numbers([Number("answer", answer.label), Number("threshold", threshold)]),
            Table(("class", "probability", "range"), rows, note=note),
            Figure("How much each slice counts", _bars(answer.attention), lead=True),
            Figure(f"Slices {', '.join(str(at) for at in best)}", _pictures(slices, best)),
        ],
        warning=NOTICE,
        notes=["Attention shows what the network weighted. It is no outline of a finding."],
        facts={"run": run.name, "weights": weights_digest(run)},
    )
    with writing(path), atomic_path(path, overwrite=overwrite) as part:
        part.write_text(render(page), encoding="utf-8")


def _bars(attention: Sequence[float]) -> bytes:
    with figure_style():
        from matplotlib.figure import Figure as Drawing

        drawing = Drawing(figsize=(6, 2.2))
        axes = drawing.add_subplot()
        axes.bar(range(len(attention)), attention)
        axes.set_xlabel("slice")
        axes.set_ylabel("attention")
        return _png(drawing)


def _pictures(slices: np.ndarray, chosen: Sequence[int]) -> bytes:
    with figure_style():
        from matplotlib.figure import Figure as Drawing

        drawing = Drawing(figsize=(2 * len(chosen), 2.2))
        for place, at in enumerate(chosen, start=1):
            axes = drawing.add_subplot(1, len(chosen), place)
            axes.imshow(slices[at].clip(0, 1))
            axes.set_title(str(at))
            axes.set_axis_off()
        return _png(drawing)


def _png(drawing: object) -> bytes:
    from matplotlib.figure import Figure as Drawing

    assert isinstance(drawing, Drawing)
    data = io.BytesIO()
    drawing.savefig(data, dpi=110, bbox_inches="tight", format="png")
    return data.getvalue()
