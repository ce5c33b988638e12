"""Compare methods of adaptation: `scionwood biomed evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, check_target, prints
from scionwood_biomed.verbs.options import ImageOptions

if TYPE_CHECKING:
    from scionwood_biomed.evaluation.compare import Row, Run
    from scionwood_biomed.model.towers import ClipBackbone

RESULTS = ("results.csv", "shots.png")


def _print_summary(rows: list[Row], *, json: bool = False) -> None:
    """Print the means over seeds.

    Args:
        rows: the result.
        json: print JSON.
    """
    from scionwood_biomed.evaluation import compare

    if json:
        print(dumps(compare.summary(rows), indent=1))
    else:
        compare.print_summary(rows)


@prints(_print_summary)
def evaluate(
    images: InputPath | None = None,
    target: Path | None = None,
    options: ImageOptions = ImageOptions(),
    *,
    weights: str | None = None,
    train_projection: bool = False,
    methods: list[str] | None = None,
    shots: list[int] | None = None,
    seeds: int = 3,
    steps: int = 100,
    experts: InputPath | None = None,
    force: bool = False,
) -> list[Row]:
    """Compare methods of adaptation by accuracy, AUROC and calibration.

    All methods use the same hyper-parameters, shots and seeds. Splits are by subject. Of two
    classes it also prints sensitivity and specificity, at a threshold chosen on validation.

    Args:
        images: a table `.csv`, a folder of images, a MedMNIST archive or shards, as for
            `biomed/images`; by default synthetic slices.
        target: folder for results.csv and the figure of accuracy over shots.
        options: how images are read, and the model.
        weights: weights of an architecture: a tag of open_clip, or a file.
        train_projection: also train the layer from image features to the space of texts, in every
            method; for towers that were not trained together.
        methods: any of raw_pixels, class_mean, logistic_regression, blockwise_regression,
            blockwise_lda, zero_shot, linear_probe, lora and dual_anchor; by default all.
        shots: numbers of images per class; by default 1, 2, 4, 8 and 16.
        seeds: number of seeds, from 0.
        steps: training steps.
        experts: a file of expert prompts by class, JSON or CSV.
        force: replace existing files.

    Returns:
        The result of each method, number of images and seed.

    Raises:
        ReadError: a file is damaged.
        RecipeError: a method is unknown, or a class has too few subjects or images.
        WeightsError: the model cannot be loaded.
        OutputExistsError: a result exists and `force` is false.

    Example:
        >>> rows = evaluate(methods=["class_mean"], shots=[1], seeds=1)
        >>> {row["method"] for row in rows}
        {'class_mean'}
    """
    if target is not None and not force:  # existing results are refused before the work starts
        for name in RESULTS:
            check_target(target / name, overwrite=False)
    from scionwood_biomed.backbones import ClipBackbone
    from scionwood_biomed.data.images import Images
    from scionwood_biomed.data.phantoms import Phantoms
    from scionwood_biomed.evaluation import compare
    from scionwood_biomed.tasks.anchors import read_prompts

    plan = compare.Plan(
        methods or compare.Plan.methods,
        shots or compare.Plan.shots,
        range(seeds),
        steps,
        None if experts is None else read_prompts(experts),
    )

    def build() -> ClipBackbone:
        return ClipBackbone(model=options.model, weights=weights, train_projection=train_projection)

    size = build().size
    data = (
        Phantoms(size=size)
        if images is None
        else Images(source=images, subject=options.subject, window=options.window, size=size)
    )
    rows = compare.evaluate(plan, data, build, progress=_progress)
    if target is not None:
        compare.write(rows, target, overwrite=force)
    return rows


def _progress(runs: Iterator[Run], total: int) -> Iterator[Run]:
    from rich.console import Console
    from rich.progress import track

    yield from track(runs, "evaluating", total, console=Console(stderr=True))
