"""Denoise the records of a file: a callable that a reader applies to each record."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import nn

from scionwood import Record
from scionwood.authoring import read_origin, weights_digest, writing
from scionwood_seismic.data.normalise import live
from scionwood_seismic.dino.adaptation import Adaptation, Adapter
from scionwood_seismic.inference.field import FieldResult, denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.precision import InBfloat16
from scionwood_seismic.inference.reports import Report, summed
from scionwood_seismic.synth.canonical import Domain

COMPONENTS = 3  # of a station

TILES = (256, 64)
"""The size and the overlap of the tiles on which a run adapts."""


@final
class Denoiser:
    """Denoise one record after another with one model.

    Args:
        model: see `field.denoise_record`.
        dt: the sample interval of the file, s; m in a depth file. Records whose axis has another
            one are taken by that.
        dx: the distance between traces, m; None: unknown.
        domain: the kind of record that the model is made for.
        options: how to denoise. `neighbours` is the number of slices that `beside` returns, and
            `precision` "auto" is float32; `files.denoise_file` decides about both.
        adaptation: how to adapt to each record first, in float32; None: do not adapt.
        identity: everything that the result depends on besides the file; a stopped run is resumed
            only if it is equal.
        unit: returns the amplitude of the whole gather if a record is only a part of one, and None
            otherwise.
        progress: called with the number of traces that each step finishes, which may be a fraction.
        on_report: called with each record and its report.
        beside: returns the slices beside a record, for a model that sees them, or None.

    Attributes:
        verdicts: outcome of the adaptation -> number of records.
        outcomes: the outcome of the adaptation to each record, a line.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        dt: float = 1.0,
        dx: float | None = None,
        domain: Domain = "shot",
        options: DenoiseOptions = DenoiseOptions(),
        adaptation: Adaptation | None = None,
        identity: Mapping[str, Any],
        unit: Callable[[Record], float | None] = lambda record: None,
        progress: Callable[[float], None] = lambda traces: None,
        on_report: Callable[[Record, Report], None] = lambda record, report: None,
        beside: Callable[[Record], np.ndarray | None] = lambda record: None,
    ) -> None:
        self.domain, self.options = domain, options
        self.model = InBfloat16(model) if self.options.precision == "bfloat16" else model
        self.dt, self.dx, self.identity = dt, dx, identity
        self.unit, self.progress, self.on_report, self.beside = unit, progress, on_report, beside
        self.adapter = None if adaptation is None else Adapter(model, adaptation)
        self.verdicts: Counter[str] = Counter()
        self.outcomes: list[str] = []

    def __call__(self, record: Record) -> np.ndarray:
        """Denoise a record: (trace, time) float32, in the record's unit."""
        traces = len(record.data)

        def advance(share: float) -> None:
            self.progress(share * traces)

        if self.adapter is not None:
            return self._adapted(record, advance)
        if self.domain == "station" and traces > COMPONENTS:
            # Sensors of one component each, at places that are not known.
            parts = [self._result(record, slice(i, i + 1), advance) for i in range(traces)]
            self.on_report(record, summed([part.report for part in parts]))
            return np.concatenate([part.denoised for part in parts])
        result = self._result(record, slice(None), advance)
        self.on_report(record, result.report)
        return result.denoised

    def _result(
        self, record: Record, traces: slice, advance: Callable[[float], None]
    ) -> FieldResult:
        data = record.data[traces]
        return denoise_record(
            self.model,
            data,
            self.options,
            dt=self._interval(record),
            dx=self.dx if "time" in record.coords else None,
            domain=self.domain,
            level=noise_level(data, _axis(record), self.options.window),
            unit=self.unit(record),
            beside=self.beside(record),
            progress=lambda share: advance(share * len(data) / len(record.data)),
        )

    def _interval(self, record: Record) -> float:
        """Return the sample interval of a record: traces of one file may have several."""
        axis = _axis(record)
        if len(axis) < 2 or axis.dtype.kind not in "iuf":  # dates have their own unit
            return self.dt
        return float(axis[-1] - axis[0]) / (len(axis) - 1) or self.dt

    def _adapted(self, record: Record, advance: Callable[[float], None]) -> np.ndarray:
        """Adapt to a record and denoise it; the harm gate judges the result as any other."""
        assert self.adapter is not None
        with self.adapter.adapted(
            record.data,
            _axis(record),
            tile=(self.options.tiles or TILES)[0],
            unit=self.unit(record),
            domain=self.domain,
        ) as outcome:
            result = self._result(record, slice(None), advance)
        self.verdicts[outcome.verdict] += 1
        key = ", ".join(f"{name} {value}" for name, value in record.key.items())
        self.outcomes.append(f"{key}: {outcome}")
        self.on_report(record, replace(result.report, adaptation=outcome.as_json()))
        return result.denoised


@final
class Journal:
    """The reports of a file's records, on disk while the file is being written.

    A resumed run therefore has the reports of the records that the stopped run finished.

    Args:
        target: the denoised file; the journal is the hidden file `.NAME.reports` beside it.
        resume: keep what a stopped run left.
    """

    def __init__(self, target: Path, *, resume: bool) -> None:
        self.path = target.with_name(f".{target.name}.reports")
        self._reports: dict[str, dict[str, Any]] = {}
        self._mode = "a" if resume else "w"  # a refused start leaves what a stopped run left
        if resume and self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):  # the line that was being written during a kill
                    self._reports.update(json.loads(line))

    def add(self, record: Record, report: Report) -> None:
        """Note the report of a record."""
        name = _name(record)
        self._reports[name] = report.as_json()
        with writing(self.path), self.path.open(self._mode, encoding="utf-8") as file:
            file.write(json.dumps({name: self._reports[name]}) + "\n")
        self._mode = "a"

    def rows(self) -> list[dict[str, Any]]:
        """Return the reports in the order of the records, with the key of each as `gather`."""
        return [{"gather": json.loads(key)[0], **row} for key, row in self._reports.items()]

    def remove(self) -> None:
        """Remove the file, after the reports are in another one."""
        self.path.unlink(missing_ok=True)


def noise_level(
    data: np.ndarray, axis: np.ndarray, window: tuple[float, float] | None
) -> float | None:
    """Return the RMS of the live traces in a window, in the unit of the data; None without one.

    Args:
        data: (trace, time).
        axis: the time or depth of each sample.
        window: start and end of a window without signal.
    """
    if window is None:
        return None
    noise = data[live(data)][:, (axis >= window[0]) & (axis < window[1])]
    return float(np.sqrt(np.square(noise, dtype=np.float64).mean())) if noise.size else None


def _axis(record: Record) -> np.ndarray:
    return record.coords["time" if "time" in record.coords else "depth"]


def _name(record: Record) -> str:
    """Return a name of a record that no other record of the file has, as JSON."""
    key = ", ".join(f"{name} {value}" for name, value in record.key.items())
    first = [str(values[0]) for values in record.coords.values() if len(values)]
    return json.dumps([key, *first])


def work_identity(
    run: Path, *, domain: Domain, options: DenoiseOptions, adaptation: Adaptation | None
) -> dict[str, Any]:
    """Return everything that a denoised file depends on besides its source, as JSON values.

    Args:
        run: the run folder; its recipe and its weights are hashed.
        domain: the kind of record that the model is made for.
        options: how the records are denoised; another device rounds differently.
        adaptation: how to adapt to each record.
    """
    tile, overlap = options.tiles or (None, None)
    identity = {
        "scionwood": version("scionwood"),
        "adapter": hash_run(run),
        "tile": tile,
        "overlap": overlap,
        "device": options.device,
        "tta": None if adaptation is None else asdict(adaptation),
        "domain": domain,
        "gate": options.limits(),
        "common_mode": options.common_mode,
        "window": options.window,
        "precision": options.precision,
    }
    if options.neighbours:  # without, the work is that of former versions
        identity["neighbours"] = options.neighbours
    if options.coherent != "off":
        identity |= {"stage": options.coherent, "slow": options.slow}
    values: dict[str, Any] = json.loads(json.dumps(identity))
    return values


def made_by(run: Path) -> dict[str, str]:
    """Return what a result records of its run: `run`, its name, and `digest`, that of its weights.

    Args:
        run: the run folder.
    """
    return {"run": str(read_origin(run) or run.resolve().name), "digest": weights_digest(run)}


def hash_run(run: Path) -> str:
    """Return the SHA-256 over the recipe and all weights of a run folder, hexadecimal."""
    total = hashlib.sha256()
    for path in sorted([run / "recipe.yaml", *run.rglob("*.safetensors")]):
        total.update(path.relative_to(run).as_posix().encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
