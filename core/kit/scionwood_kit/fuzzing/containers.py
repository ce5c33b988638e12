"""Open what a file contains, and put it back with lengths and checksums mended.

A damaged member then reaches the code behind the checksum. A member is named by its kind and its
number: `zip:2`, `tar:0`, `tarhead:0` (a header), `png:3` (a chunk), `gzip:0`, `zlib:0`.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_BLOCK = 512
_LARGEST = 64 << 20


class NotThere(Exception):
    """The file has no such member."""


def members(data: bytes) -> list[str]:
    """Return the names of the members that can be opened.

    Args:
        data: the content of a file or of a member.
    """
    try:
        if data.startswith(b"PK\x03\x04"):
            return [f"zip:{n}" for n in range(len(_zip_infos(data)))]
        if data.startswith(b"\x1f\x8b"):
            _inflated(data, 31)
            return ["gzip:0"]
        if data.startswith(_PNG):
            return [f"png:{n}" for n in range(len(list(_chunks(data))))]
        if data[257:262] == b"ustar":
            count = len(_tar_infos(data))
            return [f"{kind}:{n}" for n in range(count) for kind in ("tar", "tarhead")]
        if data[:1] == b"\x78" and len(data) > 8:
            _inflated(data, 15)
            return ["zlib:0"]
    except NotThere:
        pass
    return []


def member(data: bytes, name: str) -> bytes:
    """Return the content of a member.

    Raises:
        NotThere: there is no such member, or it cannot be opened.
    """
    kind, _, number = name.partition(":")
    return _OPEN[kind](data, int(number))


def replaced(data: bytes, name: str, content: bytes) -> bytes:
    """Return the file with another content of a member.

    Raises:
        NotThere: there is no such member, or it cannot be opened.
    """
    kind, _, number = name.partition(":")
    return _REPLACE[kind](data, int(number), content)


def _inflated(data: bytes, bits: int) -> bytes:
    decoder = zlib.decompressobj(bits)
    try:
        return decoder.decompress(data, _LARGEST)
    except zlib.error as error:
        raise NotThere(str(error)) from error


def _zip_infos(data: bytes) -> list[zipfile.ZipInfo]:
    try:
        return zipfile.ZipFile(io.BytesIO(data)).infolist()
    except Exception as error:  # the file may be damaged in any way
        raise NotThere(str(error)) from error


def _zip_member(data: bytes, number: int) -> bytes:
    infos = _zip_infos(data)
    if number >= len(infos):
        raise NotThere(number)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(infos[number]) as file:
            return file.read(_LARGEST)
    except Exception as error:  # the same
        raise NotThere(str(error)) from error


def _zip_replaced(data: bytes, number: int, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for n, info in enumerate(_zip_infos(data)):
            member = content if n == number else _zip_member(data, n)
            entry = zipfile.ZipInfo(info.filename, info.date_time)
            entry.compress_type = info.compress_type
            archive.writestr(entry, member)
    return target.getvalue()


def _tar_infos(data: bytes) -> list[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            return [info for info in archive.getmembers() if info.isfile()]
    except Exception as error:  # the same
        raise NotThere(str(error)) from error


def _tar_info(data: bytes, number: int) -> tarfile.TarInfo:
    infos = _tar_infos(data)
    if number >= len(infos):
        raise NotThere(number)
    return infos[number]


def _tar_member(data: bytes, number: int) -> bytes:
    info = _tar_info(data, number)
    return data[info.offset_data : info.offset_data + info.size]


def _tar_replaced(data: bytes, number: int, content: bytes) -> bytes:
    info = _tar_info(data, number)
    head = data[info.offset : info.offset_data]
    size = f"{len(content):011o}\0".encode()
    head = _summed(head[:-_BLOCK] + head[-_BLOCK:][:124] + size + head[-_BLOCK:][136:])
    after = info.offset_data + -(-info.size // _BLOCK) * _BLOCK
    padding = bytes(-len(content) % _BLOCK)
    return data[: info.offset] + head + content + padding + data[after:]


def _tar_head(data: bytes, number: int) -> bytes:
    info = _tar_info(data, number)
    return data[info.offset_data - _BLOCK : info.offset_data]


def _tar_head_replaced(data: bytes, number: int, content: bytes) -> bytes:
    info = _tar_info(data, number)
    head = _summed(content[:_BLOCK].ljust(_BLOCK, b"\0"))
    return data[: info.offset_data - _BLOCK] + head + data[info.offset_data :]


def _summed(head: bytes) -> bytes:
    """Return tar headers whose last block has the right checksum."""
    block = head[-_BLOCK:]
    total = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
    return head[:-_BLOCK] + block[:148] + f"{total:06o}\0 ".encode() + block[156:]


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the first byte and the length of the content of each chunk of a PNG file."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if at + 12 + size > len(data):
            return
        yield at + 8, size
        at += 12 + size


def _chunk(data: bytes, number: int) -> tuple[int, int]:
    chunks = list(_chunks(data))
    if number >= len(chunks):
        raise NotThere(number)
    return chunks[number]


def _png_member(data: bytes, number: int) -> bytes:
    at, size = _chunk(data, number)
    return data[at : at + size]


def _png_replaced(data: bytes, number: int, content: bytes) -> bytes:
    at, size = _chunk(data, number)
    kind = data[at - 4 : at]
    check = struct.pack(">I", zlib.crc32(kind + content))
    head = struct.pack(">I", len(content)) + kind
    return data[: at - 8] + head + content + check + data[at + size + 4 :]


_OPEN: dict[str, Callable[[bytes, int], bytes]] = {
    "zip": _zip_member,
    "tar": _tar_member,
    "tarhead": _tar_head,
    "png": _png_member,
    "gzip": lambda data, _: _inflated(data, 31),
    "zlib": lambda data, _: _inflated(data, 15),
}

_REPLACE: dict[str, Callable[[bytes, int, bytes], bytes]] = {
    "zip": _zip_replaced,
    "tar": _tar_replaced,
    "tarhead": _tar_head_replaced,
    "png": _png_replaced,
    "gzip": lambda _, __, content: gzip.compress(content, mtime=0),
    "zlib": lambda _, __, content: zlib.compress(content),
}
