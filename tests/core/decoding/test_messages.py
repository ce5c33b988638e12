"""Messages carry plain data and arrays, and a forged one does no harm."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import random
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from case_table import table

import scionwood

if sys.platform != "linux":
    pytest.skip("the reader service needs Linux", allow_module_level=True)

from scionwood_sandbox.decoding import schema
from scionwood_sandbox.decoding.arena import Arena, Grants
from scionwood_sandbox.decoding.protocol import Blocks, Unpacker, pack
from scionwood_sandbox.decoding.wire import Link, receive, send

LARGEST = 1 << 24
PACKAGES = ("scionwood_sandbox",)


@pytest.fixture
def pair():
    child, parent = socket.socketpair()
    with child, parent:
        yield linked(child), linked(parent)


def linked(sock, seconds=1):
    link = Link(sock)
    link.deadline = time.monotonic() + seconds
    return link


def sent(pair, value, arena=None, grants=None):
    child, parent = pair
    send(child, value, arena=arena)
    return receive(parent, largest=LARGEST, packages=PACKAGES, grants=grants)


def exchanged(pair, value, arena, grants):
    """Send and receive at once: more bytes than a socket holds."""
    sending = threading.Thread(target=send, args=(pair[0], value), kwargs={"arena": arena})
    sending.start()
    try:
        return receive(pair[1], largest=LARGEST, packages=PACKAGES, grants=grants)
    finally:
        sending.join()


def shared(most=100):
    """Return an arena and what it was given: at most so many blocks."""
    grants, left = Grants(), iter(range(most))

    def more(size):
        if next(left, None) is None:
            return None
        block, file = grants.grant(size)
        with open(file, "rb"):
            return block, mmap.mmap(file, size)

    return Arena(more), grants


VALUES = [
    [None, True, 3, 2.5, "text", 1 << 70, -(1 << 60)],
    {"a": 1, 2: (3, frozenset({4})), "path": Path("a/b"), "bytes": b"\x00\xff"},
    [slice(1, None, 2), np.dtype("<f4"), float("inf")],
]


@table("value", VALUES)
def test_plain_data_come_back(value, pair):
    assert sent(pair, value) == value


@table("blocks", [0, 1])  # without a block they go as bytes
@table("size", [0, 3, 100_000])
@table("dtype", ["float32", "int64", "complex64", "<U3", "M8[us]", "bool"])
def test_arrays_come_back(size, dtype, blocks, pair):
    values = np.arange(size).astype("f4" if dtype.startswith("c") else "i8").astype(dtype)
    arena, grants = shared(blocks)
    for _ in range(3):
        got = exchanged(pair, scionwood.Record({"i": 1}, values, {"x": values[:2]}), arena, grants)
        assert got.data.dtype == values.dtype
        np.testing.assert_array_equal(got.data, values)
        np.testing.assert_array_equal(got.coords["x"], values[:2])
        del got
        arena.give_back(grants.take_freed())


def test_memory_of_the_arena_is_sent_without_a_copy_and_not_reused_before_it_is_freed(pair):
    arena, grants = shared()
    got = []
    for number in range(3):
        values = arena.empty((50_000,), np.dtype("f4"))
        values[:] = number
        got.append(sent(pair, values, arena, grants))
        arena.give_back(grants.take_freed())
    assert [float(values[0]) for values in got] == [0, 1, 2]
    before = grants.total
    got.clear()
    arena.give_back(grants.take_freed())
    got.append(sent(pair, np.ones(50_000, "f4"), arena, grants))
    assert grants.total == before


@table("value", [object(), np.array([object()]), len, {1: object()}])
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(TypeError):
        pack(value, Blocks())


@table(
    "message",
    [
        {"$o": ["os", "system", {}]},
        {"$o": ["scionwood.files.reader", "Reader", {}]},
        {"$o": ["subprocess", "Popen", {"args": "true"}]},
        {"$a": ["|O", [1], False, 0]},
        {"$a": ["<f4", [1 << 40], False, 0]},
        {"$a": ["<f4", [4], True, 0]},
        {"$a": ["<f4", [-1], False, 0]},
        {"$a": ["<f4", [1], False, -4]},
        {"$x": 1},
        {"$i": "1", "$f": "2"},
        {"_array": 1},
        # keys whose hashes collide
        {"$m": [[{"$i": str(n * (2**61 - 1))}, 0] for n in range(1 << 10, 6 << 10)]},
    ],
)
def test_a_forged_value_is_refused(message):
    with pytest.raises(ValueError, match=r".+"):
        Unpacker(b"\0" * 8, None, PACKAGES).unpack(message)


RECORD = {"key": {"$m": []}, "data": {"$a": ["<f4", [2], False, 0]}, "coords": {"$m": []}}


@table(
    "part",
    [
        {"data": "text"},
        {"data": None},
        {"key": 3},
        {"key": {"$m": [["a", {"$t": [1]}]]}},
        {"coords": {"$m": [["x", 1]]}},
        {"coords": {"$m": [[1, {"$a": ["<f4", [2], False, 0]}]]}},
    ],
)
def test_a_record_whose_parts_are_not_of_its_types_is_refused(part):
    unpack = Unpacker(b"\0" * 8, None, PACKAGES).unpack
    assert unpack({"$o": ["scionwood_sandbox.record", "Record", RECORD]}).data.tolist() == [0, 0]
    with pytest.raises(ValueError, match="Record\\."):
        unpack({"$o": ["scionwood_sandbox.record", "Record", RECORD | part]})


@pytest.mark.parametrize("text", ["[" * 100_000, "[" + "[]," * (4 << 20) + "[]]", '{"$i":"%s"}'])
def test_text_that_swells_or_nests_is_refused(text, pair):
    child, parent = pair
    text = (text % ("9" * 5000) if "%s" in text else text).encode()
    sending = threading.Thread(
        target=child.write, args=(struct.pack("<QQIQQ", len(text), 0, 0, 0, 0) + text,)
    )
    sending.start()
    with pytest.raises((ValueError, RecursionError)):
        receive(parent, largest=LARGEST, packages=PACKAGES, grants=Grants())
    sending.join()


def test_a_parent_takes_memory_that_it_made_and_no_descriptor(pair):
    child, parent = pair
    grants = Grants()
    block, file = grants.grant(1 << 16)
    before = _descriptors()
    text = json.dumps({"$a": ["<f4", [16384], True, 0]}).encode()
    for kind, number, refused in ((2, block, False), (2, block, True), (2, 9, True), (1, 0, True)):
        header = struct.pack("<QQIQQ", len(text), 0, kind, number, 1 << 16)
        child.write(header + text, [file])
        if refused:
            with pytest.raises(ValueError, match=r"memory|array"):
                receive(parent, largest=LARGEST, packages=PACKAGES, grants=grants)
        else:
            kept = receive(parent, largest=LARGEST, packages=PACKAGES, grants=grants)
    assert kept.nbytes == 1 << 16
    assert _descriptors() == before
    os.close(file)


def test_a_message_in_single_bytes_ends_at_the_deadline(pair):
    child, parent = pair
    parent.deadline = time.monotonic() + 0.3

    def trickle():
        with contextlib.suppress(OSError):
            while True:
                child.sock.send(b"\0")
                time.sleep(0.02)

    sending = threading.Thread(target=trickle)
    sending.start()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(parent, largest=LARGEST, packages=PACKAGES)
    assert time.monotonic() - start < 1
    parent.sock.close()
    child.sock.close()
    sending.join()


FORGED = [
    ("open", ["value", {}]),
    ("open", ["value", [{}, -1]]),
    ("open", ["index", "out"]),
    ("call", ["value", 3]),
    ("call", ["value", {"stream": "1"}]),
    ("call", ["value"]),
    ("call", ["value", {}, {}]),
    ("call", ["index"]),
    ("next", ["value", 3]),
    ("next", ["value", [0] * 65]),
    ("close", ["value", 1]),
    ("has", ["value", "yes"]),
    ("call", ["value", {"value": 1, "stream": 2}]),
    ("open", ["value", [{}]]),
    ("get", ["error", "visible", "a", "b", "c"]),
    ("get", ["error", "Any", "a", "b", "c"]),
    ("get", ["error", "ReadError", "a", "b", 1]),
    ("get", ["error", "ReadError", "a"]),
    ("get", ["error", "ReadError", "a" * 5000, "b", "c"]),
    ("get", ["foreign", "KeyError"]),
    ("get", ["foreign", 1, 2]),
    ("get", ["warnings", "ab"]),
    ("get", ["warnings", [["UserWarning", "a"]] * 21]),
    ("get", ["callback", "function", {}, 1]),
    ("get", ["callback", "system", {}, 1]),
    ("get", ["callback"]),
    ("get", ["memory", "1"]),
    ("get", ["memory", -1]),
    ("get", ["hello"]),
    ("get", [["value"], 1]),
    ("get", []),
    ("get", "value"),
    ("get", None),
]


@table(("operation", "message"), FORGED)
def test_a_message_outside_of_the_protocol_is_refused(operation, message):
    with pytest.raises(schema.ForgedError):
        schema.check(message, operation, {"work"})


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
    whole = struct.pack("<QQIQQ", len(text), 8, 2, 1, 36000) + text + b"\0" * 8
    before = _descriptors()
    refused = 0
    for _ in range(1000):
        data = bytearray(whole)
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        child, parent = socket.socketpair()
        with child, parent:
            grants = Grants()
            _, file = grants.grant(1 << 16)
            socket.send_fds(child, [bytes(data[: chance.choice([len(data), 50])])], [file] * 3)
            os.close(file)
            child.shutdown(socket.SHUT_WR)
            try:
                receive(linked(parent), largest=LARGEST, packages=PACKAGES, grants=grants)
            except Exception:  # any error refuses a message; the parent turns it into a ReadError
                refused += 1
    del grants
    assert 0 < refused < 1000
    assert _descriptors() <= before
