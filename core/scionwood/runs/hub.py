"""Fetch from the hub, through `huggingface_hub`.

The client reads its settings when it is imported, which takes 0.2 s. So it is imported inside the
functions, and the server is always named.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scionwood.errors import ReadError, ScionwoodError, WriteError
from scionwood.runs.cache import COMMIT, VARIABLE
from scionwood.runs.layout import RECIPE, check_sizes, is_part
from scionwood.runs.remote import HubRun, refuse_offline
from scionwood_sandbox.files import writing

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN"


def look(run: HubRun) -> tuple[str, dict[str, int]]:
    """Ask the hub for the present commit of a run, and for the files of it that may be fetched.

    Returns:
        The commit, and the bytes of the files by their names in the repository.

    Raises:
        ReadError: the hub cannot be reached, or has no such repository or revision.
        AdapterFileError: a file is too large.
    """
    refuse_offline(str(run))
    with answers(run.repository, ReadError):
        info = client().model_info(run.repository, revision=run.revision, files_metadata=True)
    commit = str(info.sha)
    if not COMMIT.fullmatch(commit):
        raise ReadError(str(run), f"the hub names no commit but {commit[:80]!r}", "Try again")
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    sizes = {name: size for name, size in sizes.items() if is_part(name)}
    if RECIPE not in sizes:
        remedy = "Download it yourself, then load it: scionwood.load_adapter(backbone, folder)"
        raise ReadError(str(run), f"it has no {RECIPE}, so it holds no run", remedy)
    check_sizes(str(run), sizes)
    return commit, sizes


def download(run: HubRun, commit: str, sizes: Mapping[str, int], folder: Path) -> None:
    """Fetch files of a repository.

    Args:
        run: the reference.
        commit: of the files.
        sizes: bytes of the files by name; no other file is fetched.
        folder: an empty folder, where to write them under their names.
    """
    from huggingface_hub import snapshot_download

    needed, free = sum(sizes.values()), shutil.disk_usage(folder).free
    if needed > free:
        rule = f"it needs {needed:,} bytes, and the disk has {free:,}"
        raise WriteError(str(folder), rule, f"Free space, or choose a disk: {VARIABLE}=FOLDER")
    with answers(run.repository, ReadError), bars():
        snapshot_download(
            run.repository,
            revision=commit,
            local_dir=folder,
            allow_patterns=list(sizes),
            endpoint=_endpoint(),
        )


def client() -> HfApi:
    """Return a client of the hub, or of the mirror that `HF_ENDPOINT` names."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint(), library_name="scionwood")


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


@contextmanager
def answers(repository: str, kind: type[ReadError] | type[WriteError]) -> Iterator[None]:
    """Turn what the client raises into an error of Scionwood."""
    try:
        yield
    except ScionwoodError:
        raise
    except Exception as error:  # the client's HTTP library has changed, and its errors with it
        # OSError: of the disk, since those of the network have no number or are ConnectionErrors.
        if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
            with writing(repository):
                raise
        rule, remedy = _diagnosis(error)
        raise kind(f"hf:{repository}", rule, remedy) from error


def _diagnosis(error: Exception) -> tuple[str, str]:
    from huggingface_hub import errors

    reason = " ".join(str(error).split())[:200] or type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, errors.GatedRepoError):
        return "its owner grants access on request", f"Ask on its page. {LOG_IN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision", "Check the part after @"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no such repository", f"Check the name. If it is private: {LOG_IN}"
    if status in (401, 403):
        return f"the hub refuses the access token (answer {status})", LOG_IN
    if status:
        return f"the hub answers {status} ({reason})", "Try again later"
    where = _endpoint() or "the hub"
    remedy = "Check the network, or name a mirror of the hub: HF_ENDPOINT=https://..."
    return f"{where} cannot be reached, or stopped answering ({reason})", remedy


@contextmanager
def bars() -> Iterator[None]:
    """Show progress on a terminal only."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    hidden = are_progress_bars_disabled()
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            enable_progress_bars()
