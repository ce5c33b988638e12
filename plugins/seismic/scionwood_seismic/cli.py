"""The commands `scionwood seismic denoise | simulate | compare`. Signatures define the options."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

from scionwood import InputPath, OutputPath, RecipeError, RunPath, renamed


@renamed(adapter="run")
def denoise(
    noisy: InputPath,
    clean: OutputPath,
    *,
    model: Literal["auto", "shot", "stack", "das", "station"] = "auto",
    run: RunPath | None = None,
    gather: Literal["fldr", "ep", "cdp", "offset", "iline", "xline", "none"] = "fldr",
    vertical: Literal["time", "depth"] = "time",
    samples: int | None = None,
    dt: float | None = None,
    gate: Literal["blend", "report", "off"] = "blend",
    strong: float = 0.85,
    weak: float = 0.95,
    common_mode: bool = False,
    force: bool = False,
    resume: bool = False,
    qc: OutputPath | None = None,
    save_noise: OutputPath | None = None,
    tta: Literal["recipe", "none", "matched", "kurtosis"] = "recipe",
    noise_window: str | None = None,
    device: str = "cpu",
    tile: int | None = None,
    overlap: int | None = None,
) -> None:
    """Denoise a file without harm; the headers are copied byte for byte.

    Without `--run`, one of four shipped models is chosen by the file, and the first line says which
    and why. The harm gate adds events of known amplitude to each gather and measures what comes
    back of them. It blends a result that loses too much with the input, and returns a gather that
    the model does not suit unchanged.

    A run that is stopped leaves the hidden file `.NAME.part` beside `clean`, never an incomplete
    `clean`. The same command with `--resume` continues it, and the result is identical to that of
    a run that was not stopped. `NAME.json` beside `clean` records how the file was made, with the
    report of each gather.

    Args:
        noisy: the file to read, SEG-Y or another format that has a reader.
        clean: the file to write, in the same format; it appears complete or not at all.
        model: the shipped model: `shot` for gathers before stack, `stack` for sections and slices,
            `das` for fibres, `station` for one to three components; `auto` chooses by the file.
        run: a run folder that `scionwood fit` wrote, or the name of a shipped run, in place of the
            shipped models.
        gather: the SEG-Y trace header whose value identifies a gather; `none`: the file is one
            gather.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, in place of what the headers of the file give.
        dt: the sample interval, s (m in a depth file), in place of what the headers give.
        gate: what the harm gate does: `blend` keeps events as the limits ask, `report` measures
            only, `off` does neither.
        strong: the least recovered amplitude of events of 4 times the local RMS.
        weak: that of events of the local RMS, in places where at most 10 % of the energy is
            removed.
        common_mode: also remove what all traces of a gather share; flat events go with it.
        force: replace existing outputs, and discard what a stopped run left.
        resume: continue a stopped run with the same options; without one, start.
        qc: also draw gathers, spectra and leakage into this image, and write a page beside it.
        save_noise: also write the removed noise to this file, in the same format.
        tta: adapt the LoRA of a run to each gather first: `matched` to the noise in a window,
            `kurtosis` to Gaussian noise, `none`; `recipe` follows the recipe of the run.
        noise_window: start and end of the window without signal, s (m in a depth file), such as
            0:0.2. The level of the noise is measured in it. SEG-Y times include the recording
            delay; other formats count from the first sample.
        device: where to compute, such as cpu or cuda.
        tile: size of the tiles, traces and samples; by default that of the model.
        overlap: overlap of neighbouring tiles, traces and samples; by default a quarter.

    Raises:
        ReadError: the noisy file is damaged, or no reader knows its format.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written, or the stopped run had other options.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.
        AdapterError: adaptation is requested and the run has no LoRA.
        RecipeError: the overlap does not fit the tile, the device does not exist, the noise window
            is missing or invalid, or no gather has as many traces as the model needs.
    """
    window = None if noise_window is None else _window(noise_window)

    from scionwood_seismic.inference.files import denoise_file
    from scionwood_seismic.inference.gate import GateOptions
    from scionwood_seismic.inference.request import Outputs, Request

    request = Request(
        run,
        model,
        gather=None if gather == "none" else gather,
        vertical=vertical,
        samples=samples,
        dt=dt,
        gate=GateOptions(gate, strong, weak),
        common_mode=common_mode,
        device=device,
        tile=_tile(tile, overlap),
        tta=tta,
        noise_window=window,
    )
    with _terminable():
        denoise_file(
            Path(noisy), Outputs(Path(clean), save_noise, qc, force), request, resume=resume
        )


@renamed(reference="clean", n_gathers="n")
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


@renamed(figure="figures")
def compare(
    reference: InputPath,
    noisy: InputPath,
    denoised: InputPath,
    *,
    noise: str = "all",
    figures: Path | None = None,
    qc: OutputPath | None = None,
    force: bool = False,
) -> None:
    """Compare a denoised file with the unprocessed input and with classical filters.

    Args:
        reference: the noise-free SEG-Y file that `simulate` wrote.
        noisy: the noisy SEG-Y file.
        denoised: the result of `denoise`.
        noise: the noise classes that were given to `simulate`; scores are averaged by class.
        figures: also draw a gather into `denoised.png` in this folder: input, denoised, removed
            and reference.
        qc: also write a QC image and page with the reference and the error, as `denoise` does.
        force: replace existing figures.

    Raises:
        ReadError: a file is damaged, or the three files differ in their gathers.
        RecipeError: a noise class is unknown.
        OutputExistsError: a figure exists and `force` is false.
        WriteError: a figure cannot be written.
    """
    from scionwood_seismic.evaluation.comparison import compare_files

    compare_files(
        Path(reference),
        Path(noisy),
        Path(denoised),
        noises=noise,
        figures=figures,
        qc=qc,
        force=force,
    )


def _window(text: str) -> tuple[float, float]:
    """Parse two times such as `0:0.2`."""
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        first = last = 0.0
    if not first < last < float("inf"):
        rule = "two times in s, the earlier one first"
        raise RecipeError(f"noise window {text!r}", rule, "Such as 0:0.2")
    return first, last


def _tile(tile: int | None, overlap: int | None) -> tuple[int, int] | None:
    """Return the size and the overlap of the tiles; None if neither was given."""
    if tile is None and overlap is None:
        return None
    size = 256 if tile is None else tile
    return size, max(1, size // 4) if overlap is None else overlap


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, which queue systems send, end a run as Ctrl-C does, with its state on disk."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
