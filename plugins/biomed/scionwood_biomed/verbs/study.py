"""Answer for one study: `scionwood biomed study`."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, check_target, print_table, prints
from scionwood_biomed.verbs.options import RunOptions

if TYPE_CHECKING:
    from scionwood_biomed.inference.studies import StudyAnswer

TRAIN = "Train one: scionwood fit biomed/volumes --run run"


def _print_answer(answer: StudyAnswer, *, json: bool = False) -> None:
    """Print an answer.

    Args:
        answer: the result.
        json: print JSON.
    """
    from scionwood_biomed.inference.images import NOTICE

    if json:
        print(dumps({**answer._asdict(), "notice": NOTICE}, indent=1))
        return
    rows = [
        (f"{value:.4f}", "{:.4f} to {:.4f}".format(*answer.ranges[name]), name)
        for name, value in answer.probabilities.items()
    ]
    print_table(("probability", "range", "class"), rows, numeric=("probability",))
    best = max(range(len(answer.attention)), key=answer.attention.__getitem__)
    threshold = "" if answer.threshold is None else f" (threshold {answer.threshold:.3f})"
    print(f"{answer.label}{threshold}; slice {best} counts most")
    print(NOTICE)


@prints(_print_answer)
def study(
    study: InputPath,
    target: Path | None = None,
    options: RunOptions = RunOptions(),
    *,
    force: bool = False,
) -> StudyAnswer:
    """Print the probability of each class for one study, with its range; research use only.

    Args:
        study: a folder of one series or one study, a DICOM or a NIfTI file.
        target: an HTML page to write: the answer, the attention over the slices, and the slices
            that count most.
        options: the run of `biomed/volumes`, and how slices are shown.
        force: replace an existing page.

    Returns:
        The answer, and what each slice counts.

    Raises:
        ReadError: a file is damaged, a slice is missing or occurs twice, a series mixes modalities,
            the study has two subjects, or another modality or number of slices than the run's.
        TrainingError: no run is given, or it is not a finished run of this task.
        OutputExistsError: the page exists and `force` is false.

    Example:
        >>> import nibabel, numpy, scionwood
        >>> change = ("trainer.accelerator=cpu",)
        >>> recipe = scionwood.resolve("biomed/volumes", change, smoke=True)
        >>> run = scionwood.fit(recipe, run_dir="volumes")
        >>> values = numpy.random.default_rng(0).random((64, 64, 8), numpy.float32)
        >>> nibabel.save(nibabel.Nifti1Image(values, numpy.eye(4)), "volume.nii")
        >>> answer = study("volume.nii", options=RunOptions(run=run))
        >>> round(sum(answer.attention), 4)
        1.0
    """
    run = options.needed_run("study", TRAIN)
    if target is not None:
        check_target(target, overwrite=force)
    from scionwood_biomed.inference.studies import answer_study

    return answer_study(study, run, options, page=target, overwrite=force)
