"""Denoise a file with a trained run, with a progress bar, a sidecar and a quality report."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from scionwood import RecipeError, Task, WriteError, find_run, load_run
from scionwood.authoring import atomic_path, read_origin, writing
from scionwood_seismic.evaluation.light import SHOWN, judge, lights, say
from scionwood_seismic.evaluation.report import report_quality
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.arrays import check_tile
from scionwood_seismic.inference.choice import Choice, choose, run_of
from scionwood_seismic.inference.neighbours import settled_neighbours
from scionwood_seismic.inference.precision import settled
from scionwood_seismic.inference.records import (
    Denoiser,
    Options,
    made_by,
    work_identity,
)
from scionwood_seismic.inference.request import Outputs, Request, Tta
from scionwood_seismic.inference.section import settled_gathers
from scionwood_seismic.inference.sweep import Sweep
from scionwood_seismic.inference.volume import check_volume, denoise_both
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.segy import SegyReader


def denoise_file(
    source: Path, outputs: Outputs, request: Request | None = None, *, resume: bool = False
) -> None:
    """Denoise a file gather by gather, with a progress bar, and print what the harm gate found.

    The file `NAME.json` beside the result records the source, the options and the report of each
    gather. Each output appears complete or not at all. With `resume`, the work of a stopped run is
    completed; if the denoised file is already complete, only the missing other outputs are written.

    Args:
        source: the noisy file.
        outputs: the output files.
        request: the run or the model, and the options; None: the defaults.
        resume: continue a stopped run of the same work.

    Raises:
        AdapterError: adaptation is requested and the run has no LoRA.
        ReadError, WriteError, OutputExistsError, AdapterFileError: see `SegyReader`, `load_run`.
        RecipeError: the overlap does not fit the tile, the device does not exist, or no gather has
            as many traces as the model needs.
    """
    request = request or Request()
    if request.tile is not None:
        check_tile(*request.tile)
    if not resume:
        outputs.check()
    console = Console()
    with _silently():
        request, section = settled_gathers(source, request)
    with _notes(console), request.open(source) as reader:
        _keep_noisy(reader, outputs)
        if section:
            say(console, section)
        work = _prepare(reader, source, request, console, section)
        done = resume and outputs.finished(work.facts)
        if not done:
            outputs.check()
            _advise(reader, console)
            _denoise(reader, outputs, work, request, console, resume)
        with _silently(), request.open(outputs.clean) as after:
            if outputs.noise is not None and not (done and outputs.noise.exists()):
                _save_difference(reader, after, outputs)
            report_quality(
                reader,
                after,
                outputs.clean,
                console,
                qc=outputs.qc,
                force=outputs.force or done,
                notes={name: str(x) for name, x in work.identity.items()},
                reports=outputs.reports(),
                gate=request.gate,
            )


@dataclass(frozen=True)
class _Work:
    """What is to be done to a file.

    Attributes:
        task: the loaded run.
        options: how its records are denoised.
        identity: everything that the result depends on besides the file.
        facts: the same with the file, for the sidecar.
        said: further entries of the sidecar.
    """

    task: Task
    options: Options
    identity: dict[str, Any]
    facts: dict[str, Any]
    said: dict[str, Any]


def _prepare(
    reader: SeismicReader, source: Path, request: Request, console: Console, section: str
) -> _Work:
    """Choose and load the model, and say which and why."""
    chosen = _chosen(reader, request, section)
    run = find_run(request.run or run_of(chosen.name), quiet=request.run is None)
    name = f"model {chosen.name}" if request.run is None else f"run {run_name(run)}"
    say(console, f"{name}: {chosen.why}")
    device = _usable(request.device)
    task = load_run(run, device=device)
    neighbours = settled_neighbours(request.neighbours, task.backbone, reader)
    if neighbours:
        say(console, f"it sees each gather with {neighbours} on each side")
    adaptation = _adaptation(task, request.tta, request.noise_window)
    options = Options(
        chosen.name,
        request.gate,
        request.common_mode,
        request.tile,
        request.noise_window,
        adaptation,
        settled(request.precision, task.backbone, device),
        neighbours,
    )
    identity = work_identity(run, options=options, device=request.device)
    facts = {"source": _facts(source), **request.reading(), **identity}
    said = {**made_by(run), "model": chosen.name, "why": chosen.why, "interval": _interval(reader)}
    return _Work(task, options, identity, facts, {**said, "warnings": list(reader.warnings)})


def _chosen(reader: SeismicReader, request: Request, section: str) -> Choice:
    """Choose the model; sections and the slices of a volume are after stack."""
    if section and request.model == "auto":
        return replace(choose(reader, "stack"), why="the file was taken as one section")
    if request.slices is None:
        return choose(reader, request.model)
    check_volume(reader, request.slices)
    if request.model == "auto":
        return replace(choose(reader, "stack"), why="--slices says a volume after stack")
    return choose(reader, request.model)


def _denoise(
    reader: SeismicReader,
    outputs: Outputs,
    work: _Work,
    request: Request,
    console: Console,
    resume: bool,
) -> None:
    """Write the denoised file and its sidecar."""
    model, dt, dx = work.task.backbone, reader.dt, reader.dx
    denoiser = Denoiser(model, dt=dt, dx=dx, options=work.options, identity=work.identity)
    clean, force = outputs.clean, outputs.force
    if request.slices == "both" and isinstance(reader, SegyReader):
        reports = denoise_both(
            reader, clean, denoiser, request, console, force=force, resume=resume
        )
    else:
        reports = Sweep(reader, denoiser, console).write(clean, force=force, resume=resume)
    counts = {"gathers": _count(reader), "adaptation": dict(denoiser.verdicts)}
    seen = lights(judge(report, request.gate) for report in reports)
    content = {"work": work.facts, **work.said, **counts, **seen, "reports": reports}
    _save_json(outputs.sidecar, content)
    for line in denoiser.outcomes[:SHOWN]:
        say(console, line)
    for verdict, count in denoiser.verdicts.most_common():
        say(console, f"{verdict}: {count} gathers")


@contextmanager
def _silently() -> Iterator[None]:
    """Leave out warnings of the result that its source has caused already."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@contextmanager
def _notes(console: Console) -> Iterator[None]:
    """Print each warning once, as a note, where Python would name a line of this package."""
    seen: set[str] = set()

    def show(message: Warning | str, *rest: Any) -> None:
        text = str(message)
        if text not in seen:
            seen.add(text)
            say(console, f"note: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]  # it takes fewer arguments
        yield


def run_name(run: Path) -> str:
    """Return the name of a run for people."""
    return str(read_origin(run) or run.resolve().name)


def _adaptation(task: Task, tta: Tta, window: tuple[float, float] | None) -> Adaptation | None:
    """Return the requested adaptation; options that are not given come from the run's recipe."""
    own: Adaptation | None = getattr(task, "adaptation", None)  # only the task `denoise` has it
    if tta == "recipe":
        return own if own is None or window is None else replace(own, window=window)
    if tta == "none":
        return None
    chosen = replace(own or Adaptation(), objective=tta)
    return chosen if window is None else replace(chosen, window=window)


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
