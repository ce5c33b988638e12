"""List the runs that this machine has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scionwood.runs.cache import COMMIT, all_cached
from scionwood.runs.card import scope_and_score
from scionwood.runs.layout import is_finished
from scionwood.runs.origin import Origin, read_origin
from scionwood.runs.shipped import all_shipped


@dataclass(frozen=True)
class KnownRun:
    """A finished run on this machine.

    Attributes:
        reference: what names it in a command.
        kind: `shipped` by a plugin, `pulled` into the cache, or `local`.
        version: of the plugin, the commit or the digest; empty for a local run.
        scope: the data on which it was trained and tested.
        score: its result.
        folder: where it is.
    """

    reference: str
    kind: str
    version: str
    scope: str
    score: str
    folder: str


def known_runs(local: Path = Path("runs")) -> list[KnownRun]:
    """Return the runs that plugins ship, those in the cache, and those in a folder.

    Args:
        local: the folder in which `fit` creates run folders.

    Raises:
        ReadError: an `origin.json` is damaged.
    """
    shipped = all_shipped().items()
    local_runs = sorted(local.iterdir()) if local.is_dir() else []
    return [
        *(_known_run(reference, "shipped", run) for reference, run in shipped if is_finished(run)),
        *(_known_run("", "pulled", folder) for folder in all_cached()),
        *(
            _known_run(folder.as_posix(), "local", folder)
            for folder in local_runs
            if is_finished(folder)
        ),
    ]


def _known_run(reference: str, kind: str, folder: Path) -> KnownRun:
    scope, score = scope_and_score(folder)
    origin = read_origin(folder) or Origin("", scope=scope, score=score)
    return KnownRun(
        reference or _reference(origin),
        kind,
        origin.version,
        origin.scope,
        origin.score,
        str(folder),
    )


def _reference(origin: Origin) -> str:
    if origin.name.startswith("hf:"):
        repository = origin.name.partition("@")[0]
        return f"{repository}@{origin.version}" if COMMIT.fullmatch(origin.version) else repository
    return f"{origin.name}#sha256={origin.version}"
