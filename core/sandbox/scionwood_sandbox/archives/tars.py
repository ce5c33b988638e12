"""Find the files of a tar archive with bounded memory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, final

from scionwood_sandbox.errors import ReadError

MEMBERS = 1_000_000
"""The most members of an archive."""

HEADER = 16 << 10
"""Bytes that an extended header may have: names need a few hundred."""


@final
class TarMember(NamedTuple):
    """A file in a tar archive: its name, where its content begins, and its size in bytes.

    Example:
        >>> from scionwood_sandbox import TarMember
        >>> TarMember("shard/1.png", offset=512, size=70).name
        'shard/1.png'
    """

    name: str
    offset: int
    size: int


def tar_members(path: str | Path, kind: str, *, largest: int) -> Iterator[TarMember]:
    """Yield the files of an uncompressed tar archive in order, read header by header.

    Nothing is extracted: read a file's bytes at its offset.

    Args:
        path: the archive.
        kind: its format, for the message.
        largest: the most bytes of one file.

    Raises:
        ReadError: it is cut, has more than `MEMBERS` members, or has members that are links,
            devices, sparse, too large, overlapping, or named outside the folder.

    Example:
        >>> import tarfile
        >>> from pathlib import Path
        >>> size = Path("a.txt").write_text("one")
        >>> with tarfile.open("data.tar", "w") as archive:
        ...     archive.add("a.txt")
        >>> from scionwood_sandbox import tar_members
        >>> (member,) = tar_members("data.tar", "tar", largest=1000)
        >>> Path("data.tar").read_bytes()[member.offset :][: member.size]
        b'one'
    """
    path = Path(path)
    archive_size = path.stat().st_size
    with path.open("rb") as file, tarfile.open(fileobj=_Headers(file), mode="r:") as archive:  # type: ignore[call-overload]
        end, count = 0, 0
        while (info := archive.next()) is not None:
            archive.members = []  # tarfile keeps all of them otherwise
            count += 1
            _check_member(path, kind, info, largest, archive_size)
            if count > MEMBERS or info.offset < end:
                rule = f"{kind}: it has more than {MEMBERS:,} members, or they overlap"
                raise ReadError(str(path), rule, "Split it")
            end = info.offset_data + -(-info.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            if info.isreg():
                yield TarMember(info.name, info.offset_data, info.size)
        file.seek(end)
        # An archive ends with a block of zeros: tarfile stops silently at a damaged header.
        blocks = archive_size % tarfile.BLOCKSIZE == 0
        if not blocks or file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            rule = f"{kind}: after {count} members comes neither a header nor the end"
            raise ReadError(str(path), rule, "Copy it again: it is cut or damaged")


def _check_member(
    path: Path, kind: str, info: tarfile.TarInfo, largest: int, archive_size: int
) -> None:
    rule = ""
    if not (info.isreg() or info.isdir()) or info.issparse():
        rule = "is a link, a device or sparse"
    elif info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        rule = "has a name that leaves the folder"
    elif not 0 <= info.size <= largest:
        rule = f"has {info.size:,} bytes, more than `largest` ({largest:,})"
    elif info.offset_data + info.size > archive_size:
        rule = f"has {info.size:,} bytes, and the file ends before them: it is cut"
    if rule:
        remedy = "Pack plain files only, or raise `largest` if you trust it"
        raise ReadError(str(path), f"{kind}: member {info.name[:80]!r} {rule}", remedy)


@final
class _Headers:
    """A file that tarfile may read in small pieces only: a header can claim gigabytes."""

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
