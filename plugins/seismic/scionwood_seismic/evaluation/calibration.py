"""How often the light of the harm gate is wrong, by families of events that the gate never draws.

Wedges, short events and channels are added to a record, gentle and steep ones, and what comes back
of them is called the truth. It has its own wavelet, its own places and its own seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import final

import numpy as np

from scionwood import RecipeError, find_run, load_run
from scionwood_seismic.data.normalise import live
from scionwood_seismic.evaluation.light import Light, judge
from scionwood_seismic.inference.choice import choose, run_of
from scionwood_seismic.inference.decision import worst
from scionwood_seismic.inference.events import local_rms
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.gate import grid
from scionwood_seismic.inference.options import DenoiseOptions, GateOptions
from scionwood_seismic.inference.reports import Report
from scionwood_seismic.inference.section import choose_gathers

FAMILIES = ("wedge", "short", "channel")
DIPS = {"gentle": (0.0, 0.12), "steep": (0.25, 0.4)}
"""Slopes of events, periods per trace, from and to."""

LEVELS = {"strong": 4.0, "weak": 1.25}
"""Peak amplitudes over the local RMS."""

RED, YELLOW = 0.85, 0.6
"""The amplitude of strong families below which the truth is red; of weak ones, yellow."""

CELL = 64, 128 / 12
"""Traces and periods of the cell of an event."""

EVENTS, RUNS = 8, 4
"""Events of a family and a level, and the most runs of the denoiser for them."""

SHORT = 6  # traces on each side of the middle of a short event
DEEP, NARROW = (0.7, 1.3), (10, 20)
"""The depth of a channel, periods, and its half width, traces."""


@final
@dataclass(frozen=True)
class Pair:
    """What the gate says of a denoised record, and what is true.

    Attributes:
        name: of the record.
        light: that of the gate, if it only reports.
        truth: the light by the held-back families.
        strong: the amplitude of the worst strong kind that the gate found; None: not measured.
        weak: that of the worst weak kind.
        true_strong: the amplitude of the worst strong family.
        true_weak: that of the worst weak family.
        reason: that of the gate.
        recovered: kind -> amplitude of the gate.
        families: family -> true amplitude.
    """

    name: str
    light: Light
    truth: Light
    strong: float | None
    weak: float | None
    true_strong: float
    true_weak: float
    reason: str
    recovered: Mapping[str, float]
    families: Mapping[str, float]


def truth(
    denoise: Callable[[np.ndarray], np.ndarray],
    record: np.ndarray,
    before: np.ndarray,
    period: float,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Return what comes back of the held-back families, such as `weak steep channel`.

    Args:
        denoise: a record, (trace, time) -> the denoised record.
        record: (trace, time), any unit.
        before: the denoised record.
        period: the dominant period of its events, samples.
        seed: of the events.
    """
    size = min(CELL[0], record.shape[0]), min(round(CELL[1] * period), record.shape[1])
    corners = grid(record.shape, size, (0, 0))
    level = local_rms(record, (25, int(6 * period)))
    returned: dict[str, list[float]] = {}
    for index, (family, name) in enumerate(product(FAMILIES, LEVELS)):
        rng = np.random.default_rng([seed, 17, index])
        for run in range(min(RUNS, -(-EVENTS // len(corners)))):
            added = np.zeros(record.shape)
            events = []
            for number, (i, j) in enumerate(rng.permutation(corners)):
                dip = tuple(DIPS)[(number + run) % 2]
                place = slice(i, i + size[0]), slice(j, j + size[1])
                wave = LEVELS[name] * level[place] * _event(family, dip, size, period, rng)
                added[place] += wave
                events.append((f"{name} {dip} {family}", place, wave))
            change = denoise((record + added).astype(np.float32)) - before
            for key, place, wave in events:
                came = float((change[place] * wave).sum() / np.square(wave).sum())
                returned.setdefault(key, []).append(came)
    return {key: float(np.mean(values)) for key, values in returned.items()}


def compare(
    report: Report, true: Mapping[str, float], name: str = "", gate: GateOptions = GateOptions()
) -> Pair:
    """Compare what the gate says of a record with the truth.

    Args:
        report: that of `gate="report"`.
        true: level and family -> amplitude; see `truth`.
        name: of the record.
        gate: the limits of the gate; those of the truth are fixed.
    """
    verdict = judge({"gather": name, **report.as_json()}, gate)
    strong, weak = (worst(true, level)[1] for level in LEVELS)
    light: Light = "red" if strong < RED else "yellow" if weak < YELLOW else "green"
    amplitudes = verdict.strong, verdict.weak, strong, weak
    return Pair(name, verdict.light, light, *amplitudes, verdict.reason, report.recovered, true)


@final
@dataclass(frozen=True)
class Rates:
    """How often the gate is wrong.

    Attributes:
        pairs: the number of pairs with a light.
        grey: those without, in which the gate found no event; `denoise` leaves them unchanged.
        false_green: those that are green and should not be, of those that should not.
        false_yellow: those that are not green and should be, of those that should.
        correlation: of the worst strong amplitudes of the gate and of the truth; NaN if undefined.
        exact: the number of pairs with the right light.
    """

    pairs: int
    grey: int
    false_green: tuple[int, int]
    false_yellow: tuple[int, int]
    correlation: float
    exact: int

    def __str__(self) -> str:
        (green, bad), (yellow, good) = self.false_green, self.false_yellow
        return (
            f"{self.pairs} pairs ({self.grey} grey ones besides): false green {green} of {bad}, "
            f"false yellow {yellow} of {good}, correlation {self.correlation:.2f}, "
            f"right light {self.exact}"
        )


def rates(pairs: Sequence[Pair]) -> Rates:
    """Count how often the gate is wrong.

    Args:
        pairs: at least one.

    Example:
        >>> pair = Pair("", "green", "red", 0.9, 0.8, 0.2, 0.1, "", {}, {})
        >>> rates([pair]).false_green
        (1, 1)
    """
    tested_pairs = [pair for pair in pairs if pair.light != "grey"]
    bad = [pair for pair in tested_pairs if pair.truth != "green"]
    good = [pair for pair in tested_pairs if pair.truth == "green"]
    measured = [(pair.strong, pair.true_strong) for pair in tested_pairs]
    varied = len(measured) > 1 and all(np.ptp(values) > 0 for values in zip(*measured, strict=True))
    return Rates(
        len(tested_pairs),
        len(pairs) - len(tested_pairs),
        (sum(pair.light == "green" for pair in bad), len(bad)),
        (sum(pair.light != "green" for pair in good), len(good)),
        float(np.corrcoef(np.array(measured).T)[0, 1]) if varied else float("nan"),
        sum(pair.light == pair.truth for pair in tested_pairs),
    )


def calibrate_file(path: Path, options: DenoiseOptions, *, limit: int, seed: int) -> list[Pair]:
    """Compare the light of the gathers of a file with the truth; see `verbs.calibrate`."""
    options, section = choose_gathers(path, options)
    with options.open(path) as reader:
        model_name = "stack" if section and options.model == "auto" else options.model
        name = choose(reader, model_name).name
        model = load_run(find_run(options.run or run_of(name)), device=options.device).backbone
        denoise = partial(denoise_record, model, dt=reader.dt, domain=name)
        off = replace(options, gate="off")
        spread = np.linspace(0, len(reader) - 1, min(limit, len(reader)))
        pairs = []
        for index in sorted({round(at) for at in spread.tolist()}):
            record = reader.read(index)
            data = np.asarray(record.data, np.float32)
            result = denoise(data, options)
            if result.report.passed_through or not live(data).all():
                continue
            true = truth(
                lambda x: denoise(x, off).denoised,
                data,
                result.denoised,
                result.report.period / reader.dt,
                seed=seed,
            )
            label = ", ".join(f"{key} {value}" for key, value in record.key.items())
            pairs.append(compare(result.report, true, label, options))
    if not pairs:
        rule = f"all gathers of {path.name} pass through unchanged, or have dead traces"
        raise RecipeError(f"records {path}", rule, "Give records that the model denoises")
    return pairs


def _event(
    family: str, dip: str, size: tuple[int, int], period: float, rng: np.random.Generator
) -> np.ndarray:
    """Return an event of unit amplitude in a cell, (trace, time)."""
    traces, samples = size
    x = np.arange(traces) - rng.uniform(0.3, 0.7) * traces
    time = (np.arange(samples) - rng.uniform(0.4, 0.6) * samples) / period
    at = rng.choice((-1, 1)) * rng.uniform(*DIPS[dip]) * x
    if family == "wedge":  # top and base, of opposite signs, part beyond the middle
        apart = np.clip(2 * x / traces, 0, 1)
        both: np.ndarray = _ricker(time - at[:, None]) - _ricker(time - (at + apart)[:, None])
        return both
    width = SHORT
    if family == "channel":
        width = int(rng.integers(*NARROW))
        at = at + rng.uniform(*DEEP) * (1 - np.square(x / width))
    wave: np.ndarray = _ricker(time - at[:, None]) * (np.abs(x) <= width)[:, None]
    return wave


def _ricker(time: np.ndarray) -> np.ndarray:
    """Return a Ricker wavelet of unit period."""
    square = np.square(np.pi * time)
    wave: np.ndarray = (1 - 2 * square) * np.exp(-square)
    return wave
