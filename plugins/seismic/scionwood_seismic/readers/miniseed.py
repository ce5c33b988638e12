"""The records of a miniSEED file: whether the last one is complete, and what repacking loses.

Source: FDSN, "SEED Reference Manual", version 2.4, chapter 8. The fixed section of a data header
has 48 bytes, and a chain of blockettes follows.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from scionwood import ReadError

HEADER = re.compile(rb"[0-9 \0]{6}[DRQMVAST][ \0*]")
_FIXED = 48
_KEPT = {100, 1000}  # the blockettes of the sampling rate and of the packing


@dataclass(frozen=True)
class Extras:
    """The contents of records that repacking loses.

    Attributes:
        blockettes: the types of blockettes that are not written again.
        flags: whether a record has an activity, clock or quality flag.
    """

    blockettes: frozenset[int]
    flags: bool

    def __str__(self) -> str:
        parts = [f"blockettes {', '.join(map(str, sorted(self.blockettes)))}"]
        return " and ".join(parts[: bool(self.blockettes)] + ["flags"][: self.flags])


def walk(path: Path) -> Extras:
    """Visit the records, as long as each one states its length.

    Raises:
        ReadError: the file ends within a record.
    """
    raw = path.read_bytes()
    at, blockettes, flags = 0, set[int](), False
    while at + _FIXED <= len(raw) and HEADER.match(raw, at):
        chain, exponent = _blockettes(raw, at)
        if not exponent:
            break  # old SEED, whose records do not state their length
        if at + 2**exponent > len(raw):
            rule = f"miniSEED (.mseed) ends {len(raw) - at} bytes into a record of {2**exponent}"
            raise ReadError(str(path), rule, "Cut short? Copy it again")
        blockettes |= chain
        flags = flags or any(raw[at + 36 : at + 39])
        at += 2**exponent
    return Extras(frozenset(blockettes - _KEPT), flags)


def _blockettes(raw: bytes, start: int) -> tuple[set[int], int]:
    """Return the blockette types of a record, and log2 of its length; 0 if that is unknown."""
    (year,) = struct.unpack_from(">H", raw, start + 20)
    order = ">" if 1900 <= year <= 2100 else "<"
    (follows,) = struct.unpack_from(order + "H", raw, start + 46)
    kinds, exponent = set[int](), 0
    before = 0
    while follows > before and start + follows + 8 <= len(raw):
        kind, after = struct.unpack_from(order + "HH", raw, start + follows)
        kinds.add(kind)
        if kind == 1000:
            exponent = raw[start + follows + 6]
        before, follows = follows, after
    return kinds, exponent if 7 <= exponent <= 20 else 0
