"""Compare a denoised file with its reference and with classical filters."""

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

    It prints the SNR by noise class, and what was removed by method.

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

    Example:
        >>> simulate("in.sgy", "true.sgy", n=2, n_traces=24, n_samples=64, noise="white")
        >>> denoise("in.sgy", "out.sgy")  # doctest: +ELLIPSIS
        model ...
        >>> compare("true.sgy", "in.sgy", "out.sgy", noise="white")  # doctest: +ELLIPSIS
        SNR ...
    """
    from scionwood_seismic.data.synthetic import noise_classes
    from scionwood_seismic.evaluation import comparison

    kinds = noise_classes(noise)
    files = Path(reference), Path(noisy), Path(denoised)
    scores = comparison.score_files(*files, drawn=len(kinds) // 2)
    comparison.print_scores(scores, kinds)
    if figures is not None:
        comparison.draw_comparison(scores, Path(figures), force=force)
    if qc is not None:
        comparison.report_comparison(*files, Path(qc), force)
