"""Files in, files out: denoise with a trained run, or simulate SEG-Y to try that on."""

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

from scionwood import OutputExistsError, RecipeError, Task, WriteError, atomic_path, load_run
from scionwood_seismic.evaluation.report import qc_files, report_quality
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.arrays import check_tile
from scionwood_seismic.inference.records import Denoiser, work_identity
from scionwood_seismic.readers.axis import Vertical
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.opening import open_reader
from scionwood_seismic.readers.partial import partial_path
from scionwood_seismic.readers.segy import Gather, SegyReader

Tta = Literal["recipe", "none", "matched", "kurtosis"]


@dataclass(frozen=True)
class Outputs:
    """Where results go, and whether to replace what is there.

    Attributes:
        clean: the denoised file; `NAME.json` beside it says how it was made.
        noise: what was removed, as a file of the same format.
        qc: the QC figure or page.
        force: replace what exists.
    """

    clean: Path
    noise: Path | None = None
    qc: Path | None = None
    force: bool = False

    @property
    def sidecar(self) -> Path:
        """The file that says how `clean` was made."""
        return self.clean.with_name(self.clean.name + ".json")

    def check(self) -> None:
        """Fail before the work, not after it.

        Raises:
            OutputExistsError: one of them exists and `force` is false.
        """
        qc = () if self.qc is None else qc_files(self.qc)
        for path in (self.clean, self.sidecar, self.noise, *qc):
            if path is not None and path.exists() and not self.force:
                raise OutputExistsError(
                    str(path), "it exists already", "Give --force to replace it"
                )

    def finished(self, work: Mapping[str, Any]) -> bool:
        """Whether `clean` is there and is the result of this very work."""
        try:
            found = json.loads(self.sidecar.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return self.clean.exists() and isinstance(found, dict) and found.get("work") == work


def denoise_file(
    source: Path,
    outputs: Outputs,
    run: Path,
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

    Beside the result a file `NAME.json` says from what and how it was made. Each output appears
    whole or not at all; what a killed run leaves is finished with `resume`, and where the denoised
    file is there already, only what is missing beside it is made.

    Args:
        source: the noisy file.
        outputs: where results go.
        run: a run folder with an adapter of the denoising task.
        gather: the header key of a gather, or None where the file is one gather; for SEG-Y.
        vertical: what the samples of a SEG-Y file follow; other formats say it themselves.
        device: where to compute.
        tile: size and overlap of the tiles, traces and samples.
        resume: go on where a killed run of the same work stopped.
        tta: how to adapt to each gather; `recipe`: as the run's recipe says.
        noise_window: from and to which time gathers have no signal, s.

    Raises:
        AdapterError: the run has no LoRA to adapt.
        ReadError, WriteError, OutputExistsError, AdapterFileError: see `SegyReader`, `load_run`.
        RecipeError: the overlap does not fit the tile, or there is no such device.
    """
    check_tile(*tile)
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
            found = {"gathers": _count(reader), "adaptation": dict(denoiser.verdicts)}
            _save_json(outputs.sidecar, {"work": work, **found})
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
    """What the command asks for; what it leaves open is as in the run's recipe."""
    own: Adaptation | None = getattr(task, "adaptation", None)  # other tasks have none
    if tta == "recipe":
        return own if own is None or window is None else replace(own, window=window)
    if tta == "none":
        return None
    chosen = replace(own or Adaptation(), objective=tta)
    chosen = chosen if window is None else replace(chosen, window=window)
    if tta == "matched" and chosen.window is None:
        rule = "`matched` compares with a window that holds no signal"
        raise RecipeError("tta matched", rule, "Give it, in s: --noise-window 0:0.2")
    return chosen


def _usable(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch's own, by backend
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r}", first, "Such as cpu, cuda or cuda:1") from error


def _open(path: Path, gather: Gather | None, vertical: Vertical) -> SeismicReader:
    if vertical == "depth":  # the other formats say what their axes are
        return SegyReader(path, gather=gather, vertical=vertical)
    return open_reader(path, gather=gather)


def _keep_noisy(reader: SeismicReader, outputs: Outputs) -> None:
    """Refuse to lose the noise: only an open SEG-Y file can still be read when it is replaced."""
    if outputs.noise is None or isinstance(reader, SegyReader) or not outputs.clean.exists():
        return
    if reader.path.samefile(outputs.clean):
        rule = "it would replace the noisy file, from which the noise is then taken"
        raise WriteError(str(outputs.clean), rule, "Give the denoised file another name")


def _facts(source: Path) -> dict[str, Any]:
    found = source.stat()
    return {"name": source.name, "bytes": found.st_size, "modified_ns": found.st_mtime_ns}


def _count(reader: SeismicReader) -> int:
    return len(reader.gather_lengths if isinstance(reader, SegyReader) else reader)


def _advise(reader: SeismicReader, console: Console) -> None:
    """Say so where a file is cut into gathers that leave a denoiser nothing to work with."""
    if (
        isinstance(reader, SegyReader)
        and reader.traces > 1
        and np.median(reader.gather_lengths) < 2
    ):
        console.print(
            f"note: most gathers by {reader.gather} have a single trace; "
            "--gather takes another header, or none: the file is one gather"
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
                console.print("stopped; the same command with --resume goes on from here")
            raise


def _save_difference(reader: SeismicReader, after: SeismicReader, outputs: Outputs) -> None:
    assert outputs.noise is not None
    cleaned = iter(after)
    reader.rewrite(
        outputs.noise, lambda record: record.data - next(cleaned).data, overwrite=outputs.force
    )


def _save_json(path: Path, content: Mapping[str, Any]) -> None:
    try:
        with atomic_path(path) as part:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        rule = f"cannot be written ({error.strerror})"
        raise WriteError(str(path), rule, "Free some space") from error
