"""The records of a miniSEED file: whether the last one is complete, and what repacking loses.

Source: FDSN, "SEED Reference Manual", version 2.4, chapter 8. The fixed section of a data header
has 48 bytes, and a chain of blockettes follows.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from scionwood import ReadError

HEADER = re.compile(rb"[0-9 \0]{6}[DRQMVAST][ \0*]")
_FIXED = 48
_STEP = 64  # libmseed looks for the next record at multiples of this
BLOCK = 4 << 20  # bytes of records that are unpacked at once
_LONGEST = 4096  # bytes of a record in which its header and its blockettes lie
_BASIC_BLOCKETTES = {100, 1000}  # the blockettes of the sampling rate and of the packing
_PER_BYTE = {0: 1.0, 3: 0.25, 4: 0.25, 5: 0.125, 10: 1.0, 11: 1.75, 12: 1 / 3, 19: 1.0, 20: 1.75}
_OTHERS = 0.5
"""Samples that a byte can hold, by encoding: text, 32 and 64 bits, Steim; the others 16 bits."""


@dataclass(frozen=True)
class Extras:
    """The contents of records that repacking loses.

    Attributes:
        blockettes: the types of blockettes that are not written again.
        flags: whether a record has an activity, clock or quality flag.
        blocks: the first byte and the end of blocks of whole records, which can be read alone.
    """

    blockettes: frozenset[int]
    flags: bool
    blocks: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        parts = [f"blockettes {', '.join(map(str, sorted(self.blockettes)))}"]
        return " and ".join(parts[: bool(self.blockettes)] + ["flags"][: self.flags])


@dataclass(frozen=True)
class _Head:
    """What the header of a record states: its blockettes, and log2 of its length; 0 if unknown."""

    kinds: frozenset[int] = frozenset()
    exponent: int = 0
    samples: int = 0
    start: int = 0
    encoding: int = 0


def walk(path: Path) -> Extras:
    """Visit the records that state their length, and check that their samples fit into them.

    libmseed reads beyond the end of a record that declares more samples than it has room for.

    Raises:
        ReadError: the file ends within a record, or a record declares too many samples.
    """
    raw = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    at, blockettes, flags, edges = 0, set[int](), False, [0]
    alone = True
    while at + _FIXED <= len(raw):
        start = raw[at : at + _LONGEST].tobytes()
        head = _head(start) if HEADER.match(start) else _Head()
        if not head.exponent:  # old SEED, whose records do not state their length
            at, alone = at + _STEP, False
            continue
        if at - edges[-1] >= BLOCK:
            edges.append(at)
        length = 1 << head.exponent
        if at + length > len(raw):
            rule = f"miniSEED (.mseed) ends {len(raw) - at} bytes into a record of {length}"
            raise ReadError(str(path), rule, "Cut short? Copy it again")
        room = (length - head.start) * _PER_BYTE.get(head.encoding, _OTHERS)
        if head.samples > max(room, 0):
            rule = f"miniSEED (.mseed): the record at byte {at} declares {head.samples} samples"
            raise ReadError(str(path), f"{rule} in {length} bytes", "Damaged? Copy it again")
        blockettes |= head.kinds
        flags = flags or any(start[36:39])
        at += length
    edges = [*edges, len(raw)] if alone else [0, len(raw)]
    return Extras(frozenset(blockettes - _BASIC_BLOCKETTES), flags, tuple(pairwise(edges)))


def _head(raw: bytes) -> _Head:
    year, day = struct.unpack_from("<HH", raw, 20)
    order = "<" if 1900 <= year <= 2100 and 1 <= day <= 366 else ">"  # as libmseed decides
    (samples,) = struct.unpack_from(f"{order}H", raw, 30)
    start, follows = struct.unpack_from(f"{order}HH", raw, 44)
    kinds, exponent, encoding, before = set[int](), 0, 0, 0
    while follows > before and follows + 8 <= len(raw):
        kind, after = struct.unpack_from(f"{order}HH", raw, follows)
        kinds.add(kind)
        if kind == 1000:
            encoding, exponent = raw[follows + 4], raw[follows + 6]
        before, follows = follows, after
    return _Head(frozenset(kinds), exponent if 7 <= exponent <= 20 else 0, samples, start, encoding)
