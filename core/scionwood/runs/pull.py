"""Fetch a run that somebody shared."""

from __future__ import annotations

import shutil
from pathlib import Path

from scionwood.runs.receive import receive
from scionwood.runs.reference import find_run
from scionwood.runs.remote import parse_remote
from scionwood_sandbox.files import atomic_folder, check_target, writing


def pull(reference: str | Path, to: str | Path | None = None, *, force: bool = False) -> Path:
    """Fetch a run into the cache, or copy it into a folder.

    Args:
        reference: any reference that `find_run` takes. The hub is asked for the present commit of a
            branch or tag.
        to: a folder to write the run to; `None` leaves it in the cache.
        force: replace a folder that exists.

    Returns:
        The run folder.

    Raises:
        OutputExistsError: `to` exists, and `force` is false.
        ScionwoodError: see `find_run`.
        WriteError: the disk is full or not writable.

    Example:
        >>> scionwood.pull("seismic/denoise", "runs/theirs").as_posix()
        'runs/theirs'
    """
    if to is not None:
        check_target(to, force)
    remote = parse_remote(reference)
    folder = receive(remote) if remote else find_run(reference, quiet=True)
    if to is None:
        return folder
    target = Path(to)
    with writing(target), atomic_folder(target, overwrite=force) as part:
        shutil.copytree(folder, part, dirs_exist_ok=True)
    return target
