"""What a run of the denoiser reports: numbers on the console, and a QC figure on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from scionwood import OutputExistsError, WriteError, atomic_path
from scionwood_seismic import metrics
from scionwood_seismic.normalise import live
from scionwood_seismic.readers.segy import SegyReader

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report(
    before: SegyReader,
    after: SegyReader,
    path: Path,
    console: Console,
    *,
    qc: Path | None = None,
    force: bool = False,
) -> None:
    """Print the first gather's leakage, and draw its QC sheet where one is asked for.

    Args:
        before: the noisy file.
        after: the denoised file.
        path: its name.
        console: where to print.
        qc: the image to write.
        force: replace an image that exists.

    Raises:
        WriteError: see `save_figure`.
    """
    noisy, clean = next(iter(before)).data, next(iter(after)).data
    alive = live(noisy)
    console.print(f"{path}: {len(before)} gathers, {before.layout.traces} traces")
    if not alive.any():
        console.print("the first gather has no live trace: nothing to measure or to draw")
        return
    noisy, clean = noisy[alive], clean[alive]
    leak = metrics.leakage(noisy, clean)
    console.print("first gather: " + ", ".join(f"{k} {v:.3g}" for k, v in leak.items()))
    if qc is not None:
        from scionwood_seismic.figures import quality

        save_figure(quality(noisy, clean, before.dt), qc, overwrite=force)
        console.print(f"QC figure: {qc}")


def save_figure(figure: Figure, path: Path, *, overwrite: bool) -> None:
    """Write an image, whole or not at all.

    Raises:
        OutputExistsError: it exists and `overwrite` is false.
        WriteError: the folder or the disk does not take it, or the suffix is no image's.
    """
    try:
        with atomic_path(path, overwrite=overwrite) as part:
            figure.savefig(part, dpi=110)
    except OutputExistsError:
        raise
    except (OSError, ValueError) as error:
        raise WriteError(
            str(path), f"the figure cannot be written ({error})", "Try a .png"
        ) from error
