"""The command `scionwood export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood.errors import RecipeError
from scionwood.recipes.arguments import OutputPath, RunPath


def export(
    run: RunPath,
    target: OutputPath,
    *,
    format: Literal["pt2", "aoti", "onnx", "merged"] = "pt2",
    shape: str | None = None,
    force: bool = False,
) -> None:
    """Write a run as one file that other programs load without Scionwood.

    The adapter is merged into the base. The file is compared with the run before it gets its name.
    `TARGET.json` beside it says how to use it: shapes, units, padding and normalisation.

    Args:
        run: the run folder, or another reference to a run such as seismic/denoise.
        target: the file to write: NAME.pt2 for pt2 and aoti, NAME.onnx, or NAME.safetensors for
            merged.
        format: `pt2` for torch.export.load; `aoti`, compiled for this machine's processor; `onnx`;
            `merged`, the weights of the backbone alone.
        shape: the lengths of the input's axes after the batch, such as 1x128x128; by default those
            of the task.
        force: replace an existing file.

    Raises:
        ExportError: the run cannot be written in this format, or the file differs from the run.
        OutputExistsError: the file or its sidecar exists and `force` is false.
        RecipeError: the shape is not a list of lengths.
    """
    lengths = None if shape is None else _lengths(shape)
    from scionwood_export.run import export_run

    verified = export_run(run, target, format=format, shape=lengths, force=force)
    size = Path(target).stat().st_size / 1e6
    print(f"{target} ({size:.1f} MB) equals the run within {verified.reached:.1e}")
    print(f"{target}.json says how to use it")


def _lengths(text: str) -> tuple[int, ...]:
    """Parse lengths such as `1x128x128`."""
    parts = text.lower().split("x")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        rule = "it gives the lengths of axes, joined by x"
        raise RecipeError(f"shape {text!r}", rule, "Such as 1x128x128")
    return tuple(int(part) for part in parts)
