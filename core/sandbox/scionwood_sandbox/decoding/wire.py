"""Send and receive one message: a header, JSON, arrays, and shared memory for big ones."""

from __future__ import annotations

import array
import json
import mmap
import os
import socket
import struct
import time
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from scionwood_sandbox.decoding.arena import Arena, Grants, sealed
from scionwood_sandbox.decoding.protocol import Blocks, Unpacker, end, pack

_HEADER = struct.Struct("<QQIQQ")  # bytes of JSON, of arrays; kind, block and bytes of memory
_NONE, _OWN_FILE, _BLOCK = range(
    3
)  # no memory; a file of its own, from a parent; a block of an arena
_LARGEST_TEXT = 64 << 20
_LARGEST_COUNT = 8 << 20  # commas and brackets of JSON: each may become an object of 60 bytes
_PART = 1 << 20
_DESCRIPTORS = 4


class Link:
    """A link over a stream socket, with one deadline for all that is read and written.

    Args:
        sock: the socket.
        accepts: whether descriptors are received. A parent takes none from its child.

    Attributes:
        deadline: the time of `time.monotonic` at which reading and writing end; None for never.
    """

    def __init__(self, sock: socket.socket, *, accepts: bool = False) -> None:
        self.sock, self.accepts = sock, accepts
        self.passed: list[int] = []
        self.deadline: float | None = None

    def read(self, size: int) -> bytearray:
        """Return exactly so many bytes."""
        buffer = bytearray(size)
        view, position = memoryview(buffer), 0
        while position < size:
            self._wait()
            got = self._into(view[position : position + _PART])
            if not got:
                raise EOFError
            position += got
        return buffer

    def _into(self, place: memoryview) -> int:
        if not self.accepts:
            return self.sock.recv_into(place)
        room = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
        got, ancillary, *_ = self.sock.recvmsg_into([place], room)
        for *_, data in ancillary:
            self.passed += array.array("i", data[: len(data) // 4 * 4])
        return got

    def write(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Write all bytes, and pass descriptors on; they stay open here."""
        self._wait()
        sent_bytes = socket.send_fds(self.sock, [data], descriptors) if descriptors else 0
        self.sock.sendall(memoryview(data)[sent_bytes:])  # its timeout is one of all parts

    def _wait(self) -> None:
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)


def send(
    link: Link,
    value: Any,
    descriptors: Sequence[int] = (),
    arena: Arena | None = None,
    *,
    inline: bool = False,
) -> None:
    """Send a value of plain data and arrays."""
    blocks = Blocks()
    text = json.dumps(pack(value, blocks), separators=(",", ":")).encode()
    kind, block, descriptor, size = _NONE, None, None, end(blocks.big)
    if size and not inline:
        block = _placed(blocks.big, size, arena) if arena is not None else None
        descriptor = _memory_file(blocks.big, size) if arena is None else None
        kind = _NONE if block is descriptor is None else _OWN_FILE if block is None else _BLOCK
    try:
        link.write(
            _HEADER.pack(len(text), end(blocks.small), kind, block or 0, size)
            + text
            + _bytes_of(blocks.small),
            [*descriptors, *([descriptor] if descriptor is not None else [])],
        )
        if size and kind == _NONE:
            link.write(_bytes_of(blocks.big))
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _bytes_of(arrays: list[tuple[int, np.ndarray]]) -> bytes:
    buffer = np.zeros(end(arrays), np.uint8)
    _write(buffer, arrays)
    return buffer.tobytes()


def _placed(arrays: list[tuple[int, np.ndarray]], size: int, arena: Arena) -> int | None:
    """Put arrays into a block of shared memory: return its number, or None without memory."""
    block = arena.holding(arrays[0][1]) if len(arrays) == 1 else None
    if block is None:
        block = arena.take(size)
        if block is not None:
            _write(arena.bytes_of(block), arrays)
    return block


def _memory_file(arrays: list[tuple[int, np.ndarray]], size: int) -> int | None:
    """Put arrays into a memory file: return its descriptor, or None where none is permitted."""
    try:
        file = sealed(size)
    except OSError:  # the limit of a shell on the size of files
        return None
    _write(np.frombuffer(mmap.mmap(file, 0), np.uint8), arrays)
    return file


def _write(buffer: np.ndarray, arrays: list[tuple[int, np.ndarray]]) -> None:
    for at, values in arrays:
        place = buffer[at : at + values.nbytes]
        np.copyto(place.view(values.dtype).reshape(values.shape), values)


def receive(
    link: Link, *, largest: int, packages: Collection[str], grants: Grants | None = None
) -> Any:
    """Return the value of the next message."""
    texts, bodies, kind, block, size = _HEADER.unpack(link.read(_HEADER.size))
    if max(texts, bodies) > _LARGEST_TEXT or size > largest:
        raise ValueError("a message that is too large")
    text, body = link.read(texts), link.read(bodies)
    if sum(map(text.count, (b",", b"[", b"{"))) > _LARGEST_COUNT:
        raise ValueError("a message of too many parts")
    big: np.ndarray | None = None
    if kind == _NONE and size:
        big = np.frombuffer(link.read(size), np.uint8)
    elif kind == _BLOCK and grants is not None:
        big = grants.bytes_of(block)
    elif kind == _OWN_FILE and grants is None:  # the child trusts its parent
        file = link.passed.pop()
        big = np.frombuffer(mmap.mmap(file, size), np.uint8)
        os.close(file)
    elif kind != _NONE:
        raise ValueError("memory of an unknown kind")
    return Unpacker(body, big, packages).unpack(json.loads(text))
