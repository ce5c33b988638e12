"""The names of the files in a run folder."""

from __future__ import annotations

from pathlib import Path

RECIPE = "recipe.yaml"
ADAPTER = "adapter"
HEAD = "head.safetensors"
ORIGIN = "origin.json"
CARD = "README.md"
METRICS = "metrics.csv"
MANIFEST = "scionwood.json"
"""In the folder of the adapter."""

FORMAT = 1
"""The newest format of `scionwood.json` that this version reads."""


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds the results of a run, and not only a checkpoint."""
    return (folder / RECIPE).is_file() and (
        (folder / ADAPTER).is_dir() or (folder / HEAD).is_file()
    )
