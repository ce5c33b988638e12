"""The commands `scionwood seismic denoise | simulate | compare`; a signature is its options."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def denoise(
    noisy: Path,
    clean: Path,
    *,
    adapter: Path,
    gather: Literal["fldr", "cdp", "offset", "none"] = "fldr",
    force: bool = False,
    qc: Path | None = None,
    save_noise: Path | None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
) -> None:
    """Denoise a SEG-Y file with a trained run; all headers keep their bytes.

    Args:
        noisy: the SEG-Y file to read.
        clean: the SEG-Y file to write; it appears whole or not at all.
        adapter: the run folder that `scionwood fit` wrote.
        gather: the trace header that tells gathers apart; `none` for blocks of traces.
        force: replace outputs that exist.
        qc: also draw the first gather, its spectra and its leakage into this image.
        save_noise: also write what was removed, as SEG-Y.
        device: where to compute, such as cpu or cuda.
        tile: size of the tiles, traces and samples.
        overlap: how far tiles overlap.

    Raises:
        ReadError: the noisy file is damaged or no SEG-Y.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written whole.
        AdapterFileError: the run's adapter is damaged, or made for another base.
        RecipeError: the overlap does not fit the tile, or there is no such device.
    """
    from scionwood_seismic.pipeline import Outputs, denoise_file

    outputs = Outputs(Path(clean), save_noise, qc, force)
    key = None if gather == "none" else gather
    denoise_file(Path(noisy), outputs, adapter, gather=key, device=device, tile=(tile, overlap))


def simulate(
    noisy: Path,
    *,
    reference: Path,
    seed: int = 0,
    noise: str = "all",
    snr: float = 0.0,
    n_gathers: int = 20,
    n_traces: int = 256,
    n_samples: int = 256,
    dt: float = 0.002,
    dx: float = 12.5,
    force: bool = False,
) -> None:
    """Write a noisy SEG-Y file and its clean reference, for trying a denoiser on.

    The gathers are reflections, and none of them is in any training, validation or test split.

    Args:
        noisy: the SEG-Y file to write, one shot a gather.
        reference: the SEG-Y file of the clean gathers.
        seed: seeds signal and noise.
        noise: classes by comma, which the gathers take in turns; `all` for every class.
        snr: signal-to-noise ratio of each gather, dB.
        n_gathers: shots in the file.
        n_traces: traces a gather.
        n_samples: samples a trace.
        dt: the sample interval, s.
        dx: the distance between traces, m.
        force: replace outputs that exist.

    Raises:
        RecipeError: an unknown noise class.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written whole.
    """
    from scionwood_seismic.pipeline import simulate_files

    simulate_files(
        Path(noisy),
        Path(reference),
        seed=seed,
        noises=noise,
        snr=snr,
        shape=(n_gathers, n_traces, n_samples),
        dt=dt,
        dx=dx,
        overwrite=force,
    )


def compare(
    reference: Path,
    noisy: Path,
    denoised: Path,
    *,
    noise: str = "all",
    figure: Path | None = None,
    force: bool = False,
) -> None:
    """Print how a denoised file compares with doing nothing and with classical filters.

    Args:
        reference: the clean SEG-Y file that `simulate` wrote.
        noisy: the noisy one.
        denoised: what `denoise` made of it.
        noise: the classes that were given to `simulate`; gathers are averaged by class.
        figure: also draw the middle class's gather: input, denoised, removed, and the truth.
        force: replace a figure that exists.

    Raises:
        ReadError: a file is damaged, or the three differ in their gathers.
        OutputExistsError: the figure exists and `force` is false.
    """
    from scionwood_seismic.comparison import compare_files

    compare_files(
        Path(reference), Path(noisy), Path(denoised), noises=noise, figure=figure, force=force
    )
