"""What a Python program imports from this plugin; each example runs in the tests.

The examples of this module use paths: `run` is the folder of a finished run of
`biomed/few_shot`, and `scan` is a DICOM file. Nothing here is a medical device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood_biomed.evaluation.audit import Audit
from scionwood_biomed.evaluation.audit import audit as _audit
from scionwood_biomed.evaluation.of_run import Score, score_run
from scionwood_biomed.inference import Answer, Classifier, check_options
from scionwood_biomed.inference.masks import segment_file
from scionwood_biomed.inference.studies import StudyAnswer, answer_study
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.privacy.copying import deidentify as _deidentify
from scionwood_biomed.privacy.copying import inspect as _inspect
from scionwood_biomed.privacy.findings import Findings
from scionwood_biomed.privacy.pixels import PixelPolicy
from scionwood_biomed.privacy.profile import Profile
from scionwood_biomed.readers.opening import read_picture
from scionwood_biomed.readers.opening import read_views as _read_views
from scionwood_biomed.readers.windows import Window

if TYPE_CHECKING:
    import numpy as np

    from scionwood_biomed.data.base import ImageData

__all__ = [
    "Answer",
    "Audit",
    "Classifier",
    "Findings",
    "PixelPolicy",
    "Profile",
    "Score",
    "StudyAnswer",
    "answer_study",
    "audit",
    "classify",
    "deidentify",
    "inspect",
    "read_image",
    "read_views",
    "score_run",
    "segment_file",
]


def classify(
    image: str | Path,
    run: str | Path,
    *,
    confidence: float = 0.5,
    classes: Sequence[str] | None = None,
    window: Window | None = None,
    views: int = 32,
    mpp: float | None = None,
    device: str = "cpu",
) -> Answer:
    """Classify one image with the network of a run; for research use only.

    To classify many images, build one `Classifier` and call its `classify_file`.

    Args:
        image: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        run: a finished run of `biomed/few_shot`: its folder, or another reference; see
            `scionwood.find_run`.
        confidence: lowest probability at which a class is named, 0 to 1.
        classes: class names; `None` means the classes of the run's data.
        window: CT window; `None` means the window of the run's data.
        views: maximum number of slices or tiles, evenly spaced over those with tissue.
        mpp: pixel size of slide tiles in micrometres; `None` means that of the run's data.
        device: device of the computation, such as `cpu` or `cuda`.

    Returns:
        The probability of each class, and the class if it reaches the confidence.

    Raises:
        ReadError: the file is damaged or its format is unknown.
        RecipeError: `confidence` is not a probability, or `views` is below 1.
        TrainingError: the folder does not hold a finished run of this task.
        AdapterFileError: the adapter is damaged, or belongs to another base model.

    Example:
        >>> answer = classify(scan, run, confidence=0.9)
        >>> round(sum(answer.probabilities.values()), 6)
        1.0
    """
    check_options(confidence, views)  # before the network is loaded
    classifier = Classifier(run, classes=classes, device=device)
    return classifier.classify_file(
        image, confidence=confidence, window=window, views=views, mpp=mpp
    )


def read_image(path: str | Path, *, window: Window = "file") -> np.ndarray:
    """Read one picture from an image file; of a volume it is the middle slice.

    Args:
        path: a DICOM, NIfTI or picture file, or a folder of one DICOM series.
        window: CT window.

    Returns:
        (row, column, 3) float32, 0 is black and 1 is white.

    Raises:
        ReadError: the file is damaged or its format is unknown.

    Example:
        >>> read_image(scan, window="soft_tissue").shape
        (64, 64, 3)
    """
    return read_picture(path, window=window)


def read_views(
    path: str | Path, *, window: Window = "file", mpp: float = 0.5, size: int = 224, most: int = 32
) -> Iterator[np.ndarray]:
    """Read the slices of a volume, or the tiles of a slide, that show tissue.

    Args:
        path: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        window: CT window.
        mpp: pixel size of slide tiles, in micrometres.
        size: side of a slide tile in pixels.
        most: maximum number of pictures, evenly spaced over those with tissue.

    Returns:
        An iterator over pictures, each (row, column, 3) float32 from 0 black to 1 white.

    Raises:
        ReadError: the file is damaged or its format is unknown.

    Example:
        >>> len(list(read_views(scan)))
        1
    """
    return _read_views(path, window=window, mpp=mpp, size=size, most=most)


def audit(data: ImageData, backbone: ClipBackbone, *, folds: int = 5, seed: int = 0) -> Audit:
    """Measure what a split by image would hide in a data set.

    Args:
        data: the images, such as `data.images.Images(source="images.csv")`.
        backbone: the model whose frozen vision tower computes the features.
        folds: number of cross-validation folds.
        seed: seed of the splits and the folds.

    Returns:
        Shared subjects, duplicates and the accuracy of a linear probe, for splits by image and by
        subject.

    Raises:
        RecipeError: there is one class only, there are fewer subjects than folds, or the subjects
            are not known.

    Example:
        >>> from scionwood_biomed.backbones import clip
        >>> from scionwood_biomed.data.phantoms import Phantoms
        >>> result = audit(Phantoms(subjects=16, images=2), clip())
        >>> result["by_subject"]["shared_subjects"]
        0
    """
    return _audit(data, backbone, folds=folds, seed=seed)


def inspect(path: str | Path, *, detect_text: bool = False) -> Findings:
    """List what a DICOM or NIfTI file holds that can identify a person; no value is returned.

    Args:
        path: the file.
        detect_text: let a text detector look at pixels that nobody looked at (extra `ocr`). That it
            sees none is no proof.

    Raises:
        ReadError: the file is neither DICOM nor NIfTI, or is damaged, or the detector is not
            installed.

    Example:
        >>> "PatientID" in inspect(scan).identity
        True
    """
    return _inspect(path, detect_text=detect_text)


def deidentify(
    path: str | Path,
    target: str | Path,
    *,
    salt: str | None = None,
    key: str | Path | None = None,
    profile: Profile | None = None,
    pixels: PixelPolicy | None = None,
    overwrite: bool = False,
) -> Findings:
    """Write a copy of a DICOM or NIfTI file that holds what the Basic Profile keeps, and no more.

    The copy of an image states that the identity is not removed, since nobody looked at its pixels:
    see `scionwood biomed review`.

    Args:
        path: a DICOM or NIfTI file.
        target: file to write.
        salt: a secret text that pseudonyms, UIDs and offsets of dates are made with.
        key: a file with the secret, in place of `salt`.
        profile: the options; by default the Basic Profile of PS3.15 alone.
        pixels: what is done about text in pixels; by default nothing.
        overwrite: replace `target` if it exists.

    Returns:
        What the original file contained.

    Raises:
        ReadError: the file is damaged or of a kind that is not copied, or the secret is missing.
        OutputExistsError: `target` exists and `overwrite` is false.

    Example:
        >>> target = f"{scan}.anonymous.dcm"
        >>> findings = deidentify(scan, target, salt="secret")
        >>> inspect(target).lines
        ['text in the pixels: pixels not looked at']
    """
    return _deidentify(
        path,
        target,
        salt=salt,
        key=key,
        profile=profile,
        pixels=pixels,
        overwrite=overwrite,
    )
