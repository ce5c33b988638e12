"""Denoise a file with a trained run, with a progress bar, a sidecar and a quality report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scionwood import (
    RecipeError,
    Task,
    WriteError,
    atomic_path,
    check_target,
    find_run,
    load_run,
    writing,
)
from scionwood_seismic.evaluation.report import qc_files, report_quality
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.arrays import check_tile
from scionwood_seismic.inference.records import Denoiser, made_by, work_identity
from scionwood_seismic.readers.axis import Vertical
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.opening import open_reader
from scionwood_seismic.readers.partial import partial_path
from scionwood_seismic.readers.segy import Gather, SegyReader

Tta = Literal["recipe", "none", "matched", "kurtosis"]


@dataclass(frozen=True)
class Outputs:
    """The output files, and whether they may replace existing ones.

    Attributes:
        clean: the denoised file; `NAME.json` beside it records how it was made.
        noise: the removed noise, a file of the same format.
        qc: the QC figure or page.
        force: replace existing files.
    """

    clean: Path
    noise: Path | None = None
    qc: Path | None = None
    force: bool = False

    @property
    def sidecar(self) -> Path:
        """The file that records how `clean` was made."""
        return self.clean.with_name(self.clean.name + ".json")

    def check(self) -> None:
        """Refuse existing outputs before the work starts.

        Raises:
            OutputExistsError: an output exists and `force` is false.
        """
        qc = () if self.qc is None else qc_files(self.qc)
        for path in (self.clean, self.sidecar, self.noise, *qc):
            if path is not None:
                check_target(path, self.force)

    def finished(self, work: Mapping[str, Any]) -> bool:
        """Return whether `clean` exists and its sidecar records exactly this work."""
        try:
            record = json.loads(self.sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self.clean.exists() and isinstance(record, dict) and record.get("work") == work


def denoise_file(
    source: Path,
    outputs: Outputs,
    run: str | Path,
    *,
    gather: Gather | None = "fldr",
    vertical: Vertical = "time",
    device: str = "cpu",
    tile: tuple[int, int] = (256, 64),
    resume: bool = False,
    tta: Tta = "recipe",
    noise_window: tuple[float, float] | None = None,
) -> None:
    """Denoise a file gather by gather, with a progress bar, and print the leakage.

    The file `NAME.json` beside the result records the source and the options. Each output appears
    complete or not at all. With `resume`, the work of a stopped run is completed; if the denoised
    file is already complete, only the missing other outputs are written.

    Args:
        source: the noisy file.
        outputs: the output files.
        run: a run of the denoising task, as a folder or another reference to it.
        gather: for SEG-Y, the trace header whose value identifies a gather; None if the file is
            one gather.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        device: where to compute.
        tile: size and overlap of the tiles, traces and samples.
        resume: continue a stopped run of the same work.
        tta: how to adapt to each gather; `recipe` follows the recipe of the run.
        noise_window: start and end of the window without signal, s.

    Raises:
        AdapterError: adaptation is requested and the run has no LoRA.
        ReadError, WriteError, OutputExistsError, AdapterFileError: see `SegyReader`, `load_run`.
        RecipeError: the overlap does not fit the tile, or the device does not exist.
    """
    check_tile(*tile)
    run = find_run(run)
    if not resume:
        outputs.check()
    console = Console()
    with _open(source, gather, vertical) as reader:
        _keep_noisy(reader, outputs)
        task = load_run(run, device=_usable(device))
        adaptation = _adaptation(task, tta, noise_window)
        options = work_identity(run, tile=tile, device=device, adaptation=adaptation)
        work = {"source": _facts(source), "gather": gather, "vertical": vertical, **options}
        done = resume and outputs.finished(work)
        if not done:
            outputs.check()
            _advise(reader, console)
            denoiser = Denoiser(task.backbone, tile=tile, identity=options, adaptation=adaptation)
            _rewrite(reader, outputs, denoiser, console, resume)
            counts = {"gathers": _count(reader), "adaptation": dict(denoiser.verdicts)}
            _save_json(outputs.sidecar, {"work": work, **made_by(run), **counts})
            for verdict, count in denoiser.verdicts.most_common():
                console.print(f"{verdict}: {count} gathers", highlight=False)
        with _open(outputs.clean, gather, vertical) as after:
            if outputs.noise is not None and not (done and outputs.noise.exists()):
                _save_difference(reader, after, outputs)
            force, notes = outputs.force or done, {name: str(x) for name, x in options.items()}
            report_quality(
                reader, after, outputs.clean, console, qc=outputs.qc, force=force, notes=notes
            )


def _adaptation(task: Task, tta: Tta, window: tuple[float, float] | None) -> Adaptation | None:
    """Return the requested adaptation; options that are not given come from the run's recipe."""
    own: Adaptation | None = getattr(task, "adaptation", None)  # only the task `denoise` has it
    if tta == "recipe":
        return own if own is None or window is None else replace(own, window=window)
    if tta == "none":
        return None
    chosen = replace(own or Adaptation(), objective=tta)
    chosen = chosen if window is None else replace(chosen, window=window)
    if tta == "matched" and chosen.window is None:
        rule = "`matched` compares with a window that contains no signal"
        raise RecipeError("tta matched", rule, "Give it, in s: --noise-window 0:0.2")
    return chosen


def _usable(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # which one depends on the backend of torch
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r}", first, "Such as cpu, cuda or cuda:1") from error


def _open(path: Path, gather: Gather | None, vertical: Vertical) -> SeismicReader:
    if vertical == "depth":  # only SEG-Y files do not record what their vertical axis is
        return SegyReader(path, gather=gather, vertical=vertical)
    return open_reader(path, gather=gather)


def _keep_noisy(reader: SeismicReader, outputs: Outputs) -> None:
    """Refuse to replace a file whose noise is still to be computed; an open SEG-Y file survives."""
    if outputs.noise is None or isinstance(reader, SegyReader) or not outputs.clean.exists():
        return
    if reader.path.samefile(outputs.clean):
        rule = "it would replace the noisy file, which is needed to compute the noise"
        raise WriteError(str(outputs.clean), rule, "Give the denoised file another name")


def _facts(source: Path) -> dict[str, Any]:
    status = source.stat()
    return {"name": source.name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _count(reader: SeismicReader) -> int:
    return len(reader.gather_lengths if isinstance(reader, SegyReader) else reader)


def _advise(reader: SeismicReader, console: Console) -> None:
    """Print a note if most gathers have a single trace, which gives a denoiser no context."""
    if (
        isinstance(reader, SegyReader)
        and reader.traces > 1
        and np.median(reader.gather_lengths) < 2
    ):
        console.print(
            f"note: most gathers by {reader.gather} have a single trace; choose another header "
            "with --gather, or --gather none to treat the file as one gather"
        )


def _rewrite(
    reader: SeismicReader, outputs: Outputs, denoiser: Denoiser, console: Console, resume: bool
) -> None:
    columns = (
        TextColumn("denoising"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} traces"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        segy = reader if isinstance(reader, SegyReader) else None
        total = reader.traces if segy is None else segy.traces_read
        task = bar.add_task("", total=total)

        def advance(traces: float) -> None:
            if segy is not None and bar.tasks[task].completed == 0:
                bar.update(task, completed=segy.resumed)
            bar.advance(task, traces)

        denoiser.progress = advance
        denoiser.unit = (lambda record: None) if segy is None else segy.unit
        try:
            reader.rewrite(outputs.clean, denoiser, overwrite=outputs.force, resume=resume)
        except (KeyboardInterrupt, SystemExit):
            if partial_path(outputs.clean).exists():
                console.print("stopped; the same command with --resume continues from here")
            raise


def _save_difference(reader: SeismicReader, after: SeismicReader, outputs: Outputs) -> None:
    assert outputs.noise is not None
    noisy = iter(reader)  # its file may have been replaced, and is open in it alone
    after.rewrite(
        outputs.noise, lambda record: next(noisy).data - record.data, overwrite=outputs.force
    )


def _save_json(path: Path, content: Mapping[str, Any]) -> None:
    with writing(path), atomic_path(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
