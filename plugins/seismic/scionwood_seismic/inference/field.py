"""Denoise one record of a field file, and measure what that did to it.

The steps: leave aside what is no signal (dead traces, offset, drift), resample to the sampling that
the models know, remove noise tile by tile, test the result with the harm gate, and come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from torch import nn

from scionwood import Task
from scionwood_seismic.data.normalise import live, scale
from scionwood_seismic.inference import envelope
from scionwood_seismic.inference.arrivals import PERIODS, StationEvents
from scionwood_seismic.inference.baseline import drift
from scionwood_seismic.inference.beams import beams
from scionwood_seismic.inference.events import GatherEvents
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.prepared import Prepared, prepare, prepare_neighbours
from scionwood_seismic.inference.reports import NO_EVENT, Report, with_spacing
from scionwood_seismic.inference.settling import Removal, energy, settle
from scionwood_seismic.inference.stage import find_reference, find_stage, hidden_period, usable
from scionwood_seismic.inference.tiles import Tiling, each_removed, usual_tiles
from scionwood_seismic.synth.canonical import Domain, Plan, plan


@final
@dataclass(frozen=True)
class FieldResult:
    """A denoised record and its report.

    Attributes:
        denoised: (trace, time) float32, in the unit of the input.
        report: what was done, and why.

    Example:
        >>> import numpy as np
        >>> from scionwood_seismic import DenoiseOptions, denoise_gather
        >>> gather = np.random.default_rng(0).standard_normal((24, 200)).astype("f4")
        >>> denoise_gather(gather, DenoiseOptions(dt=0.004)).denoised.shape
        (24, 200)
    """

    denoised: np.ndarray
    report: Report


def denoise_record(
    task_or_model: Task | nn.Module,
    data: np.ndarray,
    options: DenoiseOptions = DenoiseOptions(),
    *,
    dt: float,
    dx: float | None = None,
    domain: Domain,
    level: float | None = None,
    unit: float | None = None,
    beside: np.ndarray | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> FieldResult:
    """Denoise a record without harm: what the gate finds harmful is blended or passed through.

    Traces that are constant, contain a non-finite value, or are clipped keep their bits. So does a
    record that passes through. Zeros of mutes and gaps stay zero. The mean, the trend and the drift
    of each trace survive.

    Args:
        task_or_model: a task of a run, or a model: it maps a record (batch, 1, trace, time), its
            mask and its noise level to the denoised record.
        data: (trace, time), any unit.
        options: the limits of the gate, `common_mode`, and the tiles. The others are for files, or
            choose a model.
        dt: the sample interval, s; m in a depth file.
        dx: the distance between traces, m; if it is known, the report says which events alias.
        domain: the kind of record that the model is made for.
        level: the RMS of the noise in the unit of the data; None: unknown.
        unit: the amplitude of the whole gather, if `data` is only a part of it.
        beside: (slice, trace, time), the neighbouring slices of a volume in the order of
            `offsets_of`, for a model that sees them. The record stands for their dead traces.
        progress: called with the share of the record that each step finishes.

    Example:
        >>> from scionwood_seismic.backbones import field_unet
        >>> noise = np.random.default_rng(0).standard_normal((24, 200)).astype(np.float32)
        >>> result = denoise_record(field_unet(), noise, dt=0.004, domain="shot")
        >>> result.denoised.shape
        (24, 200)
    """
    model = task_or_model.backbone if isinstance(task_or_model, Task) else task_or_model
    alive = live(data)
    reason = envelope.refusal(data, alive, domain)
    if reason:
        progress(1.0)
        return FieldResult(data.astype(np.float32), Report(domain, reason=reason))
    work = _Work(model, domain, dt, options, progress)
    result = work.run(data, alive, unit, level, beside)
    return replace(result, report=with_spacing(result.report, dx))


@final
@dataclass(frozen=True)
class _Work:
    """The fixed part of the work on a record; see `denoise_record`."""

    model: nn.Module
    domain: Domain
    dt: float
    options: DenoiseOptions
    progress: Callable[[float], None]

    def run(
        self,
        data: np.ndarray,
        alive: np.ndarray,
        unit: float | None,
        level: float | None,
        neighbour_slices: np.ndarray | None,
    ) -> FieldResult:
        """Denoise a record that has live traces."""
        unit = unit or scale(data[alive])
        staged = self.options.coherent == "auto" and usable(self.domain, alive)
        how = {"common_mode": self.options.common_mode}
        prepared = prepare(data, alive, unit, self.domain, **how)
        if prepared.reason and staged:
            period = hidden_period(prepared.signal[alive])
            prepared = prepare(data, alive, unit, self.domain, period=period, **how)
        if prepared.reason:
            return self._untouched(data, prepared.reason, prepared.period)
        record, level = prepared.signal, (level or 0.0) / unit
        if staged:
            removed, report = self._staged(prepared, alive, level)
        else:
            if neighbour_slices is not None:
                others = prepare_neighbours(
                    neighbour_slices,
                    data,
                    alive,
                    unit,
                    self.domain,
                    self.options.common_mode,
                    prepared.period,
                )
                record = np.concatenate([record[None], others])
            removed, report = self._removed(record, prepared.period, level)
        removed += prepared.shared
        return self._finish(data, prepared.scaled, removed, unit, report)

    def _untouched(self, data: np.ndarray, reason: str, period: float = 0.0) -> FieldResult:
        self.progress(1.0)
        report = Report(self.domain, reason=reason, period=period * self.dt)
        return FieldResult(data.astype(np.float32), report)

    def _removed(
        self, record: np.ndarray, period: float, level: float
    ) -> tuple[np.ndarray, Report]:
        """Return what the model may remove from a record without offset and drift.

        Args:
            record: (trace, time), or (1 + slice, trace, time) with its neighbours; dead traces are
                zero.
            period: the dominant period, samples.
            level: the RMS of its noise; 0: unknown.
        """
        signal = record[0] if record.ndim == 3 else record
        alive = signal.any(axis=1)
        steps = plan(signal[alive], domain=self.domain, period=period)
        removed, added = self._denoised(record, steps, level, self.progress)
        report = self._report(signal, removed, added, steps)

        def denoise(part: np.ndarray) -> np.ndarray:
            first = part[0] if part.ndim == 3 else part
            part_steps = replace(steps, samples=part.shape[-1])
            result: np.ndarray = first - self._denoised(part, part_steps, level)[0]
            return result

        if self.options.gate == "off":
            return removed, report
        removal = Removal(denoise, record, removed, self._window(steps))
        if self.domain == "station":
            return settle(removal, StationEvents(signal), report, self.options)
        beam_set = beams(signal[alive], steps.period)
        if not beam_set.has_events:
            share = float(self.options.gate == "report")
            report = replace(report, share=share, removed=share * report.removed)
            return share * removed, replace(report, reason=NO_EVENT)
        coherent = report.removed * beam_set.coherent_share(removed[alive])
        source = GatherEvents(signal, beam_set)
        return settle(removal, source, replace(report, coherent=coherent), self.options)

    def _staged(
        self, prepared: Prepared, alive: np.ndarray, level: float
    ) -> tuple[np.ndarray, Report]:
        """Return what a mixture of filters and the model may remove, with the base line of traces.

        A record without coherent events goes to the model alone, which leaves it as it is.
        """
        signal, slow = prepared.signal, self.options.slow
        reference = find_reference(signal, prepared.period, alive, slow)
        steps = plan(reference.record[alive], domain=self.domain, period=reference.period)

        def network(part: np.ndarray) -> np.ndarray:
            part_steps = replace(steps, samples=part.shape[-1])
            result: np.ndarray = part - self._denoised(part, part_steps, level)[0]
            return result

        stage = find_stage(reference, alive, network, slow, self.options.strong)
        if stage is None:
            return self._removed(signal, prepared.period, level)
        self.progress(0.5)
        removed, added = envelope.without_added(signal, signal - stage.denoised(signal))
        report = replace(
            self._report(signal, removed, added, steps),
            stage=stage.as_json(removed[alive], self.dt),
        )
        if self.options.gate != "off":

            def denoise(part: np.ndarray) -> np.ndarray:
                gone, _ = envelope.without_added(part, part - stage.denoised(part))
                result: np.ndarray = part - gone
                return result

            coherent = report.removed * stage.beams.coherent_share(removed[alive])
            removal = Removal(denoise, signal, removed, steps.period)
            source = GatherEvents(reference.record, stage.beams, lowest=stage.lowest)
            removed, report = settle(
                removal, source, replace(report, coherent=coherent), self.options
            )
        self.progress(1.0)
        if self.domain == "das":  # strain and temperature are slow, and signal
            return removed, report
        base = prepared.scaled - prepared.shared - signal
        return removed + np.float32(report.share) * base * alive[:, None], report

    def _report(self, signal: np.ndarray, removed: np.ndarray, added: float, steps: Plan) -> Report:
        share = energy(removed) / max(energy(signal), 1e-300)
        period = steps.period * self.dt
        return Report(
            self.domain, period=period, removed=share, share=1.0, added=added, factor=steps.factor
        )

    def _denoised(
        self,
        record: np.ndarray,
        steps: Plan,
        level: float,
        progress: Callable[[float], None] = lambda share: None,
    ) -> tuple[np.ndarray, float]:
        """Return what the model removes from a record, and the energy that it would have added."""
        signal, *neighbours = record if record.ndim == 3 else [record]
        alive = np.any(signal, axis=1)
        canonical = steps.apply(signal)
        mask = np.repeat(alive[:, None], canonical.shape[1], axis=1).astype(np.float32)
        tiling = Tiling(canonical.shape, *self._tiles())
        parts = each_removed(
            self.model,
            canonical,
            mask,
            tiling,
            # The part of white noise that is left.
            level=level * min(1.0, steps.factor) ** 0.5,
            beside=np.stack([steps.apply(one) for one in neighbours]) if neighbours else None,
            progress=progress,
        )
        removed = signal - steps.restore(signal, tiling.blend(parts))
        removed[~alive] = 0
        removed -= drift(removed, steps.period)  # what is slow survives, also if it is weak
        return envelope.without_added(signal, removed)

    def _tiles(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the size and the overlap of the tiles, traces and samples each."""
        if self.options.tiles is None:
            return usual_tiles(self.model)
        size, overlap = self.options.tiles
        return (size, size), (overlap, overlap)

    def _window(self, steps: Plan) -> float:
        """Return the period that sets the size of windows, samples of the record."""
        return min(steps.period, PERIODS["middle"]) if self.domain == "station" else steps.period

    def _finish(
        self, data: np.ndarray, scaled: np.ndarray, removed: np.ndarray, unit: float, report: Report
    ) -> FieldResult:
        """Return the result in the unit of the data, with the samples that must not change."""
        result = data.astype(np.float32)
        alive = live(data)
        cut = np.zeros_like(alive)
        cut[alive] = envelope.clipped(data[alive])
        removed[envelope.muted(data)] = 0
        removed[cut | ~alive] = 0
        changed = removed != 0
        np.subtract(scaled, removed, out=removed)
        np.multiply(removed, unit, out=result, where=changed, dtype=np.float64, casting="same_kind")
        left = {"dead or not finite": int((~alive).sum()), "clipped": int(cut.sum())}
        return FieldResult(result, replace(report, left={k: n for k, n in left.items() if n}))
