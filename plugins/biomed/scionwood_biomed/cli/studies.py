"""The commands `scionwood biomed study`, `segment` and `score`."""

from __future__ import annotations

from json import dumps
from pathlib import Path

from scionwood import TrainingError
from scionwood.authoring import InputPath, OutputPath, RunPath, check_target, print_table
from scionwood_biomed.readers.windows import Window


def study(
    study: InputPath,
    target: Path | None = None,
    *,
    run: RunPath | None = None,
    window: Window | None = None,
    device: str = "cpu",
    json: bool = False,
    force: bool = False,
) -> None:
    """Print the probability of each class for one study, with its range; research use only.

    Args:
        study: a folder of one series or one study, a DICOM or a NIfTI file.
        target: an HTML page to write: the answer, the attention over the slices, and the slices
            that count most.
        run: a run of `biomed/volumes`, as a folder or by another reference. None is shipped.
        window: CT window; by default that of the run's data.
        device: device of the computation, such as cpu or cuda.
        json: print JSON.
        force: replace an existing page.

    Raises:
        ReadError: a file is damaged, a slice is missing or occurs twice, a series mixes modalities,
            the study has two subjects, or another modality or number of slices than the run's.
        TrainingError: no run is given, or it is not a finished run of this task.
        OutputExistsError: the page exists and `force` is false.
    """
    if run is None:
        rule = "a run is needed, and none is shipped, since no medical base model is"
        remedy = "Train one: scionwood fit biomed/volumes --run run"
        raise TrainingError("study without --run", rule, remedy)
    if target is not None:
        check_target(target, overwrite=force)
    from scionwood_biomed.inference.images import NOTICE
    from scionwood_biomed.inference.studies import answer_study

    answer = answer_study(study, run, window=window, device=device, page=target, overwrite=force)
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


def segment(
    volume: InputPath,
    target: OutputPath,
    *,
    run: RunPath | None = None,
    window: Window | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Write the mask of a volume on its own grid; research use only.

    Args:
        volume: a NIfTI volume, or the folder of a DICOM series.
        target: the mask: NIfTI for NIfTI, a DICOM SEG (`.dcm`, extra `monai`) for DICOM.
        run: a run of `biomed/segment`, as a folder or by another reference. None is shipped.
        window: CT window; by default that of the run's data.
        device: device of the computation, such as cpu or cuda.
        force: replace an existing mask.

    Raises:
        ReadError: a file is damaged, a slice is missing, or the ending of the target does not fit.
        TrainingError: no run is given, or it is not a finished run of this task.
        OutputExistsError: the target exists and `force` is false.
    """
    if run is None:
        rule = "a run is needed, and none is shipped, since no medical base model is"
        remedy = "Train one: scionwood fit biomed/segment --run run"
        raise TrainingError("segment without --run", rule, remedy)
    check_target(target, overwrite=force)
    from scionwood_biomed.inference.images import NOTICE
    from scionwood_biomed.inference.masks import segment_file

    mask = segment_file(volume, target, run, window=window, device=device, overwrite=force)
    print(f"{target}: {int((mask > 0).sum())} voxels in {len(mask)} slices")
    print(NOTICE)


def score(run: RunPath, *, device: str = "cpu", json: bool = False) -> None:
    """Print AUROC and other scores of a run on its test split, with intervals over subjects.

    Args:
        run: a run of `biomed/blockwise_lda` or `biomed/volumes`.
        device: device of the computation, such as cpu or cuda.
        json: print JSON.

    Raises:
        TrainingError: the run is not a finished run of such a task.
    """
    from scionwood_biomed.evaluation.of_run import print_scores, score_run

    scores = score_run(run, device=device)
    if json:
        print(dumps([each._asdict() for each in scores], indent=1))
    else:
        print_scores(scores)
