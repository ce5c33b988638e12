"""Checkpoints: written whole or not at all, read without running what is in them."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from scionwood.errors import TrainingError
from scionwood.files import atomic_path, writing

LAST = "checkpoints/last.ckpt"
"""The checkpoint to resume from, inside the run folder."""
BEST = "checkpoints/best.ckpt"
"""The weights with the best validation, inside the run folder."""
RESUME = "Then resume from the last checkpoint, which is whole"
"""The remedy after a failed write in a run."""
UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@final
class SafeCheckpointIO(CheckpointIO):
    """Writes to a temporary file in the target's folder, fsync, rename; reads tensors only.

    Lightning's own stages in TMPDIR, which is often another file system than the run's: a kill
    during that copy leaves half a checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            WriteError: the disk is full or forbids it; the previous checkpoint is untouched.
        """
        buffer = io.BytesIO()  # first, since torch hides the errno of a failed write
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
        """Read a checkpoint of this machine; `weights_only` is always on.

        Raises:
            TrainingError: a remote address, a damaged file, or one that holds more than tensors.
        """
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; only tensors and plain data are ever built.

    Raises:
        TrainingError: a remote address, a damaged file, or one that holds more than tensors.
    """
    refuse_unsafe_torch()
    if "://" in str(path):
        rule = "checkpoints are read from this machine's disk only"
        raise TrainingError(f"checkpoint {path}", rule, "Download it, if you trust who made it")
    damaged = TrainingError(
        f"checkpoint {path}",
        "it is damaged or holds more than tensors and plain data",
        "Use another one of the run's checkpoints",
    )
    if not zipfile.is_zipfile(path):
        raise damaged
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # hostile bytes raise of every kind; theirs is kept as the cause
        raise damaged from error
    if not isinstance(found, dict) or "state_dict" not in found:
        raise TrainingError(f"checkpoint {path}", "it has no state_dict", "Is this the right file?")
    return found


def refuse_unsafe_torch() -> None:
    """Refuse to start where the environment makes torch run the code in a checkpoint.

    Raises:
        TrainingError: the variable is set.
    """
    if os.environ.get(UNSAFE):
        rule = "it makes torch run whatever code a checkpoint holds"
        raise TrainingError(f"environment variable {UNSAFE}", rule, f"Run: unset {UNSAFE}")


def clean_debris(run: Path, *, fresh: bool) -> None:
    """Remove what a killed write left; a fresh start also forgets the best weights of before."""
    if fresh:
        (run / BEST).unlink(missing_ok=True)
    for part in (run / LAST).parent.glob(".*.ckpt"):
        part.unlink(missing_ok=True)
