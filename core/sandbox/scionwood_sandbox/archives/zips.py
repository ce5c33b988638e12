"""Refuse a zip archive that is too large when inflated, or that holds more than plain files."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, NoReturn

from scionwood_sandbox.archives.streams import inflated_size
from scionwood_sandbox.errors import ReadError
from scionwood_sandbox.files import reading

ENTRIES = 1_000_000
"""The most entries of an archive."""

FREE = 32 << 20
"""Bytes that an archive may always inflate to."""

RATIO = 200
"""How many times its size an archive may inflate to beyond `FREE`; scientific data reach 10."""

LARGEST = 64 << 30
"""Bytes that the compressed entries of an archive may inflate to at most."""

_TRUSTED = "Unpack it yourself if you trust it, and open the folder"
_AGAIN = "Copy it again, or ask for another: it is damaged or hostile"


def check_zip(
    path: str | Path, kind: str, *, allow_repeats: bool = False, inflate: bool = True
) -> None:
    """Refuse a zip archive that is too large when inflated, or whose entries are not plain files.

    Call it before the archive is given to a library. Entries that are stored uncompressed are not
    read. Compressed ones are inflated once in pieces, because a header can claim less than its
    entry holds; an archive that was checked and has not changed is not read again.

    Args:
        path: the archive.
        kind: its format, for the message.
        allow_repeats: accept several entries of one name, of which the last counts. Zarr adds an
            entry again when metadata change.
        inflate: also inflate compressed entries, to compare their sizes with the headers. Switch it
            off for large archives whose library reads entries in small pieces, as numpy does.

    Raises:
        ReadError: more than `ENTRIES` entries; more than `FREE` bytes and `RATIO` times the
            compressed size, or more than `LARGEST`; an absolute name, `..`, a drive letter or a
            backslash; a link, a device, an encrypted, repeated or overlapping entry; a header that
            does not describe its entry; no zip archive.

    Example:
        >>> import zipfile
        >>> with zipfile.ZipFile("bad.zip", "w") as archive:
        ...     archive.writestr("../outside.txt", "one")
        >>> from scionwood_sandbox import check_zip
        >>> check_zip("bad.zip", "run")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: ...bad.zip: run: entry '../outside.txt' has a name ...
    """
    path = Path(path)
    with reading(path, kind):
        state = path.stat()
        key = state.st_size, state.st_mtime_ns
        _checked(path.absolute(), kind, allow_repeats, inflate, key)


@lru_cache(maxsize=256)
def _checked(
    path: Path, kind: str, allow_repeats: bool, inflate: bool, key: tuple[int, int]
) -> None:
    """Check an archive; with another size or time of change (`key`) it is checked again."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > ENTRIES:
            rule = f"{kind}: it has {len(entries):,} entries, more than {ENTRIES:,}"
            raise ReadError(str(path), rule, _TRUSTED)
        _check_names(path, kind, entries, allow_repeats)
        for info in entries:
            if rule := _fault(info):
                _refuse(path, kind, info, rule)
        _check_layout(path, kind, entries, archive.start_dir)
    squeezed = [info for info in entries if info.compress_type != zipfile.ZIP_STORED]
    _check_total(path, kind, squeezed)
    with path.open("rb") as file:
        for info in squeezed if inflate else []:
            _check_content(path, kind, file, info)


def _check_names(
    path: Path, kind: str, entries: list[zipfile.ZipInfo], allow_repeats: bool
) -> None:
    files: set[PurePosixPath] = set()
    names: set[PurePosixPath] = set()
    for info in entries:
        name = PurePosixPath(info.orig_filename)
        rule = _name_fault(info)
        if not rule and name in names and not allow_repeats:
            rule = "is there twice"
        if rule:
            _refuse(path, kind, info, rule)
        names.add(name)
        if not info.is_dir():
            files.add(name)
    for name in names:
        if not files.isdisjoint(name.parents):
            rule = f"{kind}: a parent of entry {str(name)[:80]!r} is a file"
            raise ReadError(str(path), rule, _AGAIN)


def _name_fault(info: zipfile.ZipInfo) -> str:
    """Return what makes a name unacceptable on some system; empty if nothing does."""
    name = info.orig_filename
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
        return "has a name that leaves the folder"
    if "\0" in name or "\\" in name or not (parts or info.is_dir()):
        return "has a name with a backslash, a null or nothing"
    return ""


def _refuse(path: Path, kind: str, info: zipfile.ZipInfo, rule: str) -> NoReturn:
    raise ReadError(str(path), f"{kind}: entry {info.filename[:80]!r} {rule}", _AGAIN)


def _fault(info: zipfile.ZipInfo) -> str:
    """Return what makes an entry unacceptable; empty for a plain file or folder."""
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed by method {info.compress_type}, neither stored nor deflated"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return f"claims {info.file_size:,} bytes and stores {info.compress_size:,}"
    return ""


def _check_layout(path: Path, kind: str, entries: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that share bytes: a quadratic bomb counts each of them many times."""
    ordered = sorted(entries, key=lambda info: info.header_offset, reverse=True)
    for info in ordered:
        if info.header_offset + 30 + info.compress_size > end:
            _refuse(path, kind, info, "overlaps another, or the end")
        end = info.header_offset


def _check_total(path: Path, kind: str, entries: list[zipfile.ZipInfo]) -> None:
    total = sum(info.file_size for info in entries)
    inside = sum(info.compress_size for info in entries)
    if total > LARGEST or total > max(FREE, RATIO * inside):
        rule = f"{kind}: {inside:,} compressed bytes inflate to {total:,}, more than {RATIO} times"
        if total > LARGEST:
            rule = f"{kind}: it inflates to {total:,} bytes, more than {LARGEST:,}"
        raise ReadError(str(path), rule, _TRUSTED)


def _check_content(path: Path, kind: str, file: IO[bytes], info: zipfile.ZipInfo) -> None:
    """Inflate an entry as far as its header claims, and no further."""
    file.seek(info.header_offset)
    head = file.read(30)
    if head[:4] != b"PK\x03\x04" or len(head) < 30:
        _refuse(path, kind, info, "has no header")
    file.seek(sum(struct.unpack("<HH", head[26:])), 1)
    size = inflated_size(file, info.compress_size, info.file_size, -zlib.MAX_WBITS)
    if size != info.file_size:
        claim = f"claims {info.file_size:,} bytes and inflates to "
        claim += "more" if size > info.file_size else f"{size:,}"
        _refuse(path, kind, info, claim)
