"""Train a run that a plugin ships, so that anybody can repeat it."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from scionwood.files import atomic_folder
from scionwood.recipe import resolve
from scionwood.runs.digest import weights_digest
from scionwood.runs.layout import ADAPTER, HEAD, RECIPE
from scionwood.runs.origin import Origin, write_origin
from scionwood.training.run import fit

SHIPPED = (ADAPTER, HEAD, RECIPE, "metrics.csv", "README.md")
"""The files of a run that a package carries: no checkpoint, no page, no figure."""


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
    """
    with tempfile.TemporaryDirectory() as place:
        run = fit(resolve(recipe, overrides), run_dir=Path(place) / "run")
        origin = Origin(name, version, scope, score(run), weights_digest(run), processor())
        with atomic_folder(target, overwrite=True) as folder:
            for part in SHIPPED:
                if (run / part).is_dir():
                    shutil.copytree(run / part, folder / part)
                elif (run / part).is_file():
                    shutil.copy(run / part, folder / part)
            write_origin(folder, origin)
    return origin


def processor() -> str:
    """Return the name of the processor, by which results of training may differ in rounding."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
