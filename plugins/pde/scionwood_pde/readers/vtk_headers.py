"""Check the sizes that an XML file of VTK states; its library ends the process on wrong ones."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np

from scionwood import ReadError

_TAG = re.compile(rb"<(VTKFile|DataArray)\b([^<>]*)>([^<]*)")
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*[\"']([^\"']*)[\"']")
_MOST_COMPONENTS = 1024
_RATIO = 10_000  # no codec of VTK packs more bytes into one


def check_headers(path: Path) -> None:
    """Refuse arrays with more components, blocks or bytes than the file can hold.

    Args:
        path: the file; one that is no XML of VTK passes.

    Raises:
        ReadError: naming the array and the number.
    """
    data = path.read_bytes()
    before, _, appended = data.partition(b"<AppendedData")
    if b"<VTKFile" not in before[:4096]:
        return
    start = appended.find(b"_") + 1
    facts: dict[bytes, bytes] = {}
    for kind, attributes, text in _TAG.findall(before):
        tag_attributes = dict(_ATTRIBUTE.findall(attributes))
        if kind == b"VTKFile":
            facts = tag_attributes
            continue
        name = tag_attributes.get(b"Name", b"").decode("utf-8", "replace")
        if not 1 <= _number(tag_attributes.get(b"NumberOfComponents", b"1")) <= _MOST_COMPONENTS:
            _refuse(path, name, f"has no number of components from 1 to {_MOST_COMPONENTS}")
        if tag_attributes.get(b"format") == b"binary":
            _check_blocks(path, name, facts, text.strip(), packed=True)
        elif tag_attributes.get(b"format") == b"appended":
            place = start + max(_number(tag_attributes.get(b"offset", b"")), 0)
            packed = b"base64" in appended[:start]
            _check_blocks(path, name, facts, appended[place:], packed=packed)


def _check_blocks(
    path: Path, name: str, facts: dict[bytes, bytes], stored: bytes, *, packed: bool
) -> None:
    """Check the header of an array: its bytes, or the number and size of compressed blocks."""
    size = 8 if facts.get(b"header_type") == b"UInt64" else 4
    try:
        head = base64.b64decode(stored[:32]) if packed else stored[:24]
    except ValueError:
        head = b""
    kind = np.dtype(f"{'>' if facts.get(b'byte_order') == b'BigEndian' else '<'}u{size}")
    numbers = [int(number) for number in np.frombuffer(head.ljust(3 * size, b"\0"), kind, 3)]
    if len(head) < size:
        _refuse(path, name, "has no header")
    if b"compressor" not in facts:
        if numbers[0] > len(stored):
            _refuse(path, name, f"states {numbers[0]:,} bytes, and {len(stored):,} follow")
        return
    blocks, block, _ = numbers
    if blocks * size > len(stored) or blocks * block > _RATIO * len(stored):
        rule = f"states {blocks:,} blocks of {block:,} bytes, and {len(stored):,} bytes follow"
        _refuse(path, name, rule)
    if blocks and not block:
        _refuse(path, name, f"states {blocks:,} blocks without a size")


def _number(text: bytes) -> int:
    return int(text) if re.fullmatch(rb"\d{1,18}", text.strip()) else -1


def _refuse(path: Path, name: str, rule: str) -> None:
    raise ReadError(str(path), f"VTK: array {name!r} {rule}", "Is it damaged? Copy it again")
