"""Denoise a file with a trained run, with a progress bar, a sidecar and a quality report."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from scionwood import RecipeError, WriteError, find_run, load_run
from scionwood.authoring import atomic_path, read_origin, writing
from scionwood_seismic.dino.adaptation import choose_adaptation
from scionwood_seismic.evaluation.light import GATHERS_SHOWN, judge, lights, say
from scionwood_seismic.evaluation.report import report_quality
from scionwood_seismic.inference.choice import Choice, choose, run_of
from scionwood_seismic.inference.neighbours import choose_neighbours
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.outputs import Outputs
from scionwood_seismic.inference.precision import choose_precision
from scionwood_seismic.inference.records import Denoiser, made_by, work_identity
from scionwood_seismic.inference.section import choose_gathers
from scionwood_seismic.inference.sweep import Sweep
from scionwood_seismic.inference.volume import check_volume, denoise_both
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.segy import SegyReader


def denoise_file(
    source: Path, outputs: Outputs, options: DenoiseOptions, *, resume: bool = False
) -> None:
    """Denoise a file gather by gather, with a progress bar, and print what the harm gate found.

    The file `NAME.json` beside the result records the source, the options and the report of each
    gather. Each output appears complete or not at all. With `resume`, the work of a stopped run is
    completed; if the denoised file is already complete, only the missing other outputs are written.

    Args:
        source: the noisy file.
        outputs: the output files.
        options: the run or the model, and how to denoise.
        resume: continue a stopped run of the same work.

    Raises:
        AdapterError: adaptation is requested and the run has no LoRA.
        ReadError, WriteError, OutputExistsError, AdapterFileError: see `SegyReader`, `load_run`.
        RecipeError: the overlap does not fit the tile, the device does not exist, or no gather has
            as many traces as the model needs.
    """
    if not resume:
        outputs.check()
    console = Console()
    with _silently():
        options, section = choose_gathers(source, options)
    with _notes(console), options.open(source) as reader:
        _keep_noisy(reader, outputs)
        if section:
            say(console, section)
        work = _Work(reader, source, options, console, section)
        complete = resume and outputs.finished(work.facts)
        if not complete:
            outputs.check()
            _advise(reader, console)
            work.write(outputs, resume)
        with _silently(), options.open(outputs.clean) as after:
            if outputs.noise is not None and not (complete and outputs.noise.exists()):
                _save_difference(reader, after, outputs)
            report_quality(
                reader,
                after,
                outputs.clean,
                console,
                qc=outputs.qc,
                force=outputs.force or complete,
                notes={name: str(x) for name, x in work.identity.items()},
                reports=outputs.reports(),
                gate=options,
            )


class _Work:
    """The work on a file: the model is chosen and loaded, and a line says which and why."""

    def __init__(
        self,
        reader: SeismicReader,
        source: Path,
        options: DenoiseOptions,
        console: Console,
        section: str,
    ) -> None:
        choice = _choose(reader, options, section)
        run = find_run(options.run or run_of(choice.name), quiet=options.run is None)
        name = f"model {choice.name}" if options.run is None else f"run {run_name(run)}"
        say(console, f"{name}: {choice.why}")
        device = _usable(options.device)
        self._task = load_run(run, device=device)
        neighbours = choose_neighbours(options.neighbours, self._task.backbone, reader)
        if neighbours and options.coherent != "off":
            rule = f"the run sees each gather with {neighbours} on each side, and a filter sees one"
            remedy = "Add --neighbours 0, or --coherent off"
            raise RecipeError(f"coherent {options.coherent}", rule, remedy)
        if neighbours:
            say(console, f"it sees each gather with {neighbours} on each side")
        precision = choose_precision(options.precision, self._task.backbone, device)
        self._reader, self._console, self._domain = reader, console, choice.name
        self._options = replace(options, precision=precision, neighbours=neighbours)
        self._adaptation = choose_adaptation(self._task, options)
        self.identity = work_identity(
            run, domain=choice.name, options=self._options, adaptation=self._adaptation
        )
        self.facts = {"source": _facts(source), **options.reading(), **self.identity}
        self._origin = {**made_by(run), "model": choice.name, "why": choice.why}

    def write(self, outputs: Outputs, resume: bool) -> None:
        """Write the denoised file and its sidecar."""
        reader, console, options = self._reader, self._console, self._options
        denoiser = Denoiser(
            self._task.backbone,
            dt=reader.dt,
            dx=reader.dx,
            domain=self._domain,
            options=options,
            adaptation=self._adaptation,
            identity=self.identity,
        )
        notes = list(reader.warnings)
        clean, force = outputs.clean, outputs.force
        if options.slices == "both" and isinstance(reader, SegyReader):
            reports = denoise_both(
                reader, clean, denoiser, options, console, force=force, resume=resume
            )
        else:
            reports = Sweep(reader, denoiser, console).write(clean, force=force, resume=resume)
        content = {
            "work": self.facts,
            **self._origin,
            "interval": _interval(reader),
            "warnings": notes,
            "gathers": _count(reader),
            "adaptation": dict(denoiser.verdicts),
            **lights(judge(report, options) for report in reports),
            "reports": reports,
        }
        _save_json(outputs.sidecar, content)
        for line in denoiser.outcomes[:GATHERS_SHOWN]:
            say(console, line)
        for verdict, count in denoiser.verdicts.most_common():
            say(console, f"{verdict}: {count} gathers")


def _choose(reader: SeismicReader, options: DenoiseOptions, section: str) -> Choice:
    """Choose the model; sections and the slices of a volume are after stack."""
    if section and options.model == "auto":
        return replace(choose(reader, "stack"), why="the file was taken as one section")
    if options.slices is None:
        return choose(reader, options.model)
    check_volume(reader, options.slices)
    if options.model == "auto":
        return replace(choose(reader, "stack"), why="--slices says a volume after stack")
    return choose(reader, options.model)


@contextmanager
def _silently() -> Iterator[None]:
    """Leave out warnings of the result that its source has caused already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def _notes(console: Console) -> Iterator[None]:
    """Print each warning once, as a note, where Python would name a line of this package."""
    printed: set[str] = set()

    def show(message: Warning | str, *details: Any) -> None:
        text = str(message)
        if text not in printed:
            printed.add(text)
            say(console, f"note: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]  # it takes fewer arguments
        yield


def run_name(run: Path) -> str:
    """Return the name of a run for people."""
    return str(read_origin(run) or run.resolve().name)


def _usable(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # which one depends on the backend of torch
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r}", first, "Such as cpu, cuda or cuda:1") from error


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


def _interval(reader: SeismicReader) -> str:
    """Return the sample interval with its unit."""
    return f"{reader.dt:g} m" if reader.vertical == "depth" else f"{1e3 * reader.dt:g} ms"


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


def _save_difference(reader: SeismicReader, after: SeismicReader, outputs: Outputs) -> None:
    assert outputs.noise is not None
    noisy = iter(reader)  # its file may have been replaced, and is open in it alone
    after.rewrite(
        outputs.noise, lambda record: next(noisy).data - record.data, overwrite=outputs.force
    )


def _save_json(path: Path, content: Mapping[str, Any]) -> None:
    with writing(path), atomic_path(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
