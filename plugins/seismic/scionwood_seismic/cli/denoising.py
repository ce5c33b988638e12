"""The command `scionwood seismic denoise`: of a file, or of the files of a survey."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

from scionwood import ReadError, RecipeError
from scionwood.authoring import OutputPath, RunPath, check_target
from scionwood_seismic.cli.survey import denoise_survey, is_survey, words


def denoise(
    noisy: Path,
    clean: Path,
    *,
    model: Literal["auto", "shot", "stack", "das", "station"] = "auto",
    run: RunPath | None = None,
    jobs: int | None = None,
    slices: Literal["inline", "crossline", "both"] | None = None,
    neighbours: int | None = None,
    gather: Literal["auto", "fldr", "ep", "cdp", "offset", "iline", "xline", "none"] = "auto",
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
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
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

    Of a folder or a pattern, each file is denoised for itself, with its own sample interval. A line
    for each file gives its traffic light. A file that fails stops no other, and the exit code is 1.
    The same command again does what is not done; `manifest.jsonl` beside the results lists all.

    Args:
        noisy: the file to read, SEG-Y or another format that has a reader; or a folder or a quoted
            pattern, such as 'line*.sgy', for many files.
        clean: the file to write, in the same format; it appears complete or not at all. For many
            files, their folder, or a pattern of their names, such as 'out/{stem}_clean.sgy'.
        model: the shipped model: `shot` for gathers before stack, `stack` for sections and slices,
            `das` for fibres, `station` for one to three components; `auto` chooses by the file.
        run: a run folder that `scionwood fit` wrote, or the name of a shipped run, in place of the
            shipped models.
        jobs: parallel processes, for many files; by default one a core. A single file uses the
            threads of torch.
        slices: for a volume after stack in SEG-Y: `inline`, `crossline`, or `both`, the mean of the
            results of both directions, each with its own gate. The headers (bytes 189 and 193) give
            the numbers of the slices. It replaces `gather`.
        neighbours: slices or shots on each side that the run sees beside each gather; by default as
            many as its recipe says, which is none for the shipped models. 0: each gather by itself.
        gather: the SEG-Y trace header whose value identifies a gather; `none`: the file is one
            gather. `auto` is `fldr`, or `none` for a section: its gathers by `fldr` have fewer than
            8 traces, and another header counts the traces.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, in place of what the headers of the file give.
        dt: the sample interval, s (m in a depth file), in place of what the headers give.
        gate: what the harm gate does: `blend` keeps events as the limits ask, `report` measures
            only, `off` measures nothing. Records outside of what the models were tried on pass
            through in all three.
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
        precision: the arithmetic of the network; `auto` takes bfloat16 where the hardware has it
            and the network was tried in it, and otherwise float32. The results differ by far less
            than any noise.
        tile: size of the tiles, traces and samples; by default that of the model.
        overlap: overlap of neighbouring tiles, traces and samples; by default a quarter.

    Raises:
        ReadError: the noisy file is damaged, or no reader knows its format.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written, or the stopped run had other options.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.
        AdapterError: adaptation is requested and the run has no LoRA.
        RecipeError: the overlap does not fit the tile, the device does not exist, the noise window
            is missing or invalid, no gather has as many traces as the model needs, or the file is
            no volume that has such slices.
        BatchError: of many files, two would become one, or results exist that no such command made.
        SystemExit: with 1 if a file of many failed.
    """
    given = dict(locals())
    if is_survey(noisy):
        with _terminable():
            denoise_survey(noisy, clean, words(denoise, given), jobs=jobs, force=force)
        return
    if not noisy.exists():
        raise ReadError(str(noisy), "there is no such file", "Check the path")
    if jobs is not None:
        rule = f"{noisy} is one file, and jobs are files at a time"
        raise RecipeError(f"jobs {jobs}", rule, "Give a folder or a pattern, or leave --jobs out")
    check_target(clean, force or resume)
    window = None if noise_window is None else _window(noise_window)

    from scionwood_seismic.inference.files import denoise_file
    from scionwood_seismic.inference.gate import GateOptions
    from scionwood_seismic.inference.request import Outputs, Request

    request = Request(
        run,
        model,
        gather=None if gather == "none" else gather,
        slices=slices,
        neighbours=neighbours,
        vertical=vertical,
        samples=samples,
        dt=dt,
        gate=GateOptions(gate, strong, weak),
        common_mode=common_mode,
        device=device,
        tile=_tile(tile, overlap),
        tta=tta,
        noise_window=window,
        precision=precision,
    )
    with _terminable():
        denoise_file(noisy, Outputs(clean, save_noise, qc, force), request, resume=resume)


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
