"""The names of the files in a run folder."""

from __future__ import annotations

import re
from pathlib import Path

from scionwood.errors import OutputExistsError

RECIPE = "recipe.yaml"
ADAPTER = "adapter"
HEAD = "head.safetensors"
ORIGIN = "origin.json"
BASE = "base.json"
"""The hash of the weights from which the run was adapted, if its recipe names such a file."""

CARD = "README.md"
METRICS = "metrics.csv"
MANIFEST = "scionwood.json"
"""In the folder of the adapter."""

FILES = "files.json"
"""The size and the hash of every file that loading uses."""

SIGNATURE = "signature.json"
"""The signature of `files.json`."""

FORMAT = 1
"""The newest format of `scionwood.json` that this version reads."""

NOTE = re.compile(r"[a-z][a-z0-9_]{0,40}\.json")
"""What a field keeps beside the weights, such as the `normaliser.json` of pde."""

EVALUATION = "evaluation.json"
"""The scores of a run, which a command may add to it later. Loading does not use them."""


def refuse_used(folder: Path) -> None:
    """Refuse to start a run in a folder that holds one."""
    if (folder / RECIPE).exists():
        remedy = f"Choose another folder, or continue it: --resume {folder}"
        raise OutputExistsError(str(folder), "it holds a run already", remedy)


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds the results of a run, and not only a checkpoint."""
    return (folder / RECIPE).is_file() and (
        (folder / ADAPTER).is_dir() or (folder / HEAD).is_file()
    )
