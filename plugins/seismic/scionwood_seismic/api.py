"""Denoise what is in memory: NumPy arrays, ObsPy streams and traces, DASCore patches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from scionwood import RecipeError, Task, load_run
from scionwood_seismic.data.normalise import live
from scionwood_seismic.inference.adaptation import Adaptation, Adapter
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.readers.grouping import Header, group

if TYPE_CHECKING:
    from dascore import Patch
    from obspy import Stream, Trace

Clean = Callable[[np.ndarray, float], np.ndarray]
"""(trace, time) and the sample interval in s -> the denoised gather."""

_BLOCK = 2048  # the most traces of a gather, as the readers have it


@overload
def denoise(
    data: np.ndarray,
    run: Path | str | Task,
    *,
    dt: float | None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> np.ndarray: ...


@overload
def denoise(
    data: Stream,
    run: Path | str | Task,
    *,
    dt: None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Stream: ...


# Without type information of ObsPy and DASCore, mypy cannot tell these apart.
@overload
def denoise(  # type: ignore[overload-cannot-match]
    data: Trace,
    run: Path | str | Task,
    *,
    dt: None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Trace: ...


@overload
def denoise(  # type: ignore[overload-cannot-match]
    data: Patch,
    run: Path | str | Task,
    *,
    dt: None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Patch: ...


def denoise(
    data: Any,
    run: Path | str | Task,
    *,
    dt: float | None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Any:
    """Denoise gathers that are in memory; what is given stays as it is.

    Nothing is resampled, detrended or filled. Traces that are constant or hold a value that is
    not finite come back as they are. Integers become float32, floats keep their type.

    A stream's traces of one length and sampling interval that start together, within half a
    sample, are one gather; another trace is a gather of its own, and so is each segment between
    the gaps of a masked one. Stream and trace get a note in `stats.processing`, a patch one in its
    history.

    Args:
        data: an array, (trace, time) or (time,); an ObsPy stream or trace; a DASCore patch with
            `time` and one more axis, in any order.
        run: a run folder with an adapter of the denoising task, or the task that `load_run` made.
        dt: the sample interval of an array, s; streams, traces and patches carry their own. The
            model works on samples: only `tta` needs it.
        device: where to compute; a loaded task stays where it is.
        tile: size of the tiles, traces and samples.
        overlap: how far tiles overlap.
        tta: how to adapt to each gather first, its window counted from the first sample; by
            default as the run's recipe says.

    Returns:
        As `data`, of its shape and in its unit.

    Raises:
        AdapterError: `tta` with a run that has no LoRA.
        RecipeError: another kind of data, a `dt` that is no interval or belongs to no array, or
            an overlap that does not fit the tile.
        TrainingError: `run` is no finished run.
        AdapterFileError: the run's adapter is damaged, or made for another base.
    """
    work = _dispatch(data)
    _check(data, dt, tile, overlap)
    task = run if isinstance(run, Task) else load_run(Path(run), device=device)
    tta = tta or getattr(task, "adaptation", None)  # tasks other than `denoise` have none
    if tta is not None and tta.window and dt is None and work is None:
        rule = f"the noise window {tta.window} is in s, and an array has no sample interval"
        raise RecipeError("dt", rule, "Give dt, in s")
    adapter = None if tta is None else Adapter(task.backbone, tta)

    def clean(gather: np.ndarray, dt: float) -> np.ndarray:
        if adapter is None:
            found = denoise_array(task.backbone, gather, tile=tile, overlap=overlap)
        else:
            time = dt * np.arange(gather.shape[1])
            found, _ = adapter.denoise(gather, time, tile=tile, overlap=overlap)
        result = found.astype(_float(gather.dtype))
        dead = ~live(gather)
        result[dead] = gather[dead]
        return result

    return _array(data, dt or 1.0, clean) if work is None else work(data, clean)


def _dispatch(data: Any) -> Callable[[Any, Clean], Any] | None:
    """What takes the gathers of an object apart; None for an array, which needs nothing."""
    if isinstance(data, np.ndarray):
        return None
    kinds = {
        ("obspy", "Stream"): _stream,
        ("obspy", "Trace"): _trace,
        ("dascore", "Patch"): _patch,
    }
    for (module, name), work in kinds.items():
        # What was never imported, `data` cannot be.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(data, kind):
            return work
    rule = "only arrays, ObsPy streams and traces, and DASCore patches are denoised"
    raise RecipeError(f"data of type {type(data).__name__}", rule, "Give its samples as an array")


def _check(data: Any, dt: float | None, tile: int, overlap: int) -> None:
    if not 0 < overlap <= tile // 2:
        rule = "tiles overlap by at least 1 and at most half their size"
        raise RecipeError(f"tile {tile}, overlap {overlap}", rule, "Such as 256 and 64")
    if dt is not None and not isinstance(data, np.ndarray):
        rule = f"a {type(data).__name__} carries its own sample interval"
        raise RecipeError(f"dt {dt}", rule, "Leave dt out")
    if dt is not None and not 0 < dt < float("inf"):
        raise RecipeError(f"dt {dt}", "a sample interval is positive, in s", "Such as 0.002")


def _array(data: np.ndarray, dt: float, clean: Clean) -> np.ndarray:
    if data.ndim not in (1, 2) or data.dtype.kind not in "iuf" or np.ma.isMaskedArray(data):
        rule = "an array is (trace, time) or (time,), of real numbers and without a mask"
        raise RecipeError(f"array {data.shape} {data.dtype}", rule, "Give one gather at a time")
    return clean(np.atleast_2d(data), dt).reshape(data.shape)


def _stream(stream: Any, clean: Clean) -> Any:
    """A new stream, each gather of it denoised as one."""
    result = stream.copy()
    parts = [(i, span) for i, trace in enumerate(stream) for span in _spans(trace.data)]
    headers = [_header(stream[i], span, stream[0]) for i, span in parts]
    outputs = [trace.data.astype(_float(trace.data.dtype)) for trace in stream]
    for members in group(headers, _BLOCK):
        rows = [parts[m] for m in members]
        gather = np.stack([np.ma.getdata(stream[i].data)[span] for i, span in rows])
        found = clean(gather, headers[members[0]].dt)
        for (i, span), row in zip(rows, found, strict=True):
            outputs[i][span] = row
    for trace, samples in zip(result, outputs, strict=True):
        trace.data = samples
        trace.stats.processing = [*trace.stats.get("processing", []), _note()]
    return result


def _trace(trace: Any, clean: Clean) -> Any:
    from obspy import Stream

    return _stream(Stream([trace]), clean)[0]


def _patch(patch: Any, clean: Clean) -> Any:
    """A new patch; its axes are found by name and keep their order."""
    if len(patch.dims) != 2 or "time" not in patch.dims:
        rule = "a patch has time and one more axis"
        raise RecipeError(f"patch of {patch.dims}", rule, "Select with patch.select first")
    data = np.asarray(patch.data)
    back = patch.dims[0] == "time"
    step = patch.get_coord("time").step
    dt = float(step / np.timedelta64(1, "ns")) / 1e9 if isinstance(step, np.timedelta64) else 1.0
    found = clean(data.T if back else data, dt)
    history = patch.attrs.history
    entries = (history,) if isinstance(history, str) else tuple(history)
    denoised = patch.new(data=found.T if back else found)
    return denoised.update_attrs(history=(*entries, _note()))


def _spans(samples: np.ndarray) -> list[slice]:
    """The segments between gaps."""
    if not samples.size:
        return []
    return list(np.ma.notmasked_contiguous(np.ma.atleast_1d(samples)))


def _header(trace: Any, span: slice, first: Any) -> Header:
    name = trace.id if trace.id.strip(".") else ""
    start = float(trace.stats.starttime - first.stats.starttime)
    dt = float(trace.stats.delta)
    return Header(name, span.stop - span.start, dt, start + span.start * dt)


def _float(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind == "f" else np.dtype(np.float32)


def _note() -> str:
    return f"Scionwood {version('scionwood')}: denoise"
