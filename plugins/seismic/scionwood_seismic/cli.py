"""The commands `scionwood seismic denoise | simulate | compare`; a signature is its options."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

from scionwood import RecipeError


def denoise(
    noisy: Path,
    clean: Path,
    *,
    adapter: Path,
    gather: Literal["fldr", "ep", "cdp", "offset", "iline", "xline", "none"] = "fldr",
    vertical: Literal["time", "depth"] = "time",
    force: bool = False,
    resume: bool = False,
    qc: Path | None = None,
    save_noise: Path | None = None,
    tta: Literal["recipe", "none", "matched", "kurtosis"] = "recipe",
    noise_window: str | None = None,
    device: str = "cpu",
    tile: int = 256,
    overlap: int = 64,
) -> None:
    """Denoise a file with a trained run; all headers keep their bytes.

    A run that was stopped or killed leaves a hidden file `.NAME.part` beside `clean`, never a half
    `clean`. The same command with `--resume` goes on with it, and the result is the same as that
    of a run that was never stopped. `NAME.json` beside `clean` says how it was made.

    Args:
        noisy: the file to read, SEG-Y or another format that has a reader.
        clean: the file to write, in the same format; it appears whole or not at all.
        adapter: the run folder that `scionwood fit` wrote.
        gather: the trace header of SEG-Y that tells gathers apart; `none`: the file is one gather.
        vertical: whether the samples of a SEG-Y file follow time or depth.
        force: replace outputs that exist, and what a killed run left.
        resume: go on where a killed run stopped, with the same options; or begin.
        qc: also draw gathers, their spectra and their leakage into this image, with a page.
        save_noise: also write what was removed, in the same format.
        tta: adapt the LoRA to each gather first: `matched` to the noise of a window, `kurtosis`
            to Gaussian noise, `none`; or as the run's recipe says.
        noise_window: from and to which time gathers have no signal, s (m in a depth file), such
            as 0:0.2; SEG-Y counts with its recording delay, others from the first sample.
        device: where to compute, such as cpu or cuda.
        tile: size of the tiles, traces and samples.
        overlap: how far tiles overlap.

    Raises:
        ReadError: the noisy file is damaged, or no reader knows it.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written whole, or the killed run had other options.
        AdapterFileError: the run's adapter is damaged, or made for another base.
        AdapterError: the run has no LoRA to adapt.
        RecipeError: the overlap does not fit the tile, there is no such device, or the noise
            window is missing or no window.
    """
    from scionwood_seismic.inference.files import Outputs, denoise_file

    outputs = Outputs(Path(clean), save_noise, qc, force)
    with _terminable():
        denoise_file(
            Path(noisy),
            outputs,
            adapter,
            gather=None if gather == "none" else gather,
            vertical=vertical,
            device=device,
            tile=(tile, overlap),
            resume=resume,
            tta=tta,
            noise_window=None if noise_window is None else _window(noise_window),
        )


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
    quiet: float = 0.0,
    force: bool = False,
) -> None:
    """Write a noisy SEG-Y file and its clean reference, for trying a denoiser on.

    The gathers are reflections, and none of them is in any training, validation or test split.

    Args:
        noisy: the SEG-Y file to write, one shot a gather.
        reference: the SEG-Y file of the clean gathers.
        seed: seeds signal and noise.
        noise: classes by comma, which the gathers take in turns; `all` for those of the recipes.
        snr: signal-to-noise ratio of each gather, dB.
        n_gathers: shots in the file.
        n_traces: traces a gather.
        n_samples: samples a trace.
        dt: the sample interval, s.
        dx: the distance between traces, m.
        quiet: how long each gather has noise only before its first arrivals, s.
        force: replace outputs that exist.

    Raises:
        RecipeError: an unknown noise class, or no time left for arrivals.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written whole.
    """
    from scionwood_seismic.data.simulation import simulate_files

    simulate_files(
        Path(noisy),
        Path(reference),
        seed=seed,
        noises=noise,
        snr=snr,
        shape=(n_gathers, n_traces, n_samples),
        dt=dt,
        dx=dx,
        quiet=quiet,
        overwrite=force,
    )


def compare(
    reference: Path,
    noisy: Path,
    denoised: Path,
    *,
    noise: str = "all",
    figure: Path | None = None,
    qc: Path | None = None,
    force: bool = False,
) -> None:
    """Print how a denoised file compares with doing nothing and with classical filters.

    Args:
        reference: the clean SEG-Y file that `simulate` wrote.
        noisy: the noisy one.
        denoised: what `denoise` made of it.
        noise: the classes that were given to `simulate`; gathers are averaged by class.
        figure: also draw the middle class's gather: input, denoised, removed, and the truth.
        qc: also write a QC image and page with the reference and the error, as `denoise` does.
        force: replace figures that exist.

    Raises:
        ReadError: a file is damaged, or the three differ in their gathers.
        OutputExistsError: the figure exists and `force` is false.
    """
    from scionwood_seismic.evaluation.comparison import compare_files

    compare_files(
        Path(reference),
        Path(noisy),
        Path(denoised),
        noises=noise,
        figure=figure,
        qc=qc,
        force=force,
    )


def _window(text: str) -> tuple[float, float]:
    """Two times, `0:0.2`."""
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        first = last = 0.0
    if not first < last < float("inf"):
        rule = "two times in s, the earlier one first"
        raise RecipeError(f"noise window {text!r}", rule, "Such as 0:0.2")
    return first, last


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, which queue systems send, end a run as Ctrl-C does: with its state on disk."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
