"""Denoise and measure what is in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from scionwood import RecipeError, Task
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.choice import Model
from scionwood_seismic.inference.field import FieldResult
from scionwood_seismic.inference.gate import GateOptions
from scionwood_seismic.inference.objects import ObjectDenoiser, ObjectOptions

if TYPE_CHECKING:  # arrays need no library of a file format
    from dascore import Patch
    from obspy import Stream, Trace
    from xarray import DataArray

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
    data: DataArray,
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
) -> DataArray: ...


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
    data: np.ndarray | Stream | Trace | Patch | DataArray,
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
) -> np.ndarray | Stream | Trace | Patch | DataArray:
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
        run: a run of the denoising task, as a folder or another reference that
            `scionwood.find_run` takes; or the task that `load_run` returns. By default the shipped
            run of the model.
        model: `shot` for gathers before stack, `stack` for sections and slices, `das` for fibres,
            `station` for one to three components. `auto` chooses by the kind of object, the names
            of its channels, the number of traces and the interval; an array of a section is not
            recognised, so say `stack`.
        dt: the sample interval of an array, s. Streams, traces and patches carry their own, and so
            does a `DataArray` that has a coordinate of its time.
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
    denoised: np.ndarray | Stream | Trace | Patch | DataArray = ObjectDenoiser(run, options)(data)
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
    if hasattr(data, "dims"):
        rule = "its axes have names, and denoise_gather takes (trace, time)"
        remedy = "Use denoise, which keeps them, or give data.transpose(..., 'time').values"
        raise RecipeError(f"data of type {type(data).__name__}", rule, remedy)
    options = ObjectOptions(model, dt, dx, level, common_mode, gate, device)
    denoiser = ObjectDenoiser(run, options)
    denoised = denoiser(np.asarray(data))
    return FieldResult(denoised, denoiser.reports[0])


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
