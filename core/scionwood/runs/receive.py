"""Fetch a run from elsewhere into the cache, after all checks that need no model.

`load_adapter` makes the others when the run is loaded: the hash of the base, the config, and the
names, shapes and values of the tensors.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from scionwood.errors import (
    AdapterError,
    AdapterFileError,
    OutputExistsError,
    ReadError,
    ScionwoodError,
)
from scionwood.recipes.recipe_file import read_yaml
from scionwood.runs import hub, web
from scionwood.runs.cache import cached, home, remember, workshop
from scionwood.runs.layout import (
    ADAPTER,
    FILES,
    FORMAT,
    MANIFEST,
    RECIPE,
    arrange,
    check_sizes,
    is_finished,
    is_part,
    weights_digest,
)
from scionwood.runs.manifest import check_manifest
from scionwood.runs.origin import known_origin, write_origin
from scionwood.runs.remote import HubRun, Remote, ZipRun
from scionwood_sandbox.archives.packing import unpacked
from scionwood_sandbox.archives.zips import check_zip
from scionwood_sandbox.files import atomic_folder, reading, writing
from scionwood_sandbox.linear import Patterns

_PATTERN_OPTIONS = frozenset(
    ["targets", "target_modules", "exclude_modules", "feedforward_modules", "modules_to_save"]
)
"""Options of a recipe that may hold patterns, beside those that end in `_pattern`."""

_PLAIN = re.compile(r"[\w.|-]*")


def receive(remote: Remote) -> Path:
    """Fetch a run into the cache, unless the cache has it as it is now.

    Returns:
        The run folder in the cache. A fetch that fails or is killed leaves none.

    Raises:
        ReadError: nothing can be fetched, or it is no run; see `hub` and `web`.
        AdapterFileError: a file is too large, damaged, or of a newer version.
        RecipeError: the recipe is not acceptable.
        WriteError: the disk is full or not writable.
    """
    if isinstance(remote, ZipRun):
        return cached(remote) or _receive_zip(remote)
    commit, sizes = hub.look(remote)
    folder = home(remote, commit)
    if not (folder / RECIPE).is_file():
        with workshop() as place:
            hub.download(remote, commit, sizes, place)
            _keep(place, folder, remote, commit)
    remember(remote, commit)
    return folder


def _check_archive(path: Path, where: str) -> None:
    """Refuse an archive that holds anything but the files of a run, and name the entry."""
    check_zip(path, "run archive")
    with reading(path, "run archive"), zipfile.ZipFile(path) as archive:
        entries = {info.filename: info.file_size for info in archive.infolist()}
    for name in entries:
        if not (is_part(name) or name == "figures/"):
            rule = f"entry {name[:80]!r} is not a file of a run"
            raise ReadError(where, rule, "Have it made with: scionwood push RUN NAME.zip")
    check_sizes(where, entries)


def _receive_zip(run: ZipRun) -> Path:
    with workshop() as place:
        path = place / "run.zip"
        web.download(run, path)
        _check_archive(path, run.url)
        with unpacked(path, place, kind="run archive") as content:
            _keep(content, home(run), run, run.sha256)
    return home(run)


def _keep(repository: Path, target: Path, remote: Remote, version: str) -> None:
    """Check the content of a repository, and make it a run folder in the cache."""
    name = str(remote) if isinstance(remote, HubRun) else remote.url
    try:
        with writing(target), atomic_folder(target) as run:
            arrange(repository, run, name)
            with _named(run, name):
                _check(run)
            if (run / FILES).is_file():
                with _named(run, name, "Ask its author"):
                    check_manifest(run)
            origin, digest = known_origin(run), weights_digest(run)
            if origin.digest and origin.digest != digest:
                rule = f"its weights have the digest {digest}, but it states {origin.digest}"
                raise AdapterFileError(name, rule, "Do not use it: they were changed or damaged")
            write_origin(run, replace(origin, name=name, version=version, digest=digest))
    except OutputExistsError:  # another process was faster, and the content is the same
        return


@contextmanager
def _named(run: Path, name: str, remedy: str = "") -> Iterator[None]:
    """Let errors name a reference instead of the temporary folder of the run."""
    try:
        yield
    except ScionwoodError as error:
        file = error.value.removeprefix(str(run)).removeprefix(os.sep)
        value = f"{name}: {file}" if file else name
        raise type(error)(value, error.rule, remedy or error.remedy) from error


def _check(run: Path) -> None:
    if not is_finished(run):
        raise ReadError(str(run), "it holds neither an adapter nor a head", "Ask its author")
    recipe = run / RECIPE
    _refuse_patterns(read_yaml(recipe).get("adapter"), str(recipe))
    manifest = run / ADAPTER / MANIFEST
    if not manifest.is_file():
        return
    with reading(manifest, "JSON"):
        record = json.loads(manifest.read_text("utf-8"))
    number = record.get("format") if isinstance(record, dict) else None
    if isinstance(number, int) and number > FORMAT:
        rule = f"it has format {number}, and this version reads {FORMAT}"
        raise AdapterFileError(str(manifest), rule, "Take a newer Scionwood")


def _refuse_patterns(options: Any, where: str) -> None:
    """Refuse an adapter's options in a recipe of others if a pattern has no linear form.

    Patterns that pass here are matched in linear time when the adapter is attached.
    """
    patterns = Patterns((), AdapterError)
    for option, value in options.items() if isinstance(options, Mapping) else ():
        if not (option in _PATTERN_OPTIONS or str(option).endswith("_pattern")):
            continue
        texts = [value] if isinstance(value, str) else list(value or ())
        for text in texts:
            if isinstance(text, str) and not _PLAIN.fullmatch(text):
                patterns.compile(text, f"{where}: adapter.{option}")
