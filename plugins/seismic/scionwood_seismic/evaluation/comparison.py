"""Compare a denoised file with its reference, with the unprocessed input and with filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from scionwood import ReadError
from scionwood.authoring import print_table
from scionwood_seismic.data.synthetic import noise_classes
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import METHODS
from scionwood_seismic.evaluation.report import report_quality, save_figure
from scionwood_seismic.readers.segy import SegyReader

OURS = "scionwood"
FIGURE = "denoised.png"


def compare_files(
    reference: Path,
    noisy: Path,
    denoised: Path,
    *,
    noises: str = "all",
    figures: Path | None = None,
    qc: Path | None = None,
    force: bool = False,
) -> None:
    """Print the SNR by noise class and the leakage by method; see `cli.compare`.

    Args:
        reference: the noise-free file.
        noisy: the noisy file.
        denoised: the denoised file.
        noises: noise classes, separated by commas.
        figures: the folder for the figure, or the figure itself if it ends in `.png`.
        qc: the QC image or page.
        force: replace existing figures.

    Raises:
        ReadError: a file is damaged, or the three files differ in their gathers.
        RecipeError: a noise class is unknown.
        OutputExistsError, WriteError: a figure exists or cannot be written.
    """
    kinds = noise_classes(noises)
    scores: list[dict[str, float]] = []
    leaks: list[dict[str, dict[str, float]]] = []
    shown: dict[str, np.ndarray] = {}
    for i, (clean, dirty, ours, dt) in enumerate(_triples(reference, noisy, denoised)):
        results = {name: method(dirty, dt) for name, method in METHODS.items()} | {OURS: ours}
        scores.append({name: _snr(clean, result) for name, result in results.items()})
        leaks.append({name: _leakage(clean, dirty, x) for name, x in results.items()})
        if not shown or i == len(kinds) // 2:
            shown = {"input": dirty, "denoised": ours, "removed": dirty - ours, "reference": clean}
    _print_snr(scores, kinds)
    _print_leakage(leaks)
    if figures is not None:
        from scionwood_seismic.evaluation.figures import draw_panels

        # The former option --figure named the image; it works for one more version.
        path = figures if figures.suffix.lower() == ".png" else figures / FIGURE
        save_figure(draw_panels(shown, dt=dt), path, overwrite=force)
        print(f"figure: {path}")
    if qc is not None:
        _report(noisy, denoised, reference, qc, force)


def _report(noisy: Path, denoised: Path, reference: Path, qc: Path, force: bool) -> None:
    with (
        SegyReader(noisy, gather="fldr") as before,
        SegyReader(denoised, gather="fldr") as after,
        SegyReader(reference, gather="fldr") as clean,
    ):
        report_quality(before, after, denoised, Console(), qc=qc, force=force, reference=clean)


def _triples(*paths: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
    readers = [SegyReader(path, gather="fldr") for path in paths]
    try:
        layouts = {(len(r), r.layout.traces, r.layout.samples) for r in readers}
        if len(layouts) > 1:
            rule = f"(gathers, traces, samples) differ: {', '.join(map(str, sorted(layouts)))}"
            raise ReadError(", ".join(map(str, paths)), rule, "Compare files of one simulation")
        for clean, dirty, ours in zip(*readers, strict=True):
            yield clean.data, dirty.data, ours.data, readers[0].dt
    finally:
        for reader in readers:
            reader.close()


def _snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    return float(metrics.snr(*_tensors(clean, estimate)))


def _leakage(clean: np.ndarray, noisy: np.ndarray, estimate: np.ndarray) -> dict[str, float]:
    ratio = float(metrics.amplitude_ratio(*_tensors(clean, estimate)))
    return {"amplitude ratio": ratio} | metrics.leakage(noisy, estimate)


def _tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)) for x in arrays]


def _print_snr(scores: list[dict[str, float]], kinds: list[str]) -> None:
    names = list(scores[0])
    present = kinds[: len(scores)]
    rows = [[kind, *_means(scores[k :: len(kinds)])] for k, kind in enumerate(present)]
    rows.append(["mean", *_means(scores)])
    title = "SNR against the reference, dB (identity: the unprocessed input)"
    print_table(["noise", *names], rows, title=title, numeric=names)


def _print_leakage(leaks: list[dict[str, dict[str, float]]]) -> None:
    measures = list(leaks[0][OURS])
    rows = [[name, *_means([leak[name] for leak in leaks], digits=3)] for name in leaks[0]]
    title = "What was removed, mean over gathers (low similarity: little signal was removed)"
    print_table(["method", *measures], rows, title=title, numeric=measures)


def _means(rows: list[dict[str, float]], digits: int = 1) -> list[str]:
    return [f"{np.mean([row[name] for row in rows]):z.{digits}f}" for name in rows[0]]
