"""Denoise objects in memory: NumPy arrays, ObsPy streams and traces, DASCore patches, DataArrays.

`scionwood_seismic.denoise_data` is the typed entry point. This module splits an object into
gathers, denoises each of them and puts the result together again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any, final

import numpy as np

from scionwood import RecipeError, Task, load_run
from scionwood_seismic.data.normalise import live
from scionwood_seismic.dino.adaptation import Adaptation, Adapter, choose_adaptation
from scionwood_seismic.inference.choice import for_array, for_channel, run_of
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.labelled import denoise_labelled
from scionwood_seismic.inference.options import DenoiseOptions, Model
from scionwood_seismic.inference.records import TILES
from scionwood_seismic.inference.reports import Report
from scionwood_seismic.readers.grouping import Header, group
from scionwood_seismic.synth.canonical import Domain

FIBRE = "a fibre"
"""The name of the traces of a DASCore patch, which `for_channel` takes for those of a fibre."""

OF_FILES = ("gather", "slices", "neighbours", "vertical", "samples")
"""The options that say how a file is read."""

_BLOCK = 2048  # the most traces of a gather, the same limit as in the readers


@final
class ObjectDenoiser:
    """Denoise the gathers of objects, each with the model that it needs.

    Args:
        options: the run or the model, and how to denoise.
        task: a loaded run in place of them.
        dx: the distance between traces, m; None: unknown.
        level: the RMS of the noise in the unit of the data; None: unknown.

    Attributes:
        reports: the report of each gather, in order.

    Raises:
        RecipeError: an option is invalid.
    """

    def __init__(
        self, options: DenoiseOptions, task: Task | None, dx: float | None, level: float | None
    ) -> None:
        self.options, self.dx, self.level = options, dx, level
        self.reports: list[Report] = []
        self._task, self._tasks = task, dict[Domain, Task]()
        for name in OF_FILES:
            value = getattr(options, name)
            if value != getattr(DenoiseOptions, name):
                rule = "it says how a file is read, and the data are in memory"
                raise RecipeError(f"{name} {value}", rule, "Leave it out")
        if options.dt is not None and not 0 < options.dt < float("inf"):
            rule = "a sample interval is positive, in s"
            raise RecipeError(f"dt {options.dt}", rule, "Such as 0.002")

    @property
    def shipped(self) -> bool:
        """Whether the shipped models denoise, and no run of the user."""
        return self._task is None and self.options.run is None

    def __call__(self, data: Any) -> Any:
        """Denoise an object, and return one of its type."""
        split = _splitter(data)
        if split is None:
            return _array(data, self.options.dt, self.clean)
        if self.options.dt is not None and split is not _labelled:
            rule = f"a {type(data).__name__} carries its own sample interval"
            raise RecipeError(f"dt {self.options.dt}", rule, "Leave dt out")
        return split(data, self)

    def clean(self, gather: np.ndarray, dt: float | None, name: str) -> np.ndarray:
        """Denoise a gather of any type of numbers.

        Args:
            gather: (trace, time).
            dt: the sample interval, s; None: unknown.
            name: the name of the first trace; empty if it has none.
        """
        domain = self.domain(len(gather), dt, name)
        task = self._load(domain)
        adaptation = choose_adaptation(task, self.options)
        if adaptation is None:
            denoised = self._record(task, gather, dt, domain)
        else:
            denoised = self._adapted(task, gather, dt, domain, adaptation)
        result = denoised.astype(_float(gather.dtype))
        same = denoised == gather.astype(np.float32)
        dead = ~live(gather)
        result[same] = gather[same]  # float64 keeps the bits that float32 has not
        result[dead] = gather[dead]
        return result

    def domain(self, traces: int, dt: float | None, name: str) -> Domain:
        """Return the kind of a gather."""
        if self.options.model != "auto":
            return self.options.model
        if not self.shipped and traces > 3:
            return "shot"
        chosen = for_channel(name, traces, dt or 1.0) if name else for_array(traces, dt)
        return chosen.name

    def _load(self, domain: Domain) -> Task:
        if self._task is not None:
            return self._task
        if domain not in self._tasks:
            run = self.options.run or run_of(domain)
            self._tasks[domain] = load_run(run, device=self.options.device)
        return self._tasks[domain]

    def _record(
        self, task: Task, gather: np.ndarray, dt: float | None, domain: Domain
    ) -> np.ndarray:
        result = denoise_record(
            task,
            gather,
            self.options,
            dt=dt or 1.0,
            dx=self.dx,
            domain=domain,
            level=self.level,
        )
        self.reports.append(result.report)
        return result.denoised

    def _adapted(
        self, task: Task, gather: np.ndarray, dt: float | None, domain: Domain, how: Adaptation
    ) -> np.ndarray:
        """Adapt to a gather and denoise it; the harm gate judges the result as any other."""
        if how.window and dt is None:
            rule = f"the noise window {how.window} is in s, and an array has no sample interval"
            raise RecipeError("dt", rule, "Give dt, in s")
        time = (dt or 1.0) * np.arange(gather.shape[1])
        adapter = Adapter(task.backbone, how)
        with adapter.adapted(
            gather, time, tile=(self.options.tiles or TILES)[0], domain=domain
        ) as outcome:
            denoised = self._record(task, gather, dt, domain)
        self.reports[-1] = replace(self.reports[-1], adaptation=outcome.as_json())
        return denoised


def _splitter(data: Any) -> Callable[[Any, ObjectDenoiser], Any] | None:
    """Return the function that splits an object into gathers; None for an array."""
    if isinstance(data, np.ndarray):
        return None
    kinds = {
        ("obspy", "Stream"): _stream,
        ("obspy", "Trace"): _trace,
        ("dascore", "Patch"): _patch,
        ("xarray", "DataArray"): _labelled,
    }
    for (module, name), split in kinds.items():
        # If the library has not been imported, `data` cannot be one of its objects.
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(data, kind):
            return split
    rule = "only arrays, ObsPy streams and traces, DASCore patches and DataArrays are denoised"
    raise RecipeError(f"data of type {type(data).__name__}", rule, "Give its samples as an array")


def _labelled(data: Any, denoiser: ObjectDenoiser) -> Any:
    return denoise_labelled(data, denoiser.options.dt, denoiser.clean)


def _array(data: Any, dt: float | None, clean: Callable[..., np.ndarray]) -> np.ndarray:
    if data.ndim not in (1, 2) or data.dtype.kind not in "iuf" or np.ma.isMaskedArray(data):
        rule = "an array is (trace, time) or (time,), of real numbers and without a mask"
        raise RecipeError(f"array {data.shape} {data.dtype}", rule, "Give one gather at a time")
    return clean(np.atleast_2d(data), dt, "").reshape(data.shape)


def _stream(stream: Any, denoiser: ObjectDenoiser) -> Any:
    """Return a new stream in which every gather has been denoised."""
    result = stream.copy()
    parts = [(i, span) for i, trace in enumerate(stream) for span in _spans(trace.data)]
    headers = [_header(stream[i], span, stream[0]) for i, span in parts]
    outputs = [trace.data.astype(_float(trace.data.dtype)) for trace in stream]
    for members in _members(headers, denoiser):
        segments = [parts[m] for m in members]
        gather = np.stack([np.ma.getdata(stream[i].data)[span] for i, span in segments])
        first = headers[members[0]]
        denoised = denoiser.clean(gather, first.dt, first.name)
        for (i, span), row in zip(segments, denoised, strict=True):
            outputs[i][span] = row
    for trace, samples in zip(result, outputs, strict=True):
        trace.data = samples
        trace.stats.processing = [*trace.stats.get("processing", []), _note()]
    return result


def _members(headers: list[Header], denoiser: ObjectDenoiser) -> list[list[int]]:
    """Return the traces of each gather: those of a station, or those that start together."""
    if not headers:
        return []
    model, first = denoiser.options.model, headers[0]
    by_station = model == "station" or (
        model == "auto"
        and denoiser.shipped
        and for_channel(first.name, len(headers), first.dt).name == "station"
    )
    if not by_station:
        together = group(headers, _BLOCK)
        for members in together:
            _refuse_components([headers[m].name for m in members], model)
        return together
    stations: dict[str, list[int]] = {}
    for i, header in enumerate(headers):
        stations.setdefault(header.name[:-1], []).append(i)
    return [
        [indices[m] for m in members]
        for indices in stations.values()
        for members in group([headers[i] for i in indices], 3)
    ]


def _refuse_components(names: list[str], model: Model) -> None:
    """Refuse the components of a station as a gather, if a model of gathers was asked for."""
    several = len({name[:-1] for name in names}) < len(names)
    if several and model != "auto" and all(names):
        rule = "the components of one station are not neighbouring traces of a gather"
        raise RecipeError(f"model {model}, {', '.join(names[:3])}", rule, 'Use model="station"')


def _trace(trace: Any, denoiser: ObjectDenoiser) -> Any:
    from obspy import Stream

    return _stream(Stream([trace]), denoiser)[0]


def _patch(patch: Any, denoiser: ObjectDenoiser) -> Any:
    """Return a new patch. Its axes are identified by name and keep their order."""
    if len(patch.dims) != 2 or "time" not in patch.dims:
        rule = "a patch has time and one more axis"
        raise RecipeError(f"patch of {patch.dims}", rule, "Select with patch.select first")
    data = np.asarray(patch.data)
    time_first = patch.dims[0] == "time"
    step = patch.get_coord("time").step
    dt = float(step / np.timedelta64(1, "ns")) / 1e9 if isinstance(step, np.timedelta64) else None
    denoised = denoiser.clean(data.T if time_first else data, dt, FIBRE)
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
