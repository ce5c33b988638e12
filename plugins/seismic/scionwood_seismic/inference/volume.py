"""Volumes after stack: slices of both directions are denoised, and the results averaged.

Noise that looks like an event along one direction seldom does along the other. The mean of two
results keeps of each event at least as much as the worse of them does, so the harm gate of each
direction also holds for the mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
from rich.console import Console

from scionwood import RecipeError, Record, WriteError
from scionwood.authoring import atomic_path, writing
from scionwood_seismic.inference.options import RequestOptions, Slices
from scionwood_seismic.inference.records import Denoiser
from scionwood_seismic.inference.sweep import Sweep
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.index import KEYS
from scionwood_seismic.readers.partial import partial_path
from scionwood_seismic.readers.segy import SegyReader

FEWEST = 3
"""The fewest traces of a slice that has neighbours to compare."""


def check_volume(reader: SeismicReader, slices: Slices) -> None:
    """Refuse a file that has no such slices.

    Args:
        reader: the file, opened by the direction of its slices.
        slices: the direction.

    Raises:
        RecipeError: the file is not SEG-Y, all its traces have one number, or each has its own.
    """
    value, name = f"slices {slices}", reader.path.name
    if not isinstance(reader, SegyReader):
        rule = f"{name} is not SEG-Y, whose headers have inline and crossline numbers"
        raise RecipeError(value, rule, "Leave --slices out")
    header = reader.gather or "iline"
    word = "inline" if header == "iline" else "crossline"
    where = f"the {word} numbers of {name} (byte {KEYS[header]})"
    lengths = reader.gather_lengths
    remedy = "Correct the headers, or leave --slices out and choose another --gather"
    if len(lengths) < 2:
        raise RecipeError(value, f"{where} are all the same", remedy)
    if np.median(lengths) < FEWEST:
        rule = f"{where} leave {np.median(lengths):.0f} traces a slice, and {FEWEST} are needed"
        raise RecipeError(value, rule, remedy)


def denoise_both(
    reader: SegyReader,
    target: Path,
    denoiser: Denoiser,
    options: RequestOptions,
    console: Console,
    *,
    force: bool,
    resume: bool,
) -> list[dict[str, Any]]:
    """Denoise a volume by inlines and by crosslines, and write the mean of the results.

    The result of the inlines waits in the hidden file `.NAME.inlines` beside the target, with its
    reports in `.NAME.inlines.json`.

    Args:
        reader: the volume, opened by crosslines.
        target: the file to write.
        denoiser: what denoises a slice.
        options: how the volume is read.
        console: where the progress is shown.
        force: replace an existing file, and discard what a stopped run left.
        resume: continue a stopped run of the same work.

    Returns:
        The reports of all slices.

    Raises:
        WriteError: a stopped run left the inlines, and neither `force` nor `resume` is true.
    """
    inlines = target.with_name(f".{target.name}.inlines")
    reports = inlines.with_name(inlines.name + ".json")
    work = json.loads(json.dumps(dict(denoiser.identity)))
    left = inlines.exists() or partial_path(inlines).exists()
    if left and not (force or resume):
        rule = f"an unfinished run left {inlines.name}"
        raise WriteError(str(target), rule, "--resume continues it, --force starts again")
    rows = _rows(reports, work, _facts(reader.path)) if resume and inlines.exists() else None
    if rows is None:
        with replace(options, slices="inline").open(reader.path) as other:
            check_volume(other, "inline")
            sweep = Sweep(other, denoiser, console, "inlines")
            rows = sweep.write(inlines, force=True, resume=resume)
        with writing(reports), atomic_path(reports) as part:
            content = {"work": work, "source": _facts(reader.path), "reports": rows}
            part.write_text(json.dumps(content), encoding="utf-8")
    with options.open(inlines) as along:
        mean = Mean(denoiser, along)
        sweep = Sweep(reader, denoiser, console, "crosslines")
        rows = rows + sweep.write(target, mean, force=force, resume=resume)
    inlines.unlink()
    reports.unlink()
    return rows


@final
class Mean:
    """Denoise the slices of one direction, and average each with the result of the other.

    Args:
        denoiser: what denoises a slice.
        other: the result of the other direction, opened by the slices of this one.

    Attributes:
        identity: that of the denoiser, and that both directions are used.
    """

    def __init__(self, denoiser: Denoiser, other: SeismicReader) -> None:
        self.identity = {**denoiser.identity, "slices": "both"}
        self._denoiser, self._other, self._next = denoiser, other, 0

    def __call__(self, record: Record) -> np.ndarray:
        """Return the mean of both results, (trace, time) float32."""
        denoised = self._denoiser(record)
        mean: np.ndarray = np.float32(0.5) * denoised + np.float32(0.5) * self._same(record).data
        return mean

    def _same(self, record: Record) -> Record:
        """Return the slice of the other result; slices come in order, and a resume skips some."""
        while True:
            candidate = self._other.read(self._next)
            self._next += 1
            if np.array_equal(candidate.coords["trace"], record.coords["trace"]):
                return candidate


def _rows(
    path: Path, work: Mapping[str, Any], source: Mapping[str, Any]
) -> list[dict[str, Any]] | None:
    """Return the reports of the inlines of a stopped run; None if it was of other work."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # the stop came before it was written
        return None
    if (content["work"], content["source"]) != (work, source):
        return None
    rows: list[dict[str, Any]] = content["reports"]
    return rows


def _facts(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"name": path.name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
