"""Copy a run into the server's own folder, so that nobody changes it while it is served."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scionwood import find_run
from scionwood.authoring import atomic_folder, reading
from scionwood_serve.versions.problem import ServingError

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
"""The names of adapters; they are part of URLs."""

LENGTH = 16
"""The hexadecimal digits of a version."""

LARGEST = 32 << 30
"""The most bytes of a run that is served."""

_KINDS = (".yaml", ".json", ".safetensors", ".csv", ".md")
_NOT_LOADED = re.compile(r"(README\.md|.*\.csv|origin\.json|evaluation\.json|(adapter/README\.md))")
_SEALS = ("files.json", "signature.json")


@dataclass(frozen=True)
class Version:
    """One state of an adapter.

    Attributes:
        name: the name of the adapter on this server.
        version: a hash of all files of the run that loading uses.
        folder: the server's copy of the run.
        fields: the plugins whose services may use it: those of its task, data and backbone.
        task: the task, such as `seismic/denoise`.
        base: the hash of the frozen base, as the adapter states it; empty if it has none.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import take_version
        >>> made = take_version("seismic/denoise", Path("held"))
        >>> made.name, made.fields, len(made.version)
        ('denoise', ('seismic',), 16)
    """

    name: str
    version: str
    folder: Path
    fields: tuple[str, ...]
    task: str
    base: str

    def facts(self) -> dict[str, Any]:
        """Return what others may know of it: everything but the place."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


def take_version(
    run: str | Path, into: Path, name: str = "", check: Callable[[Path], None] = lambda _: None
) -> Version:
    """Copy a run, check the copy, and name it by its content.

    Args:
        run: a run by any reference that `scionwood.find_run` takes.
        into: the folder of all versions.
        name: the name of the adapter; by default that of the run.
        check: refuses a copy. An earlier copy of the same content may have no signature.

    Raises:
        ServingError: the name cannot be part of a URL, or the run is too large.
        TrainingError: it is not a finished run.
        AdapterFileError: a file is damaged, changed, or not signed although that is required.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import take_version
        >>> first = take_version("seismic/denoise", Path("held"))
        >>> take_version("seismic/denoise", Path("held")).folder == first.folder
        True
    """
    source = find_run(run, quiet=True)
    name = check_name(name or source.resolve().name.lower())
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    holding = into / f"new-{name}"
    with atomic_folder(holding, overwrite=True) as part:
        _copy(source, part)
    try:
        find_run(holding, quiet=True)  # the copy is checked, since the source may change
        check(holding)
        version = _hash(holding)
        folder = into / version
        if not folder.exists():
            holding.rename(folder)
        if _hash(folder) != version:
            rule = "its files were changed"
            raise ServingError(str(folder), rule, "Remove the folder, or give another --state")
    finally:
        shutil.rmtree(holding, ignore_errors=True)
    return Version(name, version, folder, *_about(folder))


def check_name(name: str) -> str:
    """Return a name of an adapter if it can be part of a URL.

    Raises:
        ServingError: it cannot.
    """
    if not NAME.fullmatch(name):
        rule = "a name has lower-case letters, digits, and -, _ or . between them"
        raise ServingError(f"adapter {name[:80]!r}", rule, "Name it: NAME=RUN")
    return name


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix in _KINDS and not hidden and path.is_file() and inside.parts[0] != "figures":
            yield inside


def _copy(source: Path, target: Path) -> None:
    files = list(_files(source))
    if sum((source / file).stat().st_size for file in files) > LARGEST:
        rule = f"it has more than {LARGEST >> 30} GB"
        raise ServingError(f"run {source.name}", rule, "Serve a smaller run")
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)


def _hash(folder: Path) -> str:
    total = hashlib.sha256()
    for file in _files(folder):
        name = file.as_posix()
        if name not in _SEALS and not _NOT_LOADED.fullmatch(name):
            with (folder / file).open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()[:LENGTH]


def _about(folder: Path) -> tuple[tuple[str, ...], str, str]:
    """Return the plugins of task, data and backbone, the task, and the hash of the base."""
    import yaml

    with reading(folder / "recipe.yaml", "recipe"):
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text("utf-8"))
        parts = [str(recipe[key]["name"]) for key in ("task", "data", "backbone")]
    manifest, base = folder / "adapter" / "scionwood.json", ""
    if manifest.is_file():
        with reading(manifest, "manifest"):
            base = str(json.loads(manifest.read_text("utf-8")).get("base", {}).get("sha256", ""))
    return tuple(dict.fromkeys(part.partition("/")[0] for part in parts)), parts[0], base
