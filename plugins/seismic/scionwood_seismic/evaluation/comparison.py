"""A denoised file beside its reference, beside doing nothing, and beside classical filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from scionwood import ReadError
from scionwood_seismic.data.synthetic import noise_classes
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import METHODS
from scionwood_seismic.evaluation.report import report_quality, save_figure
from scionwood_seismic.readers.segy import SegyReader

OURS = "scionwood"


def compare_files(
    reference: Path,
    noisy: Path,
    denoised: Path,
    *,
    noises: str = "all",
    figure: Path | None = None,
    qc: Path | None = None,
    force: bool = False,
) -> None:
    """Print the SNR table by noise class and the leakage table by method; see `cli.compare`.

    Raises:
        ReadError: a file is damaged, or the three differ in their gathers.
        RecipeError: an unknown noise class.
        OutputExistsError, WriteError: the figure cannot be written.
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
            shown = {"input": dirty, "denoised": ours, "removed": dirty - ours, "truth": clean}
    console = Console(width=110)
    console.print(_snr_table(scores, kinds))
    console.print(_leakage_table(leaks))
    if figure is not None:
        from scionwood_seismic.evaluation.figures import draw_panels

        save_figure(draw_panels(shown, dt=dt), figure, overwrite=force)
        console.print(f"figure: {figure}")
    if qc is not None:
        with (
            SegyReader(noisy, gather="fldr") as before,
            SegyReader(denoised, gather="fldr") as after,
            SegyReader(reference, gather="fldr") as truth,
        ):
            report_quality(before, after, denoised, console, qc=qc, force=force, reference=truth)


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


def _snr_table(scores: list[dict[str, float]], kinds: list[str]) -> Table:
    table = Table("noise", title="SNR against the reference, dB (identity: the input)")
    for name in scores[0]:
        table.add_column(name, justify="right")
    present = kinds[: len(scores)]
    for k, kind in enumerate(present):
        table.add_row(kind, *_means(scores[k :: len(kinds)]), end_section=k == len(present) - 1)
    table.add_row("mean", *_means(scores), style="bold")
    return table


def _leakage_table(leaks: list[dict[str, dict[str, float]]]) -> Table:
    table = Table("method", title="What was removed, mean over gathers (low similarity: no signal)")
    for name in leaks[0][OURS]:
        table.add_column(name, justify="right")
    for method in leaks[0]:
        table.add_row(method, *_means([leak[method] for leak in leaks], digits=3))
    return table


def _means(rows: list[dict[str, float]], digits: int = 1) -> list[str]:
    return [f"{np.mean([row[name] for row in rows]):z.{digits}f}" for name in rows[0]]
