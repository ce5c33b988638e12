"""Propose mutations of a sample, each from its own seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from scionwood_kit.fuzzing import containers
from scionwood_kit.fuzzing.edits import Edit, Tree, changed

_DEEPEST = 3  # members inside members
_SMALL = 4096  # a field with a smaller value may be a length
_SIZES = (2, 4, 8)
_TOKEN = re.compile(rb"-?\d+\.?\d*(?:[eE][-+]?\d+)?|[A-Za-z_]\w*|\"[^\"\n]*\"")
_VALUE = re.compile(rb"=\"([^\"<]*)\"|>\s*([^<>]*?)\s*<")
_NUMBERS = "0 1 -1 2 7 65536 2147483647 2147483648 4294967295 -9223372036854775808 1e400 nan -inf"
_PLAIN = [*_NUMBERS.split(), "", "x", "../../x", "1 2 3", "\u0995\u09bf", "9" * 60, "%s", "1_0"]
_JSON = ["null", "true", "[]", "{}", '""', '"\\ud800"', "[" * 50, "NaN", "[1, [2]]", '{"a": 1}']

Splice = tuple[int, int, bytes, int]
"""What an edit does: the first byte, how many bytes go, the bytes that come, how often."""


def propose(tree: Tree, main: str, seed: str) -> list[Edit]:
    """Return one mutation: mostly one edit, sometimes up to eight.

    Args:
        tree: the files of the sample.
        main: the file that gets half of the mutations.
        seed: the seed of this mutation.
    """
    rng = random.Random(seed)
    count = 1 if rng.random() < 0.6 else rng.randint(2, 8)
    edits: list[Edit] = []
    for _ in range(count):
        names = [name for name in tree if tree[name]]
        name = main if main in tree and rng.random() < 0.5 else rng.choice(names)
        data = changed(tree, [edit for edit in edits if edit.file == name]).get(name, tree[name])
        inside, data = _opened(rng, data)
        at, remove, insert, times = _splice(rng, data)
        edits.append(Edit(name, inside, at, remove, insert.hex(), times))
    return edits


def _opened(rng: random.Random, data: bytes) -> tuple[tuple[str, ...], bytes]:
    """Return a member to change and its content: half of the time one level deeper."""
    inside: list[str] = []
    while len(inside) < _DEEPEST and rng.random() < 0.7 and (names := _members(data)):
        name = rng.choice(names)
        try:
            data = containers.member(data, name)
        except containers.NotThere:
            break
        inside.append(name)
    return tuple(inside), data


@lru_cache(maxsize=64)
def _members(data: bytes) -> list[str]:
    return containers.members(data)


def _splice(rng: random.Random, data: bytes) -> Splice:
    if not data:
        return 0, 0, rng.randbytes(8), 1
    kinds = [*_ANY, *((_token,) * 5 if _is_text(data) else (_length,) * 3)]
    if data.lstrip()[:1] == b"<":
        kinds += (_xml_value,) * 8
    splice: Splice = rng.choice(kinds)(rng, data)
    return splice


def _is_text(data: bytes) -> bool:
    try:
        data[:_SMALL].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > _SMALL - 4
    return b"\0" not in data[:_SMALL]


def _place(rng: random.Random, data: bytes) -> int:
    """Return a byte: half of the time near the start, where headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 512)
    return rng.randrange(end)


def _flip(rng: random.Random, data: bytes) -> Splice:
    at = _place(rng, data)
    return at, 1, bytes([data[at] ^ 1 << rng.randrange(8)]), 1


def _byte(rng: random.Random, data: bytes) -> Splice:
    return _place(rng, data), 1, bytes([rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))]), 1


def _run(rng: random.Random, data: bytes) -> Splice:
    size = rng.randint(2, 16)
    fill = rng.choice((b"\0" * size, b"\xff" * size, rng.randbytes(size)))
    return _place(rng, data), size, fill, 1


def _truncate(rng: random.Random, data: bytes) -> Splice:
    at = _place(rng, data)
    return at, len(data) - at, b"", 1


def _insert(rng: random.Random, data: bytes) -> Splice:
    times = rng.choice((1, 1, 1, 16, 4096))
    return _place(rng, data), 0, rng.randbytes(rng.choice((1, 2, 4, 8, 16))), times


def _delete(rng: random.Random, data: bytes) -> Splice:
    at = _place(rng, data)
    return at, min(rng.choice((1, 2, 4, 8, 64, 512)), len(data) - at), b"", 1


def _copy(rng: random.Random, data: bytes) -> Splice:
    start, size = _place(rng, data), rng.choice((2, 8, 64, 256))
    block = data[start : start + size]
    return _place(rng, data), rng.choice((0, len(block))), block, 1


def _length(rng: random.Random, data: bytes) -> Splice:
    """Set what may be a length or an offset: an integer of 2, 4 or 8 bytes of a small value."""
    size, order = rng.choice(_SIZES), rng.choice(("little", "big"))
    places = _fields(data, size, order)
    if not places:
        return _run(rng, data)
    at = rng.choice(places)
    old = int.from_bytes(data[at : at + size], "little" if order == "little" else "big")
    top = 1 << 8 * size
    extremes = (0, 1, top - 1, top // 2 - 1, top // 2, old + 1, old - 1, old * 2, old << 8)
    new = rng.choice((*extremes, len(data), len(data) + 1, rng.randrange(top))) % top
    return at, size, new.to_bytes(size, "little" if order == "little" else "big"), 1


@lru_cache(maxsize=64)
def _fields(data: bytes, size: int, order: str) -> list[int]:
    width: Literal["little", "big"] = "little" if order == "little" else "big"
    end = min(len(data) - size, 1 << 16)
    return [
        at for at in range(0, end, 2) if 0 < int.from_bytes(data[at : at + size], width) < _SMALL
    ]


def _token(rng: random.Random, data: bytes) -> Splice:
    """Replace a number, a word or a quoted text by a strange one."""
    spans = _spans(data)
    if not spans:
        return _byte(rng, data)
    start, end = rng.choice(spans)
    if rng.random() < 0.05:
        return start, end - start, b"9", 5000
    choices: Sequence[str] = _PLAIN + (_JSON if data.lstrip()[:1] in b"[{" else [])
    return start, end - start, rng.choice(choices).encode(), 1


@lru_cache(maxsize=64)
def _spans(data: bytes) -> list[tuple[int, int]]:
    return [match.span() for match in _TOKEN.finditer(data, 0, 1 << 18)]


def _xml_value(rng: random.Random, data: bytes) -> Splice:
    """Replace the value of an attribute or a text; the XML stays well-formed."""
    spans = _values(data)
    if not spans:
        return _byte(rng, data)
    start, end = rng.choice(spans)
    return start, end - start, rng.choice(_PLAIN).encode(), 1


@lru_cache(maxsize=64)
def _values(data: bytes) -> list[tuple[int, int]]:
    return [match.span(match.lastindex or 0) for match in _VALUE.finditer(data, 0, 1 << 18)]


_ANY: tuple[Callable[[random.Random, bytes], Splice], ...] = (
    _flip,
    _flip,
    _byte,
    _byte,
    _run,
    _truncate,
    _insert,
    _delete,
    _copy,
)
