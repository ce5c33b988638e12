"""Write the mask of a volume: `scionwood biomed segment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, OutputPath, check_target, prints
from scionwood_biomed.verbs.options import RunOptions

if TYPE_CHECKING:
    import numpy as np

TRAIN = "Train one: scionwood fit biomed/segment --run run"


def _print_size(mask: np.ndarray, target: Path) -> None:
    from scionwood_biomed.inference.images import NOTICE

    print(f"{target}: {int((mask > 0).sum())} voxels in {len(mask)} slices")
    print(NOTICE)


@prints(_print_size)
def segment(
    volume: InputPath,
    target: OutputPath,
    options: RunOptions = RunOptions(),
    *,
    force: bool = False,
) -> np.ndarray:
    """Write the mask of a volume on its own grid; research use only.

    Args:
        volume: a NIfTI volume, or the folder of a DICOM series.
        target: the mask: NIfTI for NIfTI, a DICOM SEG (`.dcm`, extra `monai`) for DICOM.
        options: the run of `biomed/segment`, and how slices are shown.
        force: replace an existing mask.

    Returns:
        (slice, row, column) uint8, in the orientation of the file's reader.

    Raises:
        ReadError: a file is damaged, a slice is missing, or the ending of the target does not fit.
        TrainingError: no run is given, or it is not a finished run of this task.
        OutputExistsError: the target exists and `force` is false.

    Example:
        >>> import nibabel, numpy, scionwood
        >>> change = ("trainer.accelerator=cpu",)
        >>> recipe = scionwood.resolve("biomed/segment", change, smoke=True)
        >>> run = scionwood.fit(recipe, run_dir="segment")
        >>> values = numpy.random.default_rng(0).random((64, 64, 2), numpy.float32)
        >>> nibabel.save(nibabel.Nifti1Image(values, numpy.eye(4)), "pair.nii")
        >>> segment("pair.nii", "mask.nii.gz", RunOptions(run=run)).dtype
        dtype('uint8')
    """
    run = options.needed_run("segment", TRAIN)
    check_target(target, overwrite=force)
    from scionwood_biomed.inference.masks import segment_file

    return segment_file(volume, target, run, options, overwrite=force)
