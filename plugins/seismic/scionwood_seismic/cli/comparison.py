"""The command `scionwood seismic compare`."""

from __future__ import annotations

from pathlib import Path

from scionwood.authoring import InputPath, OutputPath


def compare(
    reference: InputPath,
    noisy: InputPath,
    denoised: InputPath,
    *,
    noise: str = "all",
    figures: Path | None = None,
    qc: OutputPath | None = None,
    force: bool = False,
) -> None:
    """Compare a denoised file with the unprocessed input and with classical filters.

    Args:
        reference: the noise-free SEG-Y file that `simulate` wrote.
        noisy: the noisy SEG-Y file.
        denoised: the result of `denoise`.
        noise: the noise classes that were given to `simulate`; scores are averaged by class.
        figures: also draw a gather into `denoised.png` in this folder: input, denoised, removed
            and reference.
        qc: also write a QC image and page with the reference and the error, as `denoise` does.
        force: replace existing figures.

    Raises:
        ReadError: a file is damaged, or the three files differ in their gathers.
        RecipeError: a noise class is unknown.
        OutputExistsError: a figure exists and `force` is false.
        WriteError: a figure cannot be written.
    """
    from scionwood_seismic.evaluation.comparison import compare_files

    compare_files(
        Path(reference),
        Path(noisy),
        Path(denoised),
        noises=noise,
        figures=figures,
        qc=qc,
        force=force,
    )
