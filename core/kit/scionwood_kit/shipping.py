"""Train a run that a plugin ships, so that anybody can repeat it."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from scionwood.recipes.recipe import resolve
from scionwood.runs.layout import ADAPTER, CARD, HEAD, METRICS, RECIPE, weights_digest
from scionwood.runs.manifest import write_manifest
from scionwood.runs.origin import Origin, write_origin
from scionwood.training.run import fit
from scionwood_sandbox.files import atomic_folder

SHIPPED = (ADAPTER, HEAD, RECIPE, METRICS, CARD)
"""What a plugin carries of a run, beside JSON files of the field: no checkpoint, page or figure."""


def ship(
    recipe: str,
    target: Path,
    *,
    name: str,
    version: str,
    scope: str,
    score: Callable[[Path], str],
    overrides: Sequence[str] = (),
) -> Origin:
    """Train by a recipe and write the run as a plugin ships it.

    Args:
        recipe: a plugin's recipe, such as `seismic/denoise`.
        target: the folder in the plugin's package; it is replaced when the run is finished.
        name: the reference of the run, `seismic/denoise`.
        version: the version of the plugin.
        scope: the data on which it was trained and tested, in a few words.
        score: measures the run and returns one phrase, such as "14.1 dB on held-out noise".
        overrides: keys of the recipe that differ, such as `trainer.max_steps=500`.

    Returns:
        The origin, which is in the folder too. Its digest is the same when the script runs again on
        the same kind of processor.

    Example:
        >>> from pathlib import Path
        >>> sizes = {"n_train": 2, "n_val": 1, "n_test": 1, "n_frames": 2, "n_points": 16}
        >>> from scionwood_kit import ship
        >>> origin = ship(
        ...     "pde/dynamics",
        ...     Path("runs/small"),
        ...     name="hydrology/small",
        ...     version="0.1.0",
        ...     scope="generated data",
        ...     score=lambda run: f"test loss {scionwood.test(run)['test_loss']:.2f}",
        ...     overrides=["trainer.max_steps=1", "backbone.tile=16"]
        ...     + [f"data.{name}={size}" for name, size in sizes.items()],
        ... )
        >>> origin.name
        'hydrology/small'
    """
    torch.set_num_threads(1)  # the rounding of sums depends on the number of threads
    with tempfile.TemporaryDirectory() as place:
        run = fit(resolve(recipe, overrides), run_dir=Path(place) / "run")
        origin = Origin(name, version, scope, score(run), weights_digest(run), machine())
        with atomic_folder(target, overwrite=True) as folder:
            for part in (*SHIPPED, *(path.name for path in run.glob("*.json"))):
                if (run / part).is_dir():
                    shutil.copytree(run / part, folder / part)
                elif (run / part).is_file():
                    shutil.copy(run / part, folder / part)
            write_origin(folder, origin)
            write_manifest(folder)
    return origin


def machine() -> str:
    """Return the processor and the version of torch: with others, training rounds differently."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(names, platform.processor() or platform.machine())
    return f"{processor}, torch {torch.__version__}"
