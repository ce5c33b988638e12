"""Send and receive one message: a header, JSON, small arrays, and a memory file for big ones."""

from __future__ import annotations

import array
import json
import mmap
import os
import socket
import struct
import weakref
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scionwood.decoding.arena import FIXED, GET_SEALS, Arena, sealed
from scionwood.decoding.protocol import Blocks, Unpacker, end, pack

_HEADER = struct.Struct("<QQIQQ")  # bytes of JSON, of small arrays; kind, block and bytes of memory
_NONE, _OWN, _KNOWN, _NEW = range(4)  # no memory; a file of its own; a block seen; a new block
_LARGEST_TEXT = 64 << 20
_PART = 1 << 20
_DESCRIPTORS = 4


@dataclass
class Seen:
    """What a parent knows of its child's arena.

    Attributes:
        maps: the blocks that the child sent.
        freed: blocks whose arrays are gone; the next message gives them back.
    """

    maps: dict[int, mmap.mmap] = field(default_factory=dict)
    freed: deque[int] = field(default_factory=deque)

    def take_freed(self) -> list[int]:
        """Return the blocks to give back, each once."""
        return [self.freed.popleft() for _ in range(len(self.freed))]


def send(
    sock: socket.socket, value: Any, descriptors: Sequence[int] = (), arena: Arena | None = None
) -> None:
    """Send a value of plain data and arrays.

    Args:
        sock: a stream socket.
        value: what `protocol.pack` accepts.
        descriptors: descriptors to pass on; they stay open here.
        arena: the child's memory; without it big arrays go in a memory file of their own.

    Raises:
        TypeError: the value is no plain data. Nothing was sent.
        OSError: the other side is gone.
    """
    blocks = Blocks()
    text = json.dumps(pack(value, blocks), separators=(",", ":")).encode()
    body = bytearray(end(blocks.small))
    for at, values in blocks.small:
        body[at : at + values.nbytes] = values.tobytes()
    kind, block, own = _NONE, 0, None
    size = end(blocks.big)
    if size:
        kind, block, own = _share(blocks.big, size, arena)
    passed = [*descriptors, *([own] if own is not None else [])]
    try:
        data = _HEADER.pack(len(text), len(body), kind, block, size) + text + body
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", passed))]
        sent = sock.sendmsg([data], rights if passed else [])
        sock.sendall(memoryview(data)[sent:])
    finally:
        if own is not None:
            os.close(own)


def _share(
    arrays: list[tuple[int, np.ndarray]], size: int, arena: Arena | None
) -> tuple[int, int, int | None]:
    """Put arrays into shared memory: return its kind, its block and its descriptor, if any."""
    if arena is None:
        own = sealed(size)
        _write(np.frombuffer(mmap.mmap(own, 0), np.uint8), arrays)
        return _OWN, 0, own
    block = arena.holding(arrays[0][1]) if len(arrays) == 1 else None
    if block is None:
        block = arena.take(size)
        _write(arena.bytes_of(block), arrays)
    own_or_none = arena.descriptor(block)
    return (_KNOWN if own_or_none is None else _NEW), block, own_or_none


def _write(whole: np.ndarray, arrays: list[tuple[int, np.ndarray]]) -> None:
    for at, values in arrays:
        place = whole[at : at + values.nbytes]
        np.copyto(place.view(values.dtype).reshape(values.shape), values)


def receive(
    sock: socket.socket, *, largest: int, packages: Collection[str], seen: Seen | None = None
) -> tuple[Any, list[int]]:
    """Return the value of the next message, and the descriptors that came with it.

    Args:
        sock: a stream socket.
        largest: bytes that the arrays of a message may take.
        packages: the packages whose frozen dataclasses may be rebuilt.
        seen: the blocks of the child's arena, where the other side is a child.

    Raises:
        EOFError: the other side is gone.
        ValueError: the message is not one that `send` writes. Other exceptions are possible too.
    """
    data, ancillary, _, _ = sock.recvmsg(
        _HEADER.size, socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
    )
    passed = [
        descriptor
        for *_, held in ancillary
        for descriptor in array.array("i", held[: len(held) // 4 * 4])
    ]
    try:
        if not data:
            raise EOFError
        header = _HEADER.unpack(data + _exactly(sock, _HEADER.size - len(data)))
        texts, bodies, kind, block, size = header
        if max(texts, bodies) > _LARGEST_TEXT or size > largest:
            raise ValueError("a message that is too large")
        text, body = _exactly(sock, texts), _exactly(sock, bodies)
        big = _shared(kind, block, size, passed, seen, largest)
        return Unpacker(body, big, packages).unpack(json.loads(text)), passed
    except BaseException:
        for descriptor in passed:
            os.close(descriptor)
        raise


def _shared(
    kind: int, block: int, size: int, passed: list[int], seen: Seen | None, largest: int
) -> np.ndarray | None:
    if kind == _NONE:
        return None
    if kind == _OWN and seen is None:  # the child trusts its parent
        return np.frombuffer(_mapped(passed.pop(), size, largest), np.uint8)
    if seen is None or kind not in (_KNOWN, _NEW):
        raise ValueError("memory of an unknown kind")
    if kind == _NEW:
        seen.maps[block] = _mapped(passed.pop(), size, largest)
    whole = np.frombuffer(seen.maps[block], np.uint8)
    weakref.finalize(whole, seen.freed.append, block).atexit = False
    return whole


def _mapped(descriptor: int, size: int, largest: int) -> mmap.mmap:
    import fcntl  # POSIX alone has it

    try:
        real = os.fstat(descriptor).st_size
        seals = fcntl.fcntl(descriptor, GET_SEALS)
        if not size <= real <= largest + _PART or seals & FIXED != FIXED:
            raise ValueError("memory that can shrink, or of another size")
        return mmap.mmap(descriptor, real)
    finally:
        os.close(descriptor)


def _exactly(sock: socket.socket, size: int) -> bytes:
    held = bytearray()
    while len(held) < size:
        part = sock.recv(min(_PART, size - len(held)))
        if not part:
            raise EOFError
        held += part
    return bytes(held)
