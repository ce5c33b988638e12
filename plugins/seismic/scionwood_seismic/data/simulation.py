"""Write a simulated survey as SEG-Y files: noisy gathers, and the same gathers without noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scionwood.authoring import check_target
from scionwood_seismic.data.synthetic import check_quiet, generator, noise_classes
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather


def simulate_files(
    noisy: Path,
    reference: Path,
    *,
    seed: int,
    noises: str,
    snr: float,
    shape: tuple[int, int, int],
    dt: float,
    dx: float,
    quiet: float,
    overwrite: bool,
) -> None:
    """Write simulated gathers to two SEG-Y files, with noise and without.

    Args:
        noisy: the file of the noisy gathers.
        reference: the file of the noise-free gathers.
        seed: seed of signal and noise.
        noises: noise classes, separated by commas; `all` for those that the recipes train on.
        snr: signal-to-noise ratio of each gather, dB.
        shape: (gather, trace, time).
        dt: the sample interval, s.
        dx: the distance between traces, m.
        quiet: length of the signal-free start of each gather, s.
        overwrite: replace existing files.

    Raises:
        RecipeError: a noise class is unknown, or `quiet` leaves no time for arrivals.
        OutputExistsError: a file exists and `overwrite` is false.
        WriteError: a file cannot be written.
    """
    kinds, lead = noise_classes(noises), round(quiet / dt)
    check_quiet(quiet, shape[2] * dt)
    for path in (noisy, reference):
        check_target(path, overwrite)
    clean, dirty = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for i in range(shape[0]):
        rng = generator(seed, "simulate", i)
        events = draw_gather(rng, (shape[1], shape[2] - lead), dt=dt, dx=dx)
        clean[i] = np.pad(events, ((0, 0), (lead, 0)))
        dirty[i] = corrupt(rng, clean[i], kinds[i % len(kinds)], snr, dt=dt, dx=dx)
    write_segy(reference, clean, dt=dt, overwrite=overwrite)
    write_segy(noisy, dirty, dt=dt, overwrite=overwrite)
