"""Denoise, simulate and open files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood_seismic.inference.choice import Model
from scionwood_seismic.inference.gate import GateOptions

if TYPE_CHECKING:  # each function imports what it needs: arrays need no library of a file format
    from scionwood_seismic.inference.precision import Precision
    from scionwood_seismic.inference.request import Slices
    from scionwood_seismic.readers.base import SeismicReader
    from scionwood_seismic.readers.segy import Gather


def denoise_file(
    noisy: str | Path,
    clean: str | Path,
    run: str | Path | None = None,
    *,
    model: Model = "auto",
    gather: Gather | Literal["auto"] | None = "auto",
    slices: Slices | None = None,
    neighbours: int | None = None,
    vertical: Literal["time", "depth"] = "time",
    samples: int | None = None,
    dt: float | None = None,
    gate: GateOptions | None = None,
    common_mode: bool = False,
    noise: str | Path | None = None,
    qc: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    tta: Literal["recipe", "none", "matched", "kurtosis"] = "recipe",
    noise_window: tuple[float, float] | None = None,
    device: str = "cpu",
    precision: Precision = "auto",
    tile: tuple[int, int] | None = None,
) -> None:
    """Denoise a file, as `scionwood seismic denoise` does.

    Args:
        noisy: the file to read: SEG-Y or another format that has a reader.
        clean: the file to write, in the same format. It appears complete or not at all. The
            `NAME.json` beside it has the report of each gather.
        run: a run of the denoising task, as a folder or another reference that
            `scionwood.find_run` takes. By default the shipped run of the model.
        model: `shot`, `stack`, `das` or `station`; `auto` chooses by the file.
        gather: the SEG-Y trace header whose value identifies a gather; None if the file is one
            gather. `auto` is `fldr`, or None for a section: its gathers by `fldr` have fewer than 8
            traces, and another header counts the traces.
        slices: for a volume after stack in SEG-Y, `inline`, `crossline`, or `both` for the mean of
            the results of both directions; None: it is read by `gather`.
        neighbours: slices or shots on each side that the run sees; None: as many as its recipe
            says; 0: each gather by itself.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, in place of what the headers of the file give.
        dt: the sample interval, s (m in a depth file), in place of what the headers give.
        gate: the options of the harm gate.
        common_mode: also remove what all traces of a gather share.
        noise: also write the removed noise to this file, in the same format.
        qc: also write a quality-control image and page; give the name of either.
        force: replace existing outputs.
        resume: continue a run that was stopped, with the same options.
        tta: how to adapt to each gather; `recipe` follows the recipe of the run.
        noise_window: start and end of the signal-free window, s (m in a depth file).
        device: where to compute.
        precision: the arithmetic of the network; `auto` takes bfloat16 where the hardware has it.
        tile: size and overlap of the tiles, traces and samples; by default those of the model.

    Raises:
        ReadError: the file is damaged, or no reader knows its format.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written, or the stopped run had other options.
        AdapterFileError: the adapter of the run is damaged, or belongs to another base model.
        AdapterError: adaptation is requested and the run has no LoRA.
        RecipeError: an option is invalid.

    Example:
        >>> simulate("noisy.sgy", "reference.sgy", shape=(2, 48, 96))
        >>> denoise_file("noisy.sgy", "clean.sgy")  # doctest: +ELLIPSIS
        model ...
    """
    from scionwood_seismic.inference import files
    from scionwood_seismic.inference.request import Outputs, Request

    outputs = Outputs(
        Path(clean),
        noise=None if noise is None else Path(noise),
        qc=None if qc is None else Path(qc),
        force=force,
    )
    request = Request(
        run,
        model,
        gather=gather,
        slices=slices,
        neighbours=neighbours,
        vertical=vertical,
        samples=samples,
        dt=dt,
        gate=gate or GateOptions(),
        common_mode=common_mode,
        device=device,
        tile=tile,
        tta=tta,
        noise_window=noise_window,
        precision=precision,
    )
    files.denoise_file(Path(noisy), outputs, request, resume=resume)


def simulate(
    noisy: str | Path,
    reference: str | Path,
    *,
    shape: tuple[int, int, int] = (20, 256, 256),
    noise: str = "all",
    snr: float = 0.0,
    dt: float = 0.002,
    dx: float = 12.5,
    quiet: float = 0.0,
    seed: int = 0,
    force: bool = False,
) -> None:
    """Write simulated gathers as two SEG-Y files, one with noise and one without.

    Args:
        noisy: the file of the noisy gathers.
        reference: the file of the noise-free gathers.
        shape: (gather, trace, time).
        noise: names of noise classes, separated by commas; `all` for those of the recipes.
        snr: signal-to-noise ratio of each gather, dB.
        dt: the sample interval, s.
        dx: the distance between traces, m.
        quiet: length of the signal-free start of each gather, s.
        seed: seed of signal and noise.
        force: replace existing outputs.

    Raises:
        RecipeError: a noise class is unknown, or `quiet` leaves no time for arrivals.
        OutputExistsError: an output exists and `force` is false.
        WriteError: an output cannot be written.

    Example:
        >>> simulate("shots.sgy", "shots_reference.sgy", shape=(1, 24, 48), noise="swell")
        >>> len(open_file("shots.sgy", gather="fldr"))
        1
    """
    from scionwood_seismic.data.simulation import simulate_files

    simulate_files(
        Path(noisy),
        Path(reference),
        seed=seed,
        noises=noise,
        snr=snr,
        shape=shape,
        dt=dt,
        dx=dx,
        quiet=quiet,
        overwrite=force,
    )


def open_file(path: str | Path, *, gather: Gather | None = None) -> SeismicReader:
    """Open a seismic file with the reader of its format; iterating yields its gathers.

    Args:
        path: the file.
        gather: the SEG-Y trace header whose value identifies a gather; None if the file is one
            gather. The other formats define their gathers themselves.

    Returns:
        The reader. Records have `data`, (trace, time) float32, and `coords`.

    Raises:
        ReadError: no reader knows the format, or the file is damaged.

    Example:
        >>> simulate("two.sgy", "two_reference.sgy", shape=(2, 24, 48))
        >>> [record.data.shape for record in open_file("two.sgy", gather="fldr")]
        [(24, 48), (24, 48)]
    """
    from scionwood_seismic.readers.opening import open_reader

    return open_reader(Path(path), gather=gather)
