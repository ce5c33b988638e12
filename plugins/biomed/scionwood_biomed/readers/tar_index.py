"""Where the members of a tar archive lie, found header by header with bounded memory."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, TypeAlias, final

from scionwood import ReadError

HEADER = 16 << 10
"""Bytes that an extended header may have: names need a few hundred."""

MEMBERS = 1_000_000
"""The most members of an archive; a shard has some thousands."""

_KEY = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)")
"""A sample's name ends at the first dot of the file's name, as in WebDataset."""


@final
class Member(NamedTuple):
    """A file in the archive: its name, where its content begins, and its size in bytes."""

    name: str
    offset: int
    size: int


Sample: TypeAlias = dict[str, Member]
"""Members of one sample by their ending, in lower case and without a dot."""


def index_samples(path: Path, largest: int) -> dict[str, Sample]:
    """Walk an uncompressed archive once and group its files by sample.

    Args:
        path: the file.
        largest: the most bytes of one member.

    Returns:
        By name of the sample: its members.

    Raises:
        ReadError: it is cut, too long, or has what a shard has no use for: links, devices, sparse
            members, names that leave the folder, one name twice, members that are too large.
    """
    found: dict[str, Sample] = {}
    for member in _members(path, largest):
        match = _KEY.fullmatch(member.name)
        if match is None:
            continue
        sample, end = found.setdefault(match[1], {}), match[2].lower()
        if end in sample:
            raise ReadError(str(path), f"shard: it has {member.name} twice", "Write it again")
        sample[end] = member
    return found


def _members(path: Path, largest: int) -> Iterator[Member]:
    whole = path.stat().st_size
    with path.open("rb") as file, tarfile.open(fileobj=_Headers(file), mode="r:") as archive:  # type: ignore[call-overload]
        end, count = 0, 0
        while (info := archive.next()) is not None:
            archive.members = []  # tarfile keeps all of them otherwise
            count += 1
            _check(path, info, largest, whole)
            if count > MEMBERS or info.offset < end:
                rule = f"shard: it has more than {MEMBERS:,} members, or they overlap"
                raise ReadError(str(path), rule, "Split it")
            end = info.offset_data + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if info.isreg():
                yield Member(info.name, info.offset_data, info.size)
        file.seek(end)
        # An archive ends with a block of zeros: tarfile stops without a word at a damaged header.
        blocks = whole % tarfile.BLOCKSIZE == 0
        if not blocks or file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            rule = f"shard: after {count} members comes neither a header nor the end"
            raise ReadError(str(path), rule, "Copy it again: it is cut or damaged")


def _check(path: Path, info: tarfile.TarInfo, largest: int, whole: int) -> None:
    rule = ""
    if not (info.isreg() or info.isdir()) or info.issparse():
        rule = "is a link, a device or sparse"
    elif info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        rule = "has a name that leaves the folder"
    elif not 0 <= info.size <= largest:
        rule = f"has {info.size:,} bytes, more than `largest` ({largest:,})"
    elif info.offset_data + info.size > whole:
        rule = f"has {info.size:,} bytes, of which the file holds a part: it is cut"
    if rule:
        remedy = "Write shards of plain files, or raise `largest` if you trust it"
        raise ReadError(str(path), f"shard: member {info.name[:80]!r} {rule}", remedy)


@final
class _Headers:
    """A file of which tarfile may read small pieces: an extended header can claim gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.name = file.name

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER:
            raise tarfile.ReadError(f"an extended header claims {size:,} bytes")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
