"""Files in, files out: denoise SEG-Y with a trained run, or simulate SEG-Y to try that on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from scionwood import OutputExistsError, RecipeError, Record, load_run
from scionwood_seismic.data import check_names, generator
from scionwood_seismic.inference import denoise_array
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.opening import open_reader
from scionwood_seismic.readers.segy import Gather, SegyReader
from scionwood_seismic.report import report
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.noise import NOISES
from scionwood_seismic.synth.signal import gather as draw_gather

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Outputs:
    """Where results go: the clean file, the removed noise, the QC image; and whether to replace."""

    clean: Path
    noise: Path | None = None
    qc: Path | None = None
    force: bool = False

    def check(self) -> None:
        """Fail before the work, not after it.

        Raises:
            OutputExistsError: one of them exists and `force` is false.
        """
        for path in (self.clean, self.noise, self.qc):
            if path is not None and path.exists() and not self.force:
                raise OutputExistsError(
                    str(path), "it exists already", "Give --force to replace it"
                )


def denoise_file(
    source: Path,
    outputs: Outputs,
    run: Path,
    *,
    gather: Gather | None = "fldr",
    device: str = "cpu",
    tile: tuple[int, int] = (256, 64),
) -> None:
    """Denoise a SEG-Y file gather by gather, with a progress bar, and print the leakage.

    Args:
        source: the noisy file.
        outputs: where results go.
        run: a run folder with an adapter of the denoising task.
        gather: the header key of a gather, or None for blocks.
        device: where to compute.
        tile: size and overlap of the tiles, traces and samples.

    Raises:
        ReadError, WriteError, OutputExistsError, AdapterFileError: see `SegyReader`, `load_run`.
        RecipeError: the overlap does not fit the tile, or there is no such device.
    """
    if not 0 < tile[1] <= tile[0] // 2:
        rule = "tiles overlap by at least 1 and at most half their size"
        raise RecipeError(f"tile {tile[0]}, overlap {tile[1]}", rule, "Such as 256 and 64")
    outputs.check()
    console = Console()
    with open_reader(source, gather=gather) as reader:
        model = load_run(run, device=_usable(device)).backbone
        _rewrite(reader, outputs, model, tile, console)
    if outputs.noise is not None:
        _save_difference(source, outputs, gather)
    with (
        open_reader(source, gather=gather) as before,
        open_reader(outputs.clean, gather=gather) as after,
    ):
        report(before, after, outputs.clean, console, qc=outputs.qc, force=outputs.force)


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
    overwrite: bool,
) -> None:
    """Write generated gathers (gather, trace, time) with noise and without; see `cli.simulate`.

    Raises:
        RecipeError: an unknown noise class.
        OutputExistsError, WriteError: see `write_segy`.
    """
    kinds = noise_classes(noises)
    Outputs(noisy, reference, force=overwrite).check()
    clean, dirty = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for i in range(shape[0]):
        rng = generator(seed, "simulate", i)
        clean[i] = draw_gather(rng, shape[1:], dt=dt, dx=dx)
        dirty[i] = corrupt(rng, clean[i], kinds[i % len(kinds)], snr, dt=dt, dx=dx)
    write_segy(reference, clean, dt=dt, overwrite=overwrite)
    write_segy(noisy, dirty, dt=dt, overwrite=overwrite)


def noise_classes(names: str) -> list[str]:
    """The classes that a comma-separated list names; `all` for every class.

    Raises:
        RecipeError: one does not exist.
    """
    kinds = list(NOISES) if names == "all" else [name.strip() for name in names.split(",")]
    check_names("noise", kinds, tuple(NOISES))
    return kinds


def _usable(device: str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch's own, by backend
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r}", first, "Such as cpu, cuda or cuda:1") from error


def _rewrite(
    reader: SegyReader, outputs: Outputs, model: nn.Module, tile: tuple[int, int], console: Console
) -> None:
    columns = (
        TextColumn("denoising"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} traces"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=reader.layout.traces)

        def clean(record: Record) -> np.ndarray:
            traces = len(record.data)
            return denoise_array(
                model,
                record.data,
                tile=tile[0],
                overlap=tile[1],
                progress=lambda share: bar.advance(task, share * traces),
            )

        reader.rewrite(outputs.clean, clean, overwrite=outputs.force)


def _save_difference(source: Path, outputs: Outputs, gather: Gather | None) -> None:
    assert outputs.noise is not None
    with (
        open_reader(source, gather=gather) as reader,
        open_reader(outputs.clean, gather=gather) as other,
    ):
        cleaned = iter(other)
        reader.rewrite(
            outputs.noise, lambda record: record.data - next(cleaned).data, overwrite=outputs.force
        )
