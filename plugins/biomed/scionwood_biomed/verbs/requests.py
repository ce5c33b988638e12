"""What a server offers of this plugin; research use only, no medical device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood import ReadError
from scionwood.authoring import LoadedRun, Served, reading, unpacked
from scionwood_biomed.verbs.options import ClassifyRequest, RunOptions
from scionwood_biomed.verbs.segment import segment
from scionwood_biomed.verbs.study import study

if TYPE_CHECKING:
    import numpy as np

ARRAY = ".npy"
"""The ending of an array, which a server makes of JSON."""


def classify_request(
    loaded: LoadedRun,
    source: Path,
    out: Path,
    *,
    options: ClassifyRequest = ClassifyRequest(),
    page: bool = False,
) -> Served:
    """Answer with the probability of each class of an image, as `scionwood biomed classify` does.

    An array is one picture, (row, column) or (row, column, 3): numbers from 0 to 1, or uint8.

    Args:
        loaded: a run of `biomed/few_shot` or `biomed/blockwise_lda`.
        source: a DICOM, NIfTI or picture file, a whole slide, a zip archive of one DICOM series, or
            an array.
        out: the folder of the results.
        options: the confidence, and how the image is read.
        page: also write a page with the image and the table; of an array there is none.

    Raises:
        ReadError: the file is damaged or its format is unknown.
        RecipeError: an option is out of range.
        TrainingError: the run is not one of these tasks.
    """
    (answer,) = classify_request_many(loaded, [source], [out], options=options, page=page)
    return answer


def classify_request_many(
    loaded: LoadedRun,
    sources: Sequence[Path],
    outs: Sequence[Path],
    *,
    options: ClassifyRequest = ClassifyRequest(),
    page: bool = False,
) -> list[Served]:
    """Classify several files, each as one request; their pictures pass the network together.

    Probabilities equal those of single requests up to rounding, by less than 1e-6.

    Args:
        loaded: a run of `biomed/few_shot` or `biomed/blockwise_lda`.
        sources: the files.
        outs: the folder of the results of each.
        options: the confidence, and how the images are read.
        page: also write a page for each.

    Raises:
        ReadError: a file is damaged or its format is unknown.
        TrainingError: the run is not one of these tasks.
    """
    from scionwood_biomed.evaluation.answer_page import write_answer
    from scionwood_biomed.inference.images import NOTICE, Classifier
    from scionwood_biomed.readers.opening import read_views

    classifier = Classifier(loaded.folder, device=loaded.device)
    mpp = classifier.mpp if options.mpp is None else options.mpp

    def views_of(path: Path) -> Iterable[np.ndarray]:
        if path.suffix == ARRAY:
            return [_picture(path)]
        return read_views(
            path, window=classifier.window, mpp=mpp, size=classifier.size, most=options.views
        )

    with ExitStack() as stack:
        places = [stack.enter_context(_opened(source)) for source in sources]
        answers = classifier.classify_many(map(views_of, places), options.confidence)
        pages = [
            out / "page.html" if page and place.suffix != ARRAY else None
            for place, out in zip(places, outs, strict=True)
        ]
        for file, place, answer in zip(pages, places, answers, strict=True):
            if file is not None:
                write_answer(file, place, answer, classifier.window)
    values = [{**answer._asdict(), "notice": NOTICE} for answer in answers]
    return [Served(page=file, values=value) for file, value in zip(pages, values, strict=True)]


def study_request(loaded: LoadedRun, source: Path, out: Path, *, page: bool = False) -> Served:
    """Answer for one study, as `scionwood biomed study` does.

    Args:
        loaded: a run of `biomed/volumes`.
        source: a zip archive of the folder of one study or series, a NIfTI volume, or a DICOM file
            of several frames.
        out: the folder of the results.
        page: also write the page with the slices that decide.

    Raises:
        ReadError: the file is damaged, or the volume is not whole.
        TrainingError: the run is not one of this task.
    """
    from scionwood_biomed.inference.images import NOTICE

    file = out / "page.html" if page else None
    with _opened(source) as place:
        answer = study(place, file, RunOptions(run=loaded.folder, device=loaded.device))
    return Served(page=file, values={**answer._asdict(), "notice": NOTICE})


def segment_request(loaded: LoadedRun, source: Path, out: Path) -> Served:
    """Write the mask of a volume on its own grid, as `scionwood biomed segment` does.

    Args:
        loaded: a run of `biomed/segment`.
        source: a NIfTI volume.
        out: the folder of the results.

    Raises:
        ReadError: the file is damaged, or is no NIfTI volume.
        TrainingError: the run is not one of this task.
    """
    target = out / f"{source.name.partition('.')[0]}_mask.nii.gz"
    segment(source, target, RunOptions(run=loaded.folder, device=loaded.device))
    return Served(target)


@contextmanager
def _opened(source: Path) -> Iterator[Path]:
    """Yield the folder of DICOM files in a zip archive; any other file as it is."""
    if source.suffix.lower() != ".zip":
        yield source
        return
    with unpacked(source, source.parent, kind="DICOM in a zip archive") as folder:
        yield folder


def _picture(path: Path) -> np.ndarray:
    """Return the picture of an array, (row, column, 3) float32 from 0 to 1."""
    import numpy as np

    with reading(path, "array"):
        values = np.load(path, allow_pickle=False)
    scale = 255 if values.dtype == np.uint8 else 1
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, -1)
    if values.ndim != 3 or values.shape[-1] != 3:
        rule = f"a picture is (row, column) or (row, column, 3), and this is {values.shape}"
        raise ReadError(path.name, rule, "Send one picture at a time, or a NIfTI file")
    picture: np.ndarray = values.astype(np.float32) / scale
    if not (picture.min() >= 0 and picture.max() <= 1):
        rule = f"its values are from {values.min():g} to {values.max():g}"
        raise ReadError(path.name, rule, "Scale them to 0 (black) to 1 (white), or send uint8")
    return picture
