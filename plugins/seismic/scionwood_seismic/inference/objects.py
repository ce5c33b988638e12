"""Denoise objects in memory: NumPy arrays, ObsPy streams and traces, DASCore patches.

`scionwood_seismic.api.denoise` is the typed entry point. This module splits an object into
gathers, denoises each of them and puts the result together again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scionwood import RecipeError, Task, load_run
from scionwood_seismic.data.normalise import live
from scionwood_seismic.inference.adaptation import Adaptation, Adapter
from scionwood_seismic.inference.arrays import check_tile, denoise_array
from scionwood_seismic.readers.grouping import Header, group

if TYPE_CHECKING:
    from dascore import Patch
    from obspy import Stream, Trace

Clean = Callable[[np.ndarray, float], np.ndarray]
"""(trace, time) and the sample interval in s -> the denoised gather."""

_BLOCK = 2048  # the most traces of a gather, the same limit as in the readers


def denoise_object(
    data: np.ndarray | Stream | Trace | Patch,
    run: str | Path | Task,
    *,
    dt: float | None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
    tta: Adaptation | None = None,
) -> Any:
    """Denoise an object in memory; see `scionwood_seismic.api.denoise`.

    Returns:
        An object of the type of `data`.

    Raises:
        AdapterError: `tta` is given and the run has no LoRA.
        RecipeError: an argument is invalid.
        TrainingError: `run` does not name a finished run.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.
    """
    split = _splitter(data)
    _check(data, dt, tile, overlap)
    task = run if isinstance(run, Task) else load_run(run, device=device)
    tta = tta or getattr(task, "adaptation", None)  # only the task `denoise` has this attribute
    if tta is not None and tta.window and dt is None and split is None:
        rule = f"the noise window {tta.window} is in s, and an array has no sample interval"
        raise RecipeError("dt", rule, "Give dt, in s")
    adapter = None if tta is None else Adapter(task.backbone, tta)

    def clean(gather: np.ndarray, dt: float) -> np.ndarray:
        if adapter is None:
            denoised = denoise_array(task.backbone, gather, tile=tile, overlap=overlap)
        else:
            time = dt * np.arange(gather.shape[1])
            denoised, _ = adapter.denoise(gather, time, tile=tile, overlap=overlap)
        result = denoised.astype(_float(gather.dtype))
        dead = ~live(gather)
        result[dead] = gather[dead]
        return result

    return _array(data, dt or 1.0, clean) if split is None else split(data, clean)


def _splitter(data: Any) -> Callable[[Any, Clean], Any] | None:
    """Return the function that splits an object into gathers; None for an array."""
    if isinstance(data, np.ndarray):
        return None
    kinds = {
        ("obspy", "Stream"): _stream,
        ("obspy", "Trace"): _trace,
        ("dascore", "Patch"): _patch,
    }
    for (module, name), split in kinds.items():
        # If the library has not been imported, `data` cannot be one of its objects.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(data, kind):
            return split
    rule = "only arrays, ObsPy streams and traces, and DASCore patches are denoised"
    raise RecipeError(f"data of type {type(data).__name__}", rule, "Give its samples as an array")


def _check(data: Any, dt: float | None, tile: int, overlap: int) -> None:
    check_tile(tile, overlap)
    if dt is not None and not isinstance(data, np.ndarray):
        rule = f"a {type(data).__name__} carries its own sample interval"
        raise RecipeError(f"dt {dt}", rule, "Leave dt out")
    if dt is not None and not 0 < dt < float("inf"):
        raise RecipeError(f"dt {dt}", "a sample interval is positive, in s", "Such as 0.002")


def _array(data: Any, dt: float, clean: Clean) -> np.ndarray:
    if data.ndim not in (1, 2) or data.dtype.kind not in "iuf" or np.ma.isMaskedArray(data):
        rule = "an array is (trace, time) or (time,), of real numbers and without a mask"
        raise RecipeError(f"array {data.shape} {data.dtype}", rule, "Give one gather at a time")
    return clean(np.atleast_2d(data), dt).reshape(data.shape)


def _stream(stream: Any, clean: Clean) -> Any:
    """Return a new stream in which every gather has been denoised."""
    result = stream.copy()
    parts = [(i, span) for i, trace in enumerate(stream) for span in _spans(trace.data)]
    headers = [_header(stream[i], span, stream[0]) for i, span in parts]
    outputs = [trace.data.astype(_float(trace.data.dtype)) for trace in stream]
    for members in group(headers, _BLOCK):
        segments = [parts[m] for m in members]
        gather = np.stack([np.ma.getdata(stream[i].data)[span] for i, span in segments])
        denoised = clean(gather, headers[members[0]].dt)
        for (i, span), row in zip(segments, denoised, strict=True):
            outputs[i][span] = row
    for trace, samples in zip(result, outputs, strict=True):
        trace.data = samples
        trace.stats.processing = [*trace.stats.get("processing", []), _note()]
    return result


def _trace(trace: Any, clean: Clean) -> Any:
    from obspy import Stream

    return _stream(Stream([trace]), clean)[0]


def _patch(patch: Any, clean: Clean) -> Any:
    """Return a new patch. Its axes are identified by name and keep their order."""
    if len(patch.dims) != 2 or "time" not in patch.dims:
        rule = "a patch has time and one more axis"
        raise RecipeError(f"patch of {patch.dims}", rule, "Select with patch.select first")
    data = np.asarray(patch.data)
    time_first = patch.dims[0] == "time"
    step = patch.get_coord("time").step
    dt = float(step / np.timedelta64(1, "ns")) / 1e9 if isinstance(step, np.timedelta64) else 1.0
    denoised = clean(data.T if time_first else data, dt)
    history = patch.attrs.history
    entries = (history,) if isinstance(history, str) else tuple(history)
    result = patch.new(data=denoised.T if time_first else denoised)
    return result.update_attrs(history=(*entries, _note()))


def _spans(samples: np.ndarray) -> list[slice]:
    """Return the segments between the gaps of a masked trace."""
    if not samples.size:
        return []
    contiguous: Callable[[np.ndarray], list[slice]] = np.ma.notmasked_contiguous
    return list(contiguous(np.ma.atleast_1d(samples)))


def _header(trace: Any, span: slice, first: Any) -> Header:
    name = trace.id if trace.id.strip(".") else ""
    start = float(trace.stats.starttime - first.stats.starttime)
    dt = float(trace.stats.delta)
    return Header(name, span.stop - span.start, dt, start + span.start * dt)


def _float(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind == "f" else np.dtype(np.float32)


def _note() -> str:
    return f"Scionwood {version('scionwood')}: denoise"
