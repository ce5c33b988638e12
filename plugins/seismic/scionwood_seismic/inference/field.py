"""Denoise one record of a field file, and measure what that did to it.

The steps: leave aside what is no signal (dead traces, offset, drift), resample to the sampling that
the models know, remove noise tile by tile, test the result with the harm gate, and come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
from torch import nn

from scionwood import Task
from scionwood_seismic.data.normalise import live, scale
from scionwood_seismic.inference import envelope, gate
from scionwood_seismic.inference.arrivals import PERIODS, draw_arrivals, kinds_of
from scionwood_seismic.inference.baseline import drift
from scionwood_seismic.inference.decision import blended, settle
from scionwood_seismic.inference.events import draw
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.prepared import prepare, prepare_neighbours
from scionwood_seismic.inference.reports import Report, with_spacing
from scionwood_seismic.inference.tiles import (
    Corner,
    Pair,
    Tiling,
    each_removed,
    removed_from,
    usual_tiles,
)
from scionwood_seismic.inference.wavelets import Band, band_of, keeping_events, wavelet_of
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
        prepared = prepare(data, alive, unit, self.domain, common_mode=self.options.common_mode)
        if prepared.reason:
            return self._untouched(data, prepared.reason, prepared.period)
        steps = plan(prepared.signal[alive], domain=self.domain, period=prepared.period)
        tested = self.options.gate != "off" and self.domain != "station"
        band = band_of(prepared.signal[alive]) if tested else None
        if band and self.options.gate == "blend":
            steps, band = keeping_events(
                prepared.signal[alive], band, steps, 1 - self.options.strong
            )
        slices = None
        if neighbour_slices is not None:
            how = self.domain, self.options.common_mode, prepared.period
            neighbours = prepare_neighbours(neighbour_slices, data, alive, unit, *how)
            slices = np.stack([steps.apply(one) for one in neighbours])
        known_level = (level or 0.0) / unit
        removed, report = self._removed(prepared.signal, alive, steps, known_level, band, slices)
        removed += prepared.shared
        return self._finish(
            data, prepared.scaled, removed, unit, replace(report, domain=self.domain)
        )

    def _untouched(self, data: np.ndarray, reason: str, period: float = 0.0) -> FieldResult:
        self.progress(1.0)
        report = Report(self.domain, reason=reason, period=period * self.dt)
        return FieldResult(data.astype(np.float32), report)

    def _removed(
        self,
        signal: np.ndarray,
        alive: np.ndarray,
        steps: Plan,
        level: float,
        band: Band | None,
        neighbours: np.ndarray | None,
    ) -> tuple[np.ndarray, Report]:
        """Return what may be removed from a record without offset and drift."""
        canonical = steps.apply(signal)
        mask = np.repeat(alive[:, None], canonical.shape[1], axis=1).astype(np.float32)
        tiling = Tiling(canonical.shape, *self._tiles())
        known_level = level * min(1.0, steps.factor) ** 0.5  # the part of white noise that is left
        rng = np.random.default_rng(0)
        its = gate.tiles_of(canonical.shape, self.domain)
        crops = gate.choose(its, self.options, rng) if self.options.gate != "off" else None
        same = (its.size, its.corners) == (tiling.size, tiling.corners)
        tested = set(crops.tiles) if crops and same else set()
        tested_parts: dict[Corner, np.ndarray] = {}

        def parts() -> Iterator[tuple[Corner, np.ndarray]]:
            for at, part in each_removed(
                self.model,
                canonical,
                mask,
                tiling,
                level=known_level,
                beside=neighbours,
                progress=self.progress,
            ):
                if at in tested:
                    tested_parts[at] = part
                yield at, part

        gone = tiling.blend(parts())
        removed = signal - steps.restore(signal, gone)
        removed[~alive] = 0
        removed -= drift(removed, steps.period)  # what is slow survives, also if it is weak
        removed, added = envelope.without_added(signal, removed)
        report = Report(
            self.domain,
            period=steps.period * self.dt,
            removed=_energy(removed) / max(_energy(signal), 1e-300),
            share=1.0,
            added=added,
            factor=steps.factor,
            tiles=(
                len(tiling.corners) * gate.padded_samples(tiling.size),
                (2 - same) * crops.cost if crops else 0,
            ),
        )
        if crops is None:
            return removed, report
        drawing, lost = self._events(signal[alive], canonical, mask, steps, band, rng)
        plain, mended = gate.recovered(
            lambda crop, masks, more: removed_from(self.model, crop, masks, known_level, more),
            canonical,
            mask,
            tested_parts if same else None,
            crops,
            drawing,
            self.options.quiet_energy,
            self._window(steps) * steps.factor,
            neighbours,
        )
        removed[alive], decision = settle(
            signal[alive],
            removed[alive],
            (_with_high(plain, lost, steps), lambda: _with_high(mended(), lost, steps)),
            self.options,
            period=steps.period,
            window=self._window(steps),
        )
        report = replace(
            report,
            recovered=blended(decision.amplitudes, decision.share),
            share=decision.share,
            reason=decision.reason,
            back=decision.back if decision.share else 0.0,
            similarity=decision.alike,
            removed=_energy(removed) / max(_energy(signal), 1e-300),
        )
        return removed, report

    def _tiles(self) -> tuple[Pair, Pair]:
        """Return the size and the overlap of the tiles, traces and samples each."""
        if self.options.tiles is None:
            return usual_tiles(self.model)
        size, overlap = self.options.tiles
        return (size, size), (overlap, overlap)

    def _window(self, steps: Plan) -> float:
        """Return the period that sets the size of windows, samples of the record."""
        return min(steps.period, PERIODS["middle"]) if self.domain == "station" else steps.period

    def _events(
        self,
        signal: np.ndarray,
        canonical: np.ndarray,
        mask: np.ndarray,
        steps: Plan,
        band: Band | None,
        rng: np.random.Generator,
    ) -> tuple[gate.Draw, float]:
        """Return what draws the events of a record, and their energy above its canonical band."""
        rms = (_energy(canonical) / max(float(mask.sum()), 1.0)) ** 0.5
        if band is None:
            return partial(draw_arrivals, kinds=kinds_of(signal), rms=rms, rng=rng), 0.0
        wavelet, lost = wavelet_of(band, steps)
        period = steps.period * steps.factor
        return partial(draw, wavelet=wavelet, period=period, rms=rms, rng=rng), lost

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


def _with_high(amplitudes: dict[str, float], lost: float, steps: Plan) -> dict[str, float]:
    """Return the amplitudes of events that have a share of energy above the canonical band.

    That part is gone if the plan drops it, and otherwise it is kept.
    """
    high = 0.0 if steps.drop_high else lost
    return {name: (1 - lost) * value + high for name, value in amplitudes.items()}


def _energy(data: np.ndarray) -> float:
    return float(np.square(data, dtype=np.float64).sum())
