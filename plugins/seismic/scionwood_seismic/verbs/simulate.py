"""Simulate gathers, to try a denoiser on."""

from __future__ import annotations

from pathlib import Path

from scionwood.authoring import OutputPath, check_target


def simulate(
    noisy: OutputPath,
    clean: OutputPath,
    *,
    seed: int = 0,
    noise: str = "all",
    snr: float = 0.0,
    n: int = 20,
    n_traces: int = 256,
    n_samples: int = 256,
    dt: float = 0.002,
    dx: float = 12.5,
    quiet: float = 0.0,
    force: bool = False,
) -> None:
    """Write simulated SEG-Y files, noisy and noise-free, to try a denoiser on.

    The gathers contain reflections. None of them is in a training, validation or test split.

    Args:
        noisy: the SEG-Y file of the noisy gathers, one gather per shot.
        clean: the SEG-Y file of the noise-free gathers, the reference for `compare`.
        seed: seed of signal and noise.
        noise: noise classes, separated by commas, which the gathers use in turn; `all`: the
            classes that the recipes train on.
        snr: signal-to-noise ratio of each gather, dB.
        n: number of gathers.
        n_traces: traces per gather.
        n_samples: samples per trace.
        dt: the sample interval, s.
        dx: the distance between traces, m.
        quiet: length of the signal-free start of each gather, s.
        force: replace existing outputs.

    Raises:
        RecipeError: a noise class is unknown, or `quiet` leaves no time for arrivals.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written.

    Example:
        >>> simulate("shots.sgy", "shots_reference.sgy", n=1, n_traces=24, n_samples=48)
        >>> len(open_file("shots.sgy", gather="fldr"))
        1
    """
    import numpy as np

    from scionwood_seismic.data.synthetic import check_quiet, generator, noise_classes
    from scionwood_seismic.readers.create import write_segy
    from scionwood_seismic.synth.mixture import corrupt
    from scionwood_seismic.synth.signal import draw_gather

    kinds, lead = noise_classes(noise), round(quiet / dt)
    check_quiet(quiet, n_samples * dt)
    for path in (noisy, clean):
        check_target(path, force)
    signal = np.empty((n, n_traces, n_samples), np.float32)
    mixture = np.empty_like(signal)
    for i in range(n):
        rng = generator(seed, "simulate", i)
        events = draw_gather(rng, (n_traces, n_samples - lead), dt=dt, dx=dx)
        signal[i] = np.pad(events, ((0, 0), (lead, 0)))
        mixture[i] = corrupt(rng, signal[i], kinds[i % len(kinds)], snr, dt=dt, dx=dx)
    write_segy(Path(clean), signal, dt=dt, overwrite=force)
    write_segy(Path(noisy), mixture, dt=dt, overwrite=force)
