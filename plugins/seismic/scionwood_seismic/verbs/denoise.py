"""Denoise a file, the files of a survey, or what is in memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from scionwood import ReadError, RecipeError
from scionwood.authoring import OutputPath, check_target
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.verbs.survey import denoise_survey, is_survey

if TYPE_CHECKING:  # arrays need no library of a file format, and a command no network yet
    import numpy as np
    from dascore import Patch
    from obspy import Stream, Trace
    from xarray import DataArray

    from scionwood import Task
    from scionwood_seismic.inference.field import FieldResult

    Data = TypeVar("Data", np.ndarray, Stream, Trace, Patch, DataArray)


def denoise(
    noisy: Path,
    clean: Path,
    options: DenoiseOptions = DenoiseOptions(),
    *,
    save_noise: OutputPath | None = None,
    qc: OutputPath | None = None,
    jobs: int | None = None,
    force: bool = False,
    resume: bool = False,
) -> None:
    """Denoise a file with little loss of signal; the headers are copied byte for byte.

    Without `--run`, one of four shipped models is chosen from the file, and the first line of the
    output names the model and the reason. The harm gate injects events of known amplitude into each
    gather and measures which fraction survives. If too much is lost, the gate blends the result
    with the input. A gather outside the range of the model passes through unchanged.

    A stopped command leaves the hidden file `.NAME.part` beside `clean`, never an incomplete
    `clean`. The same command with `--resume` continues, and the result is identical to that of an
    uninterrupted command. `NAME.json` beside `clean` records the model, the options and the report
    of each gather.

    For a folder or a pattern, each file is denoised with its own sample interval. A line for each
    file gives its traffic light. If a file fails, the others go on, and the exit code is 1. The
    same command again processes the remaining files; `manifest.jsonl` beside the results lists all
    files.

    Args:
        noisy: the file to read, SEG-Y or another format that has a reader; or a folder or a quoted
            pattern, such as 'line*.sgy', for many files.
        clean: the file to write, in the same format; it appears complete or not at all. For many
            files, their folder, or a pattern of their names, such as 'out/{stem}_clean.sgy'.
        options: the model, the harm gate, and how the file is read.
        save_noise: also write the removed noise to this file, in the same format.
        qc: also draw gathers, spectra and leakage into this image, and write a page beside it.
        jobs: parallel processes, for many files; by default one a core. A single file uses the
            threads of torch.
        force: replace existing outputs, and discard what a stopped run left.
        resume: continue a stopped run with the same options; without one, start.

    Raises:
        ReadError: the noisy file is damaged, or no reader knows its format.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written, or the stopped run had other options.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.
        AdapterError: adaptation is requested and the run has no LoRA.
        RecipeError: the overlap does not fit the tile, the device does not exist, the noise window
            is missing or invalid, no gather has as many traces as the model needs, or the file is
            no volume that has such slices.
        BatchError: of many files, two would become one, or results exist that no such command made.
        SystemExit: with 1 if a file of many failed.

    Example:
        >>> simulate("noisy.sgy", "reference.sgy", n=2, n_traces=48, n_samples=96)
        >>> denoise("noisy.sgy", "clean.sgy", DenoiseOptions(strong=0.9))  # doctest: +ELLIPSIS
        model ...
    """
    noisy, clean = Path(noisy), Path(clean)
    if is_survey(noisy):
        with _terminable():
            denoise_survey(
                noisy, clean, options, jobs=jobs, force=force, save_noise=save_noise, qc=qc
            )
        return
    if not noisy.exists():
        raise ReadError(str(noisy), "there is no such file", "Check the path")
    if jobs is not None:
        rule = f"{noisy} is one file, and jobs are files at a time"
        raise RecipeError(f"jobs {jobs}", rule, "Give a folder or a pattern, or leave --jobs out")
    check_target(clean, force or resume)

    from scionwood_seismic.inference.files import denoise_file
    from scionwood_seismic.inference.outputs import Outputs

    outputs = Outputs(
        clean, Path(save_noise) if save_noise else None, Path(qc) if qc else None, force
    )
    with _terminable():
        denoise_file(noisy, outputs, options, resume=resume)


def denoise_data(
    data: Data,
    options: DenoiseOptions = DenoiseOptions(),
    *,
    task: Task | None = None,
    dx: float | None = None,
    level: float | None = None,
) -> Data:
    """Denoise gathers that are in memory, without harm. The input is not modified.

    The harm gate adds events of known amplitude to each gather and measures what comes back. A
    result that loses too much is blended with the input; a gather that the model does not suit is
    returned unchanged. `denoise_gather` also returns the report.

    The result has the sampling of the input, and the offset, trend and drift of each trace; gaps
    are not filled. A trace that is constant, clipped, or contains a non-finite value is returned
    unchanged. Integers become float32; floats keep their type.

    Traces of a stream whose channels are those of seismometers are denoised station by station. Of
    other streams, traces form one gather if they have the same length and sample interval and start
    within half a sample of each other. Every other trace is a gather of its own, and so is each
    segment between the gaps of a masked trace. A stream or trace gets a note in
    `stats.processing`, a patch gets one in its history.

    Args:
        data: an array, (trace, time) or (time,); an ObsPy stream or trace; a DASCore patch or an
            xarray `DataArray` with `time` (or `depth`) and one other axis, in any order. The result
            has the dimensions, coordinates, attributes and the name of a `DataArray`, whose samples
            must be in memory: one of dask is refused.
        options: the model and the harm gate. An array has no sample interval but `dt`; the other
            objects carry their own. The options of files (`gather`, `slices`, `neighbours`,
            `vertical`, `samples`) are refused; the network computes in float32.
        task: a loaded run, which `load_run` returns, in place of `run`. It stays on its device.
        dx: the distance between traces, m, if it is known.
        level: the RMS of the noise in the unit of the data, if it is known.

    Returns:
        An object of the type, shape and unit of `data`.

    Raises:
        AdapterError: `tta` is given and the run has no LoRA.
        RecipeError: `data` is of another type, `dt` is not positive or is given for an object
            that carries its own, an option is one of files, or components of a station are given
            to a model of gathers.
        TrainingError: `run` does not name a finished run.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.

    Example:
        >>> from obspy import Trace
        >>> denoise_data(Trace(noisy[0], {"delta": 0.004})).stats.npts
        250
    """
    from scionwood_seismic.inference.objects import ObjectDenoiser

    denoised: Data = ObjectDenoiser(options, task, dx, level)(data)
    return denoised


def denoise_gather(
    data: np.ndarray,
    options: DenoiseOptions = DenoiseOptions(),
    *,
    task: Task | None = None,
    dx: float | None = None,
    level: float | None = None,
) -> FieldResult:
    """Denoise one gather, and return the result with the report of the harm gate.

    Args:
        data: (trace, time), any unit.
        options: see `denoise_data`; `dt` gives the periods of the report their unit.
        task: see `denoise_data`.
        dx: the distance between traces, m, if it is known.
        level: the RMS of the noise in the unit of the data, if it is known.

    Returns:
        `denoised`, (trace, time), and `report`: the recovered amplitude of each kind of event, the
        share of the energy that was removed, and why the gather passed through, if it did.

    Raises:
        RecipeError, TrainingError, AdapterFileError: see `denoise_data`.

    Example:
        >>> report = denoise_gather(noisy, DenoiseOptions(dt=0.004)).report
        >>> report.domain, report.passed_through == (report.reason != "" and report.share == 0)
        ('shot', True)
    """
    import numpy as np

    from scionwood_seismic.inference.field import FieldResult
    from scionwood_seismic.inference.objects import ObjectDenoiser

    if hasattr(data, "dims"):
        rule = "its axes have names, and denoise_gather takes (trace, time)"
        remedy = "Use denoise_data, which keeps them, or give data.transpose(..., 'time').values"
        raise RecipeError(f"data of type {type(data).__name__}", rule, remedy)
    denoiser = ObjectDenoiser(options, task, dx, level)
    denoised = denoiser(np.asarray(data))
    return FieldResult(denoised, denoiser.reports[0])


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, which queue systems send, end a run as Ctrl-C does, with its state on disk."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
