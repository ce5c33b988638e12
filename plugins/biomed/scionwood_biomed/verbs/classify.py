"""Classify an image: `scionwood biomed classify`."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, print_table, prints, read_origin, weights_digest
from scionwood_biomed.verbs.options import ClassifyOptions

if TYPE_CHECKING:
    from scionwood_biomed.inference import Answer

TRAIN = (
    "Train one: scionwood fit biomed/few_shot --run run. Your own images and model are keys of the "
    "recipe: scionwood show biomed/few_shot. Then classify with --run run"
)


def _print_answer(
    answer: Answer, options: ClassifyOptions = ClassifyOptions(), *, json: bool = False
) -> None:
    """Print an answer.

    Args:
        answer: the result.
        options: the confidence and the run.
        json: print JSON.
    """
    from scionwood import find_run
    from scionwood_biomed.inference import NOTICE

    if json:
        folder = find_run(options.needed_run("classify", TRAIN))
        origin = {"run": str(read_origin(folder) or folder.resolve().name)}
        origin |= {"digest": weights_digest(folder), "notice": NOTICE}
        print(dumps({**answer._asdict(), "confidence": options.confidence, **origin}, indent=1))
        return
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    rows = [(f"{value:.4f}", name) for name, value in ranked]
    print_table(("probability", "class"), rows, numeric=("probability",))
    if answer.views > 1:
        print(f"mean of {answer.views} views")
    print(answer.label or f"no answer: no class reaches {options.confidence:g}")
    print(NOTICE)


@prints(_print_answer)
def classify(image: InputPath, options: ClassifyOptions = ClassifyOptions()) -> Answer:
    """Print the probability of each class of an image; research use only.

    No class is named below the confidence. The probabilities of a volume are the mean over its
    slices with tissue, those of a whole slide the mean over its tiles with tissue. A NIfTI series
    is represented by its first volume. In Python, one `Classifier` classifies many images.

    Args:
        image: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
        options: the run of `biomed/few_shot`, and how the image is read.

    Returns:
        The probability of each class, and the class if it reaches the confidence.

    Raises:
        ReadError: the file is damaged or its format is unknown.
        RecipeError: the confidence is not a probability, or `views` is below 1.
        TrainingError: no run is given, or it is not finished.
        AdapterFileError: the run's adapter is damaged, or belongs to another base model.

    Example:
        >>> answer = classify(scan, ClassifyOptions(run=run, confidence=0.9))
        >>> round(sum(answer.probabilities.values()), 6)
        1.0
    """
    run = options.needed_run("classify", TRAIN)
    from scionwood_biomed.inference import Classifier

    classifier = Classifier(run, classes=options.classes, device=options.device)
    return classifier.classify_file(image, options)
