"""The Python interface of the plugin: denoise, simulate, read and measure gathers.

Example: denoise an array with one of the runs that the plugin ships.

    >>> import numpy as np
    >>> from scionwood_seismic import api
    >>> noisy = np.random.default_rng(0).standard_normal((96, 250))  # (trace, time)
    >>> clean = api.denoise(noisy)
    >>> clean.shape
    (96, 250)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, overload

import numpy as np

from scionwood import Task
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.choice import Model
from scionwood_seismic.inference.field import FieldResult
from scionwood_seismic.inference.gate import GateOptions
from scionwood_seismic.inference.objects import ObjectDenoiser, ObjectOptions

if TYPE_CHECKING:  # each function imports what it needs: arrays need no library of a file format
    from dascore import Patch
    from obspy import Stream, Trace

    from scionwood_seismic.inference.precision import Precision
    from scionwood_seismic.inference.request import Slices
    from scionwood_seismic.readers.base import SeismicReader
    from scionwood_seismic.readers.segy import Gather

__all__ = [
    "Adaptation",
    "FieldResult",
    "GateOptions",
    "denoise",
    "denoise_file",
    "denoise_gather",
    "open_file",
    "quality",
    "simulate",
]

Object = TypeVar("Object", "Stream", "Trace", "Patch")


@overload
def denoise(
    data: np.ndarray,
    run: str | Path | Task | None = None,
    *,
    model: Model = "auto",
    dt: float | None = None,
    dx: float | None = None,
    level: float | None = None,
    common_mode: bool = False,
    gate: GateOptions | None = None,
    device: str = "cpu",
    tile: int | None = None,
    overlap: int | None = None,
    tta: Adaptation | None = None,
) -> np.ndarray: ...


@overload
def denoise(
    data: Object,
    run: str | Path | Task | None = None,
    *,
    model: Model = "auto",
    dt: None = None,
    dx: float | None = None,
    level: float | None = None,
    common_mode: bool = False,
    gate: GateOptions | None = None,
    device: str = "cpu",
    tile: int | None = None,
    overlap: int | None = None,
    tta: Adaptation | None = None,
) -> Object: ...


def denoise(
    data: np.ndarray | Stream | Trace | Patch,
    run: str | Path | Task | None = None,
    *,
    model: Model = "auto",
    dt: float | None = None,
    dx: float | None = None,
    level: float | None = None,
    common_mode: bool = False,
    gate: GateOptions | None = None,
    device: str = "cpu",
    tile: int | None = None,
    overlap: int | None = None,
    tta: Adaptation | None = None,
) -> np.ndarray | Stream | Trace | Patch:
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
        data: an array, (trace, time) or (time,); an ObsPy stream or trace; a DASCore patch with
            `time` and one other axis, in any order.
        run: a run of the denoising task, as a folder or another reference that
            `scionwood.find_run` takes; or the task that `load_run` returns. By default the shipped
            run of the model.
        model: `shot` for gathers before stack, `stack` for sections and slices, `das` for fibres,
            `station` for one to three components. `auto` chooses by the kind of object, the names
            of its channels, the number of traces and the interval; an array of a section is not
            recognised, so say `stack`.
        dt: the sample interval of an array, s. Streams, traces and patches carry their own.
        dx: the distance between traces, m, if it is known.
        level: the RMS of the noise in the unit of the data, if it is known.
        common_mode: also remove what all traces of a gather share; flat events go with it.
        gate: the options of the harm gate.
        device: where to compute. A loaded task stays where it is.
        tile: size of the tiles, traces and samples; by default that of the model.
        overlap: overlap of neighbouring tiles, traces and samples; by default a quarter.
        tta: how to adapt to each gather before it is denoised; the noise window counts from the
            first sample. By default the recipe of the run decides.

    Returns:
        An object of the type, shape and unit of `data`.

    Raises:
        AdapterError: `tta` is given and the run has no LoRA.
        RecipeError: `data` is of another type, `dt` is not positive or is given for an object
            that carries its own, the overlap does not fit the tile, or components of a station are
            given to a model of gathers.
        TrainingError: `run` does not name a finished run.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.

    Example:
        >>> from obspy import Trace
        >>> denoise(Trace(noisy[0], {"delta": 0.004})).stats.npts
        250
    """
    options = ObjectOptions(model, dt, dx, level, common_mode, gate, device, tile, overlap, tta)
    denoised: np.ndarray | Stream | Trace | Patch = ObjectDenoiser(run, options)(data)
    return denoised


def denoise_gather(
    data: np.ndarray,
    run: str | Path | Task | None = None,
    *,
    dt: float,
    dx: float | None = None,
    model: Model = "auto",
    level: float | None = None,
    common_mode: bool = False,
    gate: GateOptions | None = None,
    device: str = "cpu",
) -> FieldResult:
    """Denoise one gather, and return the result with the report of the harm gate.

    Args:
        data: (trace, time), any unit.
        run: see `denoise`.
        dt: the sample interval, s.
        dx: the distance between traces, m, if it is known.
        model: see `denoise`.
        level: the RMS of the noise in the unit of the data, if it is known.
        common_mode: also remove what all traces share.
        gate: the options of the harm gate.
        device: where to compute.

    Returns:
        `denoised`, (trace, time), and `report`: the recovered amplitude of each kind of event, the
        share of the energy that was removed, and why the gather passed through, if it did.

    Raises:
        RecipeError, TrainingError, AdapterFileError: see `denoise`.

    Example:
        >>> report = denoise_gather(noisy, dt=0.004).report
        >>> report.domain, report.passed_through == (report.reason != "" and report.share == 0)
        ('shot', True)
    """
    options = ObjectOptions(model, dt, dx, level, common_mode, gate, device)
    denoiser = ObjectDenoiser(run, options)
    denoised = denoiser(np.asarray(data))
    return FieldResult(denoised, denoiser.reports[0])


def denoise_file(
    noisy: str | Path,
    clean: str | Path,
    run: str | Path | None = None,
    *,
    model: Model = "auto",
    gather: Gather | None = "fldr",
    slices: Slices | None = None,
    vertical: Literal["time", "depth"] = "time",
    samples: int | None = None,
    dt: float | None = None,
    gate: GateOptions | None = None,
    common_mode: bool = False,
    noise: str | Path | None = None,
    qc: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    tta: Literal["recipe", "none", "matched", "kurtosis"] = "recipe",
    noise_window: tuple[float, float] | None = None,
    device: str = "cpu",
    precision: Precision = "auto",
    tile: tuple[int, int] | None = None,
) -> None:
    """Denoise a file, as `scionwood seismic denoise` does.

    Args:
        noisy: the file to read: SEG-Y or another format that has a reader.
        clean: the file to write, in the same format. It appears complete or not at all. The
            `NAME.json` beside it has the report of each gather.
        run: a run of the denoising task, as a folder or another reference that
            `scionwood.find_run` takes. By default the shipped run of the model.
        model: `shot`, `stack`, `das` or `station`; `auto` chooses by the file.
        gather: the SEG-Y trace header whose value identifies a gather; None if the file is one
            gather.
        slices: for a volume after stack in SEG-Y, `inline`, `crossline`, or `both` for the mean of
            the results of both directions; None: it is read by `gather`.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, in place of what the headers of the file give.
        dt: the sample interval, s (m in a depth file), in place of what the headers give.
        gate: the options of the harm gate.
        common_mode: also remove what all traces of a gather share.
        noise: also write the removed noise to this file, in the same format.
        qc: also write a quality-control image and page; give the name of either.
        force: replace existing outputs.
        resume: continue a run that was stopped, with the same options.
        tta: how to adapt to each gather; `recipe` follows the recipe of the run.
        noise_window: start and end of the signal-free window, s (m in a depth file).
        device: where to compute.
        precision: the arithmetic of the network; `auto` takes bfloat16 where the hardware has it.
        tile: size and overlap of the tiles, traces and samples; by default those of the model.

    Raises:
        ReadError: the file is damaged, or no reader knows its format.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written, or the stopped run had other options.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.
        AdapterError: adaptation is requested and the run has no LoRA.
        RecipeError: an option is invalid.

    Example:
        >>> simulate("noisy.sgy", "reference.sgy", shape=(2, 48, 96))
        >>> denoise_file("noisy.sgy", "clean.sgy")  # doctest: +ELLIPSIS
        model ...
    """
    from scionwood_seismic.inference import files
    from scionwood_seismic.inference.request import Outputs, Request

    outputs = Outputs(
        Path(clean),
        noise=None if noise is None else Path(noise),
        qc=None if qc is None else Path(qc),
        force=force,
    )
    request = Request(
        run,
        model,
        gather=gather,
        slices=slices,
        vertical=vertical,
        samples=samples,
        dt=dt,
        gate=gate or GateOptions(),
        common_mode=common_mode,
        device=device,
        tile=tile,
        tta=tta,
        noise_window=noise_window,
        precision=precision,
    )
    files.denoise_file(Path(noisy), outputs, request, resume=resume)


def simulate(
    noisy: str | Path,
    reference: str | Path,
    *,
    shape: tuple[int, int, int] = (20, 256, 256),
    noise: str = "all",
    snr: float = 0.0,
    dt: float = 0.002,
    dx: float = 12.5,
    quiet: float = 0.0,
    seed: int = 0,
    force: bool = False,
) -> None:
    """Write simulated gathers as two SEG-Y files, one with noise and one without.

    Args:
        noisy: the file of the noisy gathers.
        reference: the file of the noise-free gathers.
        shape: (gather, trace, time).
        noise: names of noise classes, separated by commas; `all` for those of the recipes.
        snr: signal-to-noise ratio of each gather, dB.
        dt: the sample interval, s.
        dx: the distance between traces, m.
        quiet: length of the signal-free start of each gather, s.
        seed: seed of signal and noise.
        force: replace existing outputs.

    Raises:
        RecipeError: a noise class is unknown, or `quiet` leaves no time for arrivals.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written.

    Example:
        >>> simulate("shots.sgy", "shots_reference.sgy", shape=(1, 24, 48), noise="swell")
        >>> len(open_file("shots.sgy", gather="fldr"))
        1
    """
    from scionwood_seismic.data.simulation import simulate_files

    simulate_files(
        Path(noisy),
        Path(reference),
        seed=seed,
        noises=noise,
        snr=snr,
        shape=shape,
        dt=dt,
        dx=dx,
        quiet=quiet,
        overwrite=force,
    )


def open_file(path: str | Path, *, gather: Gather | None = None) -> SeismicReader:
    """Open a seismic file with the reader of its format; iterating yields its gathers.

    Args:
        path: the file.
        gather: the SEG-Y trace header whose value identifies a gather; None if the file is one
            gather. The other formats define their gathers themselves.

    Returns:
        The reader. Records have `data`, (trace, time) float32, and `coords`.

    Raises:
        ReadError: no reader knows the format, or the file is damaged.

    Example:
        >>> simulate("two.sgy", "two_reference.sgy", shape=(2, 24, 48))
        >>> [record.data.shape for record in open_file("two.sgy", gather="fldr")]
        [(24, 48), (24, 48)]
    """
    from scionwood_seismic.readers.opening import open_reader

    return open_reader(Path(path), gather=gather)


def quality(
    noisy: np.ndarray, denoised: np.ndarray, reference: np.ndarray | None = None
) -> dict[str, float]:
    """Measure how much was removed from a gather, and how much of that resembles signal.

    Args:
        noisy: (trace, time), the input.
        denoised: the same shape and unit.
        reference: the noise-free gather, if there is one.

    Returns:
        Measure -> value; see `scionwood_seismic.evaluation.gather_qc.measure`. With `reference`
        also `SNR, reference` in dB and its like. Empty if no trace is live.

    Example:
        >>> round(quality(noisy, 0.5 * noisy)["energy removed"], 3)
        0.25
    """
    from scionwood_seismic.evaluation.gather_qc import measure
    from scionwood_seismic.evaluation.panels import Geometry, Result

    return dict(measure(Result(noisy, denoised, Geometry(), reference)).values)
