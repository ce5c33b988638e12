"""Messages carry plain data and arrays, and a forged one does no harm."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import scionwood

if sys.platform != "linux":
    pytest.skip("the reader service needs Linux", allow_module_level=True)

from scionwood.decoding.arena import Arena, sealed
from scionwood.decoding.protocol import Blocks, Unpacker, pack
from scionwood.decoding.wire import Seen, receive, send

LARGEST = 1 << 24
PACKAGES = ("scionwood",)


@pytest.fixture
def pair():
    child, parent = socket.socketpair()
    parent.settimeout(1)
    with child, parent:
        yield child, parent


def sent(pair, value, arena=None, seen=None):
    child, parent = pair
    send(child, value, arena=arena)
    return receive(parent, largest=LARGEST, packages=PACKAGES, seen=seen)[0]


VALUES = [
    [None, True, 3, 2.5, "text", 1 << 70, -(1 << 60)],
    {"a": 1, 2: (3, frozenset({4})), "path": Path("a/b"), "bytes": b"\x00\xff"},
    [slice(1, None, 2), np.dtype("<f4"), float("inf")],
]


@pytest.mark.parametrize("value", VALUES)
def test_plain_data_come_back(value, pair):
    assert sent(pair, value) == value


@pytest.mark.parametrize("size", [0, 3, 100_000])
@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "<U3", "M8[us]", "bool"])
def test_arrays_come_back(size, dtype, pair):
    values = np.arange(size).astype("f4" if dtype.startswith("c") else "i8").astype(dtype)
    arena, seen = Arena(), Seen()
    for _ in range(3):
        got = sent(pair, scionwood.Record({"i": 1}, values, {"x": values[:2]}), arena, seen)
        assert got.data.dtype == values.dtype
        np.testing.assert_array_equal(got.data, values)
        np.testing.assert_array_equal(got.coords["x"], values[:2])
        del got
        arena.give_back(seen.take_freed())
    assert len(seen.maps) <= 1  # the memory is used again


def test_memory_of_the_arena_is_sent_without_a_copy_and_not_reused_before_it_is_freed(pair):
    arena, seen = Arena(), Seen()
    got = []
    for number in range(3):
        values = arena.empty((50_000,), np.dtype("f4"))
        values[:] = number
        got.append(sent(pair, values, arena, seen))
        arena.give_back(seen.take_freed())
    assert [float(values[0]) for values in got] == [0, 1, 2]
    before = len(seen.maps)
    got.clear()
    arena.give_back(seen.take_freed())
    got.append(sent(pair, np.ones(50_000, "f4"), arena, seen))
    assert len(seen.maps) == before


@pytest.mark.parametrize("value", [object(), np.array([object()]), len, {1: object()}])
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(TypeError):
        pack(value, Blocks())


@pytest.mark.parametrize(
    "message",
    [
        {"$o": ["os", "system", {}]},
        {"$o": ["scionwood.reader", "Reader", {}]},
        {"$o": ["subprocess", "Popen", {"args": "true"}]},
        {"$a": ["|O", [1], False, 0]},
        {"$a": ["<f4", [1 << 40], False, 0]},
        {"$a": ["<f4", [4], True, 0]},
        {"$a": ["<f4", [-1], False, 0]},
        {"$a": ["<f4", [1], False, -4]},
        {"$x": 1},
        {"$i": "1", "$f": "2"},
        {"_array": 1},
    ],
)
def test_a_forged_value_is_refused(message):
    with pytest.raises(ValueError, match=r".+"):
        Unpacker(b"\0" * 8, None, PACKAGES).unpack(message)


def test_memory_that_can_shrink_is_refused(pair):
    child, parent = pair
    for seals in (0, 1, 2):
        file = sealed(1 << 16, seals)
        text = json.dumps({"$a": ["<f4", [16384], True, 0]}).encode()
        header = struct.pack("<QQIQQ", len(text), 0, 3, 1, 1 << 16)
        socket.send_fds(child, [header + text], [file])
        os.close(file)
        with pytest.raises(ValueError, match="can shrink"):
            receive(parent, largest=LARGEST, packages=PACKAGES, seen=Seen())


def _descriptors() -> set[tuple[str, str]]:
    """Return the open sockets and files in memory; other threads may open files meanwhile."""
    links = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            link = os.readlink(f"/proc/self/fd/{number}")
            if link.startswith(("socket:", "/memfd:")):
                links.add((number, link))
    return links


def test_mutated_messages_leak_no_descriptor():
    chance = random.Random(0)
    text = json.dumps([{"$a": ["<f4", [9000], True, 0]}, {"$t": [1, {"$i": "2"}]}]).encode()
    whole = struct.pack("<QQIQQ", len(text), 8, 3, 1, 36000) + text + b"\0" * 8
    before = _descriptors()
    refused = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        child, parent = socket.socketpair()
        with child, parent:
            file = sealed(1 << 16)
            socket.send_fds(child, [bytes(data[: chance.choice([len(data), 50])])], [file] * 3)
            os.close(file)
            child.shutdown(socket.SHUT_WR)
            try:
                _, passed = receive(parent, largest=LARGEST, packages=PACKAGES, seen=Seen())
                for descriptor in passed:
                    os.close(descriptor)
            except Exception:  # any error refuses a message; the parent turns it into a ReadError
                refused += 1
    assert 0 < refused < 3000
    assert _descriptors() <= before
