"""Compare a denoised file with its reference, with the unprocessed input and with filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import numpy as np
import torch
from rich.console import Console

from scionwood import ReadError
from scionwood.authoring import print_table
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import METHODS
from scionwood_seismic.evaluation.report import report_quality, save_figure
from scionwood_seismic.readers.segy import SegyReader

SCIONWOOD = "scionwood"
FIGURE = "denoised.png"


@final
@dataclass
class Scores:
    """The scores of the gathers of a file, and one gather to draw.

    Attributes:
        snr: of each gather, by method, dB.
        leakage: of each gather, by method and measure.
        panels: title -> (trace, time) of the gather to draw.
        dt: its sample interval, s.
    """

    snr: list[dict[str, float]] = field(default_factory=list)
    leakage: list[dict[str, dict[str, float]]] = field(default_factory=list)
    panels: dict[str, np.ndarray] = field(default_factory=dict)
    dt: float = 1.0


def score_files(reference: Path, noisy: Path, denoised: Path, *, drawn: int) -> Scores:
    """Score a denoised file and the classical filters, gather by gather.

    Args:
        reference: the noise-free file.
        noisy: the noisy file.
        denoised: the denoised file.
        drawn: the index of the gather to draw; the first one if the file has fewer.

    Raises:
        ReadError: a file is damaged, or the three files differ in their gathers.
    """
    scores = Scores()
    for i, (clean, dirty, estimate, dt) in enumerate(_triples(reference, noisy, denoised)):
        results = {name: method(dirty, dt) for name, method in METHODS.items()} | {
            SCIONWOOD: estimate
        }
        scores.snr.append({name: _snr(clean, result) for name, result in results.items()})
        scores.leakage.append({name: _leakage(clean, dirty, x) for name, x in results.items()})
        if i in (0, drawn):
            panels = {
                "input": dirty,
                "denoised": estimate,
                "removed": dirty - estimate,
                "reference": clean,
            }
            scores.panels, scores.dt = panels, dt
    return scores


def print_scores(scores: Scores, kinds: list[str]) -> None:
    """Print the SNR by noise class, and what was removed by method.

    Args:
        scores: of a file.
        kinds: the noise classes, which its gathers use in turn.
    """
    _print_snr(scores.snr, kinds)
    _print_leakage(scores.leakage)


def draw_comparison(scores: Scores, figures: Path, *, force: bool) -> None:
    """Draw input, result, what was removed and the reference.

    Args:
        scores: of a file.
        figures: the folder for the figure, or the figure itself if it ends in `.png`.
        force: replace an existing figure.

    Raises:
        OutputExistsError, WriteError: the figure exists or cannot be written.
    """
    from scionwood_seismic.evaluation.figures import draw_panels

    # The former option --figure named the image; it works for one more version.
    path = figures if figures.suffix.lower() == ".png" else figures / FIGURE
    save_figure(draw_panels(scores.panels, dt=scores.dt), path, overwrite=force)
    print(f"figure: {path}")


def report_comparison(reference: Path, noisy: Path, denoised: Path, qc: Path, force: bool) -> None:
    """Write the QC image and page with the reference and the error; `force` replaces them."""
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
        for clean, dirty, estimate in zip(*readers, strict=True):
            yield clean.data, dirty.data, estimate.data, readers[0].dt
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
    measures = list(leaks[0][SCIONWOOD])
    rows = [[name, *_means([leak[name] for leak in leaks], digits=3)] for name in leaks[0]]
    title = "What was removed, mean over gathers (low similarity: little signal was removed)"
    print_table(["method", *measures], rows, title=title, numeric=measures)


def _means(rows: list[dict[str, float]], digits: int = 1) -> list[str]:
    return [f"{np.mean([row[name] for row in rows]):z.{digits}f}" for name in rows[0]]
