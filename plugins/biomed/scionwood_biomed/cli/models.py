"""The commands `scionwood biomed classify`, `evaluate` and `audit-splits`."""

from __future__ import annotations

from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood import TrainingError, find_run
from scionwood.authoring import (
    InputPath,
    RunPath,
    check_target,
    print_table,
    read_origin,
    weights_digest,
)
from scionwood_biomed.readers.windows import Window

if TYPE_CHECKING:
    from scionwood_biomed.data.base import ImageData
    from scionwood_biomed.evaluation.compare import Plan, Run
    from scionwood_biomed.inference import Answer

TRAIN = (
    "Train one: scionwood fit biomed/few_shot --run run. Your own images and model are keys of the "
    "recipe: scionwood show biomed/few_shot. Then classify with --run run"
)


def classify(
    image: InputPath,
    *,
    run: RunPath | None = None,
    confidence: float = 0.5,
    classes: list[str] | None = None,
    window: Window | None = None,
    views: int = 32,
    mpp: float | None = None,
    device: str = "cpu",
    json: bool = False,
) -> None:
    """Print the probability of each class of an image; research use only.

    No class is named below the confidence. The probabilities of a volume are the mean over its
    slices with tissue, those of a whole slide the mean over its tiles with tissue. A NIfTI series
    is represented by its first volume.

    Args:
        image: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        run: a run of `biomed/few_shot`, as a folder or by another reference. None is shipped, since
            no medical base model is.
        confidence: lowest probability at which a class is named, 0 to 1.
        classes: class names; by default those of the run's data.
        window: CT window; by default that of the run's data.
        views: maximum number of slices or tiles, evenly spaced over those with tissue.
        mpp: pixel size of slide tiles in micrometres; by default that of the run's data.
        device: device of the computation, such as cpu or cuda.
        json: print JSON.

    Raises:
        ReadError: the file is damaged or its format is unknown.
        RecipeError: the confidence is not a probability, or `views` is below 1.
        TrainingError: no run is given, or it is not finished.
        AdapterFileError: the run's adapter is damaged, or belongs to another base model.
    """
    if run is None:
        rule = "a run is needed, and none is shipped, since no medical base model is"
        raise TrainingError("classify without --run", rule, TRAIN)
    from scionwood_biomed.api import classify as classify_image
    from scionwood_biomed.inference import NOTICE

    answer = classify_image(
        image,
        run,
        confidence=confidence,
        classes=classes,
        window=window,
        views=views,
        mpp=mpp,
        device=device,
    )
    if json:
        folder = find_run(run)
        made = {"run": str(read_origin(folder) or folder.resolve().name)}
        made |= {"digest": weights_digest(folder), "notice": NOTICE}
        print(dumps({**answer._asdict(), "confidence": confidence, **made}, indent=1))
    else:
        _print_answer(answer, confidence, NOTICE)


def evaluate(
    images: InputPath | None = None,
    target: Path | None = None,
    *,
    subject: str | None = None,
    window: Window = "file",
    model: str = "tiny",
    weights: str | None = None,
    train_projection: bool = False,
    methods: list[str] | None = None,
    shots: list[int] | None = None,
    seeds: int = 3,
    steps: int = 100,
    base_to_novel: bool = False,
    experts: InputPath | None = None,
    synonyms: InputPath | None = None,
    abbreviations: InputPath | None = None,
    json: bool = False,
    force: bool = False,
) -> None:
    """Compare methods of adaptation by accuracy, sensitivity to wording, and calibration.

    All methods use the same hyper-parameters, shots and seeds. Splits are by subject.

    Args:
        images: a table `.csv`, a folder of images, a MedMNIST archive or shards, as for
            `biomed/images`; by default synthetic slices.
        target: folder for results.csv and the figures: accuracy over shots, accuracy by wording,
            reliability, and attention of the text context.
        subject: for folders, a regular expression with one group that extracts the subject from a
            path; `unknown` uses MedMNIST's own splits.
        window: CT window.
        model: `tiny`, a folder, a name on the hub, or an architecture of open_clip.
        weights: weights of an architecture: a tag of open_clip, or a file.
        train_projection: also train the layer from image features to the space of texts, in every
            method; for towers that were not trained together.
        methods: any of raw_pixels, class_mean, logistic_regression, blockwise_lda, lp_plus_plus,
            tip_adapter, tip_adapter_f, zero_shot, linear_probe, single_template,
            single_template_kept, prompt_augmentation, coop, cocoop, kgcoop, biomed_coop, maple,
            lora, dual_anchor_loss, dual_anchor and dual_anchor_lora; by default all but maple,
            which needs a vision transformer. `_loss` means anchors in training only, `_kept`
            means anchors in inference only.
        shots: numbers of images per class; by default 1, 2, 4, 8 and 16.
        seeds: number of seeds, from 0.
        steps: training steps.
        base_to_novel: train on the first half of the classes, and report the other half too.
        experts: a file of expert prompts by class, JSON or CSV.
        synonyms: a JSON file with another name of each class, for the wording `synonym`.
        abbreviations: a JSON file with a short name of each class, for the wording `abbreviation`;
            by default the first letters of the words.
        json: print JSON.
        force: replace existing files.

    Raises:
        ReadError: a file is damaged.
        RecipeError: a method is unknown, or a class has too few subjects or images.
        WeightsError: the model cannot be loaded.
        OutputExistsError: a result exists and `force` is false.
    """
    from scionwood_biomed.backbones import clip
    from scionwood_biomed.evaluation import compare
    from scionwood_biomed.evaluation.gallery import Gallery
    from scionwood_biomed.model.towers import ClipBackbone

    plan = _plan(methods, shots, seeds, steps, base_to_novel, experts, synonyms, abbreviations)
    if target is not None and not force:
        _check_free(target)

    def build() -> ClipBackbone:
        return clip(model=model, weights=weights, train_projection=train_projection)

    data, gallery = _data(images, subject, window, build().size), Gallery(max(plan.shots))
    rows = compare.evaluate(plan, data, build, progress=_progress, gallery=gallery)
    if target is not None:
        compare.write(rows, target, overwrite=force, gallery=gallery)
    if json:
        print(dumps(compare.summary(rows), indent=1))
    else:
        compare.print_summary(rows)


def audit_splits(
    images: InputPath,
    *,
    subject: str | None = None,
    window: Window = "file",
    model: str = "tiny",
    folds: int = 5,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Show what a split by image hides: shared subjects, duplicates, an optimistic accuracy.

    Args:
        images: a table `.csv`, a folder of images or shards, as for `biomed/images`.
        subject: for folders, a regular expression with one group that extracts the subject from a
            path.
        window: CT window.
        model: the model whose frozen vision tower computes the features: `tiny`, a folder, or a
            name on the hub.
        folds: number of cross-validation folds.
        seed: seed of the splits and the folds.
        json: print JSON.

    Raises:
        ReadError: a file is damaged.
        RecipeError: an image has no subject, or there are too few subjects.
        WeightsError: the model cannot be loaded.
    """
    from scionwood_biomed.backbones import clip
    from scionwood_biomed.evaluation.audit import audit, print_audit

    backbone = clip(model=model)
    data = _data(images, subject, window, backbone.size, "allow")  # the audit counts them
    result = audit(data, backbone, folds=folds, seed=seed)
    if json:
        print(dumps(result, indent=1))
    else:
        print_audit(result)


def _print_answer(answer: Answer, confidence: float, notice: str) -> None:
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    rows = [(f"{value:.4f}", name) for name, value in ranked]
    print_table(("probability", "class"), rows, numeric=("probability",))
    if answer.views > 1:
        print(f"mean of {answer.views} views")
    print(answer.label or f"no answer: no class reaches {confidence:g}")
    print(notice)


def _plan(
    methods: list[str] | None,
    shots: list[int] | None,
    seeds: int,
    steps: int,
    base_to_novel: bool,
    experts: Path | None,
    synonyms: Path | None,
    abbreviations: Path | None,
) -> Plan:
    from scionwood_biomed.evaluation.compare import Plan
    from scionwood_biomed.evaluation.methods import ANY_TOWER
    from scionwood_biomed.evaluation.settings import Settings
    from scionwood_biomed.tasks.anchors import read_prompts

    others = {
        family: {name: words[0] for name, words in read_prompts(path).items()}
        for family, path in (("synonym", synonyms), ("abbreviation", abbreviations))
        if path is not None
    }
    return Plan(
        methods or ANY_TOWER,
        shots or (1, 2, 4, 8, 16),
        range(seeds),
        Settings(steps=steps),
        base_to_novel,
        None if experts is None else read_prompts(experts),
        others,
    )


def _data(
    source: Path | None,
    subject: str | None,
    window: Window,
    size: int,
    duplicates: Literal["refuse", "allow"] = "refuse",
) -> ImageData:
    from scionwood_biomed.data.images import Images
    from scionwood_biomed.data.phantoms import Phantoms

    if source is None:
        return Phantoms(size=size)
    return Images(source=source, subject=subject, window=window, size=size, duplicates=duplicates)


def _check_free(folder: Path) -> None:
    """Refuse existing results before the work starts."""
    names = ("results.csv", "shots.png", "wordings.png", "reliability.png", "attention.png")
    for name in names:
        check_target(folder / name, overwrite=False)


def _progress(runs: Iterator[Run], total: int) -> Iterator[Run]:
    from rich.console import Console
    from rich.progress import track

    yield from track(runs, "evaluating", total, console=Console(stderr=True))
