"""The commands `scionwood biomed classify | evaluate | audit-splits | deidentify-check | ...`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from scionwood import RecipeError

Window = Literal["file", "range", "soft_tissue", "brain", "lung", "bone"]


def classify(
    image: Path,
    *,
    run: Path,
    confidence: float = 0.5,
    classes: list[str] | None = None,
    window: Window | None = None,
    views: int = 32,
    mpp: float | None = None,
    device: str = "cpu",
    as_json: bool = False,
) -> None:
    """Print the probability of each class of an image; research use only.

    Below a confidence there is no answer. Of a volume the probabilities are the mean over its
    slices with tissue, of a whole slide over its tiles with tissue; of a series of NIfTI volumes
    the first is taken.

    Args:
        image: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        run: the run folder of `biomed/few_shot` that `scionwood fit` wrote.
        confidence: the least probability of an answer, 0 to 1.
        classes: names of classes; those of the run's data where null.
        window: of CT; the one of the run's data where null.
        views: the most slices or tiles, at even distances among those with tissue.
        mpp: of whole slides, micrometres a pixel; that of the run's data where null.
        device: where to compute, such as cpu or cuda.
        as_json: print JSON.

    Raises:
        ReadError: the file is damaged or of an unknown format.
        RecipeError: the confidence is no probability, or there are no views.
        TrainingError: the folder is no finished run.
        AdapterFileError: the run's adapter is damaged, or made for another base.
    """
    from scionwood_biomed.inference import NOTICE, Classifier, text
    from scionwood_biomed.readers.opening import read_views

    if not 0 <= confidence <= 1:
        raise RecipeError(f"confidence={confidence}", "it is a probability", "Such as 0.8")
    if views < 1:
        raise RecipeError(f"views={views}", "it is 1 or more", "Such as 32")
    network = Classifier(Path(run), classes=classes, device=device)
    seen = read_views(
        Path(image),
        window=window or network.window,
        mpp=network.mpp if mpp is None else mpp,
        size=network.size,
        most=views,
    )
    answer = network.classify(seen, confidence)
    record = {**answer._asdict(), "confidence": confidence, "notice": NOTICE}
    print(json.dumps(record, indent=1) if as_json else text(answer, confidence))


def evaluate(
    *,
    source: Path | None = None,
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
    experts: Path | None = None,
    synonyms: Path | None = None,
    abbreviations: Path | None = None,
    out: Path | None = None,
    as_json: bool = False,
    force: bool = False,
) -> None:
    """Compare methods of adaptation: accuracy, other wordings of prompts, calibration.

    All methods have the same hyper-parameters, shots and seeds; splits are by subject.

    Args:
        source: a table `.csv`, a folder of images, a MedMNIST archive or shards, as for
            `biomed/images`; made-up slices where null.
        subject: of folders, an expression with one group that finds the subject in a path;
            `unknown` takes MedMNIST's own splits.
        window: of CT.
        model: `tiny`, a folder, a name on the hub, or an architecture of open_clip.
        weights: of an architecture: a tag of open_clip, or a file.
        train_projection: every method also trains the layer from image features to the space of
            texts, for towers that nobody has trained together.
        methods: of zero_shot, linear_probe, single_template, single_template_kept,
            prompt_augmentation, coop, cocoop, kgcoop, lora, dual_anchor_loss, dual_anchor and
            dual_anchor_lora; all where null. Those with `_loss` have anchors in training only,
            those with `_kept` in inference only.
        shots: numbers of images of each class; 1, 2, 4, 8 and 16 where null.
        seeds: how many, from 0.
        steps: of training.
        base_to_novel: train on the first half of the classes, and report the others too.
        experts: a file of expert prompts by class, JSON or CSV.
        synonyms: a JSON file with another name of each class, for that wording.
        abbreviations: the same for that wording; the first letters of the words where null.
        out: write results.csv and figures into this folder: accuracy over shots, wordings,
            reliability, and the attention of fused tokens.
        as_json: print JSON.
        force: replace files that are there.

    Raises:
        ReadError: a file is damaged.
        RecipeError: a method is unknown, or a class has too few subjects or images.
        WeightsError: the model cannot be loaded.
        OutputExistsError: a result exists and `force` is false.
    """
    from scionwood_biomed.backbones import clip
    from scionwood_biomed.evaluation import compare as measure
    from scionwood_biomed.evaluation.gallery import Gallery
    from scionwood_biomed.evaluation.methods import METHODS
    from scionwood_biomed.evaluation.settings import Settings
    from scionwood_biomed.model.model import ClipBackbone
    from scionwood_biomed.tasks.anchors import read_prompts

    others = {
        family: {name: words[0] for name, words in read_prompts(Path(path)).items()}
        for family, path in (("synonym", synonyms), ("abbreviation", abbreviations))
        if path is not None
    }
    plan = measure.Plan(
        methods or METHODS,
        shots or (1, 2, 4, 8, 16),
        range(seeds),
        Settings(steps=steps),
        base_to_novel,
        None if experts is None else read_prompts(Path(experts)),
        others,
    )
    if out is not None and not force:
        _check_free(Path(out))

    def build() -> ClipBackbone:
        return clip(model=model, weights=weights, train_projection=train_projection)

    data, gallery = _data(source, subject, window, build().size), Gallery(max(plan.shots))
    rows = measure.evaluate(plan, data, build, progress=_progress, gallery=gallery)
    if out is not None:
        measure.write(rows, Path(out), overwrite=force, gallery=gallery)
    print(json.dumps(measure.summary(rows), indent=1) if as_json else measure.text(rows))


def audit_splits(
    source: Path,
    *,
    subject: str | None = None,
    window: Window = "file",
    model: str = "tiny",
    folds: int = 5,
    seed: int = 0,
    as_json: bool = False,
) -> None:
    """Show what splits by image would hide: shared subjects, duplicates, a probe that looks better.

    Args:
        source: a table `.csv`, a folder of images or shards, as for `biomed/images`.
        subject: of folders, an expression with one group that finds the subject in a path.
        window: of CT.
        model: whose frozen vision tower makes the features: `tiny`, a folder, or a name.
        folds: of the cross-validation.
        seed: of splits and folds.
        as_json: print JSON.

    Raises:
        ReadError: a file is damaged.
        RecipeError: an image has no subject, or there are too few.
        WeightsError: the model cannot be loaded.
    """
    from scionwood_biomed.backbones import clip
    from scionwood_biomed.evaluation.audit import audit, text

    backbone = clip(model=model)
    found = audit(_data(source, subject, window, backbone.size), backbone, folds=folds, seed=seed)
    print(json.dumps(found, indent=1) if as_json else text(found))


def deidentify_check(path: Path, *, as_json: bool = False) -> None:
    """List what a DICOM file says of a person, and whether text may be in its pixels.

    Nothing is changed, and no value is printed.

    Args:
        path: a DICOM file, or a folder that is searched with its subfolders.
        as_json: print JSON.

    Raises:
        ReadError: there is no DICOM file, or it is damaged.
    """
    from dataclasses import asdict

    from scionwood_biomed.readers.dicom import DicomReader
    from scionwood_biomed.readers.dicom_identity import inspect

    found = [inspect(file) for file in _files(Path(path), DicomReader.suffixes)]
    if as_json:
        print(json.dumps([{**asdict(each), "path": str(each.path)} for each in found], indent=1))
        return
    for each in found:
        print(f"{each.path}: {'nothing found' if each.clean else ''}".rstrip())
        for where in each.identity:
            print(f"  {where}")
        if each.private:
            print(f"  {each.private} private elements")
        if each.overlays:
            print(f"  {each.overlays} elements of overlays or curves")
        if each.burned_in:
            print(f"  text in the pixels: {each.burned_in}")


def deidentify(path: Path, target: Path, *, salt: str, force: bool = False) -> None:
    """Write a copy of a DICOM file without what identifies a person; pixels are not touched.

    Args:
        path: a DICOM file.
        target: where to write.
        salt: of the hashes that stand for PatientID and UIDs; keep it as secret as the data.
        force: replace the target if it exists.

    Raises:
        ReadError: it is no DICOM image, damaged, or the salt is empty.
        OutputExistsError: the target exists and `force` is false.
    """
    from scionwood_biomed.readers import dicom_identity as privacy

    found = privacy.deidentify(Path(path), Path(target), salt=salt, overwrite=force)
    print(f"{target}: without {len(found.identity)} fields and {found.private} private elements")
    if found.burned_in:
        print(f"Look at the pixels, which stay as they are: {found.burned_in}")


def _data(source: Path | None, subject: str | None, window: Window, size: int) -> Any:
    from scionwood_biomed.data.images import Images, Phantoms

    if source is None:
        return Phantoms(size=size)
    return Images(source=source, subject=subject, window=window, size=size)


def _files(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    from scionwood import ReadError

    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.name.lower().endswith(suffixes))
    if not found:
        raise ReadError(str(path), "no DICOM file is there", f"Its name ends in {suffixes[0]}")
    return found


def _check_free(folder: Path) -> None:
    """Refuse before the work what could not be written after it."""
    from scionwood import OutputExistsError

    names = ("results.csv", "shots.png", "wordings.png", "reliability.png", "attention.png")
    for name in names:
        if (folder / name).exists():
            raise OutputExistsError(str(folder / name), "it exists already", "Give --force")


def _progress(runs: Iterator[Any], total: int) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import track

    yield from track(runs, "evaluating", total, console=Console(stderr=True))
