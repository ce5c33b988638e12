"""The records of seismic_inputs.py: what its networks train on, and the volumes of its tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage as nd
from seismic_field_cases import GROUPS, white
from torch import Tensor

from scionwood_seismic.data.field import FieldCrops, tensors, told
from scionwood_seismic.synth.field_noise import draw_noise
from scionwood_seismic.synth.field_pair import draw_traces, mix
from scionwood_seismic.synth.signal import SIGNALS, convolve, draw_gather, ricker

SHAPE, BATCH = (64, 128), 12
VOLUMES = ("plane", "hyperbola", "layers")
STACK_NOISE = ("white", "band", "pink", "high")
SLOWEST = 1500.0
"""The slowest velocity of the generated events, m/s. It bounds their dips, given dt and dx."""

Batch = dict[str, Tensor]


def volume_batches(seed: int) -> Iterator[Batch]:
    """Yield records with the slices beside them."""
    data = FieldCrops(
        signals=VOLUMES,
        noises=STACK_NOISE,
        lowest_snr=-6,
        highest_snr=30,
        clean_share=0.25,
        neighbours=1,
        kept=400,
        n_train=10**9,
        batch_size=BATCH,
        seed=seed,
    )
    index = 0
    while True:
        samples = [data.sample("train", index + k) for k in range(BATCH)]
        index += BATCH
        yield {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def gather_batches(
    seed: int, snr: tuple[float, float] = (-9, 24), few: float = 0.35
) -> Iterator[Batch]:
    """Yield gathers of known dt and dx; `beside` has what they and the trace count say."""
    index = 0
    while True:
        samples = [
            _gather(np.random.default_rng([seed, 5, index + k]), snr, few) for k in range(BATCH)
        ]
        index += BATCH
        yield {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def _gather(rng: np.random.Generator, snr: tuple[float, float], few: float) -> Batch:
    period = float(np.exp(rng.uniform(np.log(5), np.log(22))))
    dt, dx = 1 / (30 * period), float(np.exp(rng.uniform(np.log(2), np.log(25))))
    clean = draw_gather(rng, SHAPE, dt=dt, dx=dx, kind=str(rng.choice(SIGNALS)))
    level = 0.0 if rng.random() < 0.12 and snr[0] < snr[1] else 10 ** (-rng.uniform(*snr) / 20)
    pair = mix(clean, draw_noise(rng, SHAPE), level, draw_traces(rng, SHAPE[0], few))
    entries = tensors(pair, told(rng, pair.level, 0.5))
    return entries | {"beside": facts(entries["noisy"], entries["mask"], dx / (SLOWEST * dt))}


def facts(record: Tensor, mask: Tensor, steepest: float) -> Tensor:
    """Return two constant channels, (..., 2, trace, time), which scale with the record.

    Args:
        record: (..., 1, trace, time).
        mask: the same shape.
        steepest: the delay of the slowest wave, samples a trace; it says what dx and dt say.
    """
    axes = (-3, -2, -1)
    rms = (record.square().sum(axes, keepdim=True) / mask.sum(axes, keepdim=True)).sqrt()
    count = mask[..., :1].sum(axes, keepdim=True).clamp_min(1)
    values = (torch.full_like(count, np.log2(steepest) / 4), torch.log2(count) / 6)
    return torch.cat([rms * value * mask for value in values], -3)


def cube(seed: int, shape: tuple[int, int, int] = (16, 64, 240)) -> np.ndarray:
    """Draw a folded and faulted cube whose reflectivity changes along it, of unit deviation."""
    rng = np.random.default_rng([seed, 11])
    inlines, traces, samples = shape
    n = samples + 80
    layers = nd.gaussian_filter(rng.laplace(size=(inlines, traces, n)), (6, 6, 0))
    layers = layers / layers.std() + 1.5 * rng.laplace(size=n)
    layers *= rng.random(n) < 0.5
    fold = nd.gaussian_filter(rng.standard_normal((3 * inlines, 3 * traces)), (8, 12))
    fold = fold[inlines : 2 * inlines, traces : 2 * traces]
    i, x = np.mgrid[:inlines, :traces]
    shift = 12 * fold / np.abs(fold).max() + rng.uniform(-0.6, 0.6) * i + rng.uniform(-0.6, 0.6) * x
    shift = shift + 8 * (x + rng.uniform(-2, 2) * i > rng.uniform(0.3, 0.7) * traces)
    reflections = convolve(layers.reshape(-1, n), ricker(1 / 11, 1.0, length=60)).reshape(
        layers.shape
    )
    at = np.arange(samples) + 40 + (shift - shift.mean())[..., None]
    bent = [
        [np.interp(at[k, j], np.arange(n), reflections[k, j]) for j in range(traces)]
        for k in range(inlines)
    ]
    volume = np.array(bent, np.float32)
    return volume / volume.std()


def noisy(volume: np.ndarray, *key: int) -> np.ndarray:
    """Return a volume with white noise of the energy of each of its inlines."""
    parts = []
    for i, section in enumerate(volume):
        noise = white(section.shape, *key, i)
        parts.append(section + noise * np.sqrt(np.mean(section**2) / np.mean(noise**2)))
    return np.stack(parts).astype(np.float32)


def field_volume(folder: Path, name: str) -> np.ndarray:
    """Return the field cube (`cube`) or F3."""
    inlines = [c for c in GROUPS["stacks"](folder) if c.group == name and c.noise == "none"]
    return np.stack([case.record for case in inlines])
