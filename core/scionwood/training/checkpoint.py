"""Checkpoints: written completely or not at all, and read without running code in them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from scionwood.errors import ReadError, TrainingError
from scionwood.training.weights import load_tensors
from scionwood_sandbox.files import atomic_path, writing
from scionwood_sandbox.regular import open_regular

LAST = "checkpoints/last.ckpt"
"""The checkpoint to resume from, inside the run folder."""
BEST = "checkpoints/best.ckpt"
"""The weights with the best validation, inside the run folder."""
RESUME = "Then resume from the last checkpoint, which is whole"
"""The remedy after a failed write in a run."""


@final
class SafeCheckpointIO(CheckpointIO):
    """Writes a temporary file in the target's folder, then renames it; reads tensors only.

    Lightning's own class writes to TMPDIR first, which is often on another file system. A process
    that is killed during the copy from there leaves half a checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            WriteError: the disk is full or not writable; the previous checkpoint is untouched.
        """
        buffer = io.BytesIO()  # in memory first, because torch hides the errno of a failed write
        torch.save(checkpoint, buffer)
        with (
            writing(f"checkpoint {path}", then=RESUME),
            atomic_path(Path(path)) as part,
            buffer.getbuffer() as view,
            part.open("wb") as file,
        ):
            file.write(view)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint from a local disk; `weights_only` is always on.

        Raises:
            TrainingError: a remote address, a damaged file, or one that holds more than tensors.
        """
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint if it exists."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU; only tensors and plain data are created.

    Raises:
        TrainingError: a remote address, a link or a device, a damaged file, or one that holds more
            than tensors.
    """
    if "://" in str(path):
        rule = "checkpoints are read from this machine's disk only"
        raise TrainingError(f"checkpoint {path}", rule, "Download it, if you trust who made it")
    damaged = TrainingError(
        f"checkpoint {path}",
        "it is damaged or holds more than tensors and plain data",
        "Use another one of the run's checkpoints",
    )
    try:
        with open_regular(path) as file:
            whole = zipfile.is_zipfile(file)  # on some bytes it raises BadZipFile
            file.seek(0)
            checkpoint = load_tensors(file) if whole else None
    except TrainingError:
        raise
    except ReadError as error:
        raise TrainingError(f"checkpoint {path}", error.rule, error.remedy) from error
    except Exception as error:  # hostile bytes can raise any exception; it is kept as the cause
        raise damaged from error
    if not whole:
        raise damaged
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise TrainingError(f"checkpoint {path}", "it has no state_dict", "Is this the right file?")
    return checkpoint


def clean_debris(run: Path, *, fresh: bool) -> None:
    """Remove the temporary files of a killed process; a new start also removes `best.ckpt`."""
    if fresh:
        (run / BEST).unlink(missing_ok=True)
    for part in (run / LAST).parent.glob(".*.ckpt"):
        part.unlink(missing_ok=True)
