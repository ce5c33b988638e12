"""The folder in which pulled runs are kept.

runs/hub/OWNER--NAME/commits/COMMIT/   a run as it was at a commit; it never changes
runs/hub/OWNER--NAME/revisions/main    the commit that a branch or tag had at the last pull
runs/zip/SHA256/                       a run from an archive
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from scionwood.runs.layout import RECIPE
from scionwood.runs.remote import HubRun, Remote
from scionwood_sandbox.files import atomic_path, writing

VARIABLE = "SCIONWOOD_CACHE"
"""The environment variable that names another folder."""

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

_DAY = 86_400  # seconds


def cache_folder() -> Path:
    """Return the folder of the cache, which may not exist yet.

    `SCIONWOOD_CACHE`, or the folder for caches of the system: `~/.cache/scionwood`, on Windows
    `%LOCALAPPDATA%/scionwood`.
    """
    if override := os.environ.get(VARIABLE):
        return Path(override).expanduser()
    system = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    return Path(os.environ.get(system) or Path.home() / ".cache") / "scionwood"


def home(remote: Remote, commit: str = "") -> Path:
    """Return the folder in the cache that a run has, or is to get."""
    if isinstance(remote, HubRun):
        return _repository(remote) / "commits" / commit
    return _runs() / "zip" / remote.sha256


def cached(remote: Remote) -> Path | None:
    """Return the folder of a run that was pulled before, or None."""
    commit = ""
    if isinstance(remote, HubRun):
        note = _note(remote)
        commit = note.read_text("utf-8").strip() if note.is_file() else remote.revision
        if not COMMIT.fullmatch(commit):
            return None
    folder = home(remote, commit)
    return folder if (folder / RECIPE).is_file() else None


def all_cached() -> list[Path]:
    """Return the folders of all pulled runs."""
    recipes = [*_runs().glob(f"hub/*/commits/*/{RECIPE}"), *_runs().glob(f"zip/*/{RECIPE}")]
    return sorted(path.parent for path in recipes if not path.parent.name.startswith("."))


def remember(run: HubRun, commit: str) -> None:
    """Note which commit a branch or tag has, so that the reference works without network."""
    note = _note(run)
    with writing(note), atomic_path(note) as part:
        part.write_text(f"{commit}\n", encoding="utf-8")


@contextmanager
def workshop() -> Iterator[Path]:
    """Yield a temporary folder on the disk of the cache, for downloads.

    It also removes such folders of processes that were killed more than a day ago.
    """
    place = cache_folder() / "downloads"
    with writing(place, then=f"Or name another folder: {VARIABLE}=FOLDER"):
        place.mkdir(parents=True, exist_ok=True)
        for folder in place.iterdir():
            with suppress(FileNotFoundError):  # another process has just removed it
                if time.time() - folder.stat().st_mtime > _DAY:
                    shutil.rmtree(folder, ignore_errors=True)
        download_folder = tempfile.TemporaryDirectory(dir=place)
    with download_folder as folder_name:
        yield Path(folder_name)


def _runs() -> Path:
    return cache_folder() / "runs"


def _repository(run: HubRun) -> Path:
    return _runs() / "hub" / run.repository.replace("/", "--")


def _note(run: HubRun) -> Path:
    return _repository(run) / "revisions" / quote(run.revision, safe="")
