"""What a server offers of this plugin; research use only, no medical device."""

from __future__ import annotations

from pathlib import Path

from scionwood import LoadedRun, Served


def classify(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    confidence: float = 0.5,
    views: int = 32,
    mpp: float | None = None,
    page: bool = False,
) -> Served:
    """Answer with the probability of each class of an image, as `scionwood biomed classify` does.

    Args:
        loaded: a run of `biomed/few_shot` or `biomed/blockwise_lda`.
        source: a DICOM, NIfTI or picture file, or a whole slide.
        out: the folder of the results.
        confidence: lowest probability at which a class is named, 0 to 1.
        views: maximum number of slices or tiles.
        mpp: pixel size of slide tiles, micrometres; by default that of the run's data.
        page: also write a page with the image and the table.

    Raises:
        ReadError: the file is damaged or its format is unknown.
        RecipeError: an option is out of range.
        TrainingError: the run is not one of these tasks.
    """
    from scionwood_biomed.inference.images import NOTICE, Classifier, check_options

    check_options(confidence, views)
    classifier = Classifier(loaded.folder, device=loaded.device)
    answer = classifier.classify_file(source, confidence=confidence, views=views, mpp=mpp)
    shown = out / "page.html" if page else None
    if shown is not None:
        from scionwood_biomed.evaluation.answer_page import write_answer

        write_answer(shown, source, answer, classifier.window)
    return Served(page=shown, values={**answer._asdict(), "notice": NOTICE})


def study(loaded: LoadedRun, source: Path, out: Path, *, page: bool = False) -> Served:
    """Answer for one study, as `scionwood biomed study` does.

    Args:
        loaded: a run of `biomed/volumes`.
        source: a NIfTI volume, or a DICOM file of several frames.
        out: the folder of the results.
        page: also write the page with the slices that decide.

    Raises:
        ReadError: the file is damaged, or the volume is not whole.
        TrainingError: the run is not one of this task.
    """
    from scionwood_biomed.inference.images import NOTICE
    from scionwood_biomed.inference.studies import answer_study

    shown = out / "page.html" if page else None
    answer = answer_study(source, loaded.folder, device=loaded.device, page=shown)
    return Served(page=shown, values={**answer._asdict(), "notice": NOTICE})


def segment(loaded: LoadedRun, source: Path, out: Path) -> Served:
    """Write the mask of a volume on its own grid, as `scionwood biomed segment` does.

    Args:
        loaded: a run of `biomed/segment`.
        source: a NIfTI volume.
        out: the folder of the results.

    Raises:
        ReadError: the file is damaged, or is no NIfTI volume.
        TrainingError: the run is not one of this task.
    """
    from scionwood_biomed.inference.masks import segment_file

    target = out / f"{source.name.partition('.')[0]}_mask.nii.gz"
    segment_file(source, target, loaded.folder, device=loaded.device)
    return Served(target)
