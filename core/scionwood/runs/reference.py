"""One way to name a run, wherever a run is expected."""

from __future__ import annotations

import sys
from pathlib import Path

from scionwood import discovery
from scionwood.errors import TrainingError
from scionwood.runs.layout import RECIPE, is_finished
from scionwood.runs.origin import read_origin
from scionwood.runs.shipped import shipped_runs

_told: set[Path] = set()


def find_run(reference: str | Path, *, quiet: bool = False) -> Path:
    """Return the folder of a finished run.

    Args:
        reference: a folder, or `plugin/name` for a run that a plugin ships.
        quiet: do not print where the run comes from. Without it, one line on stderr says so the
            first time that a shipped or pulled run is used in a process.

    Raises:
        TrainingError: nothing has this name, or the folder does not hold a finished run.
        PluginError: the plugin is missing or broken.
    """
    folder = _folder(reference)
    if not is_finished(folder):
        resume = f"Finish it: scionwood fit --resume {folder}"
        remedy = resume if (folder / RECIPE).is_file() else "Name the folder that fit printed"
        raise TrainingError(f"run {folder}", "it does not hold a finished run", remedy)
    origin = read_origin(folder)
    if origin and not quiet and folder not in _told:
        _told.add(folder)
        print(f"using {origin}", file=sys.stderr)
    return folder


def _folder(reference: str | Path) -> Path:
    if (path := Path(reference)).exists():
        return path
    owner, slash, name = str(reference).partition("/")
    if slash and owner in discovery.entries():
        runs = shipped_runs(owner)
        if name in runs:
            return runs[name]
        near = discovery.did_you_mean(name, runs) or f"It ships: {', '.join(runs) or 'none'}"
        raise TrainingError(f"run {reference}", f"plugin {owner!r} ships no such run", near)
    raise TrainingError(
        f"run {reference}",
        "there is no such folder, and no plugin ships a run of this name",
        "See: scionwood runs",
    )
