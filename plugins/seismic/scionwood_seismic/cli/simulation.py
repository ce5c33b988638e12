"""The command `scionwood seismic simulate`."""

from __future__ import annotations

from pathlib import Path

from scionwood.authoring import OutputPath


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
    """
    from scionwood_seismic.data.simulation import simulate_files

    simulate_files(
        Path(noisy),
        Path(clean),
        seed=seed,
        noises=noise,
        snr=snr,
        shape=(n, n_traces, n_samples),
        dt=dt,
        dx=dx,
        quiet=quiet,
        overwrite=force,
    )
