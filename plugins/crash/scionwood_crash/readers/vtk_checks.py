"""Check what a file of VTK states of its sizes; its library ends the process on wrong ones."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element

import defusedxml.ElementTree as SafeTree
import numpy as np

from scionwood import ReadError

_TAG = re.compile(rb"<(VTKFile|Piece|DataArray|Array)\b([^<>]*)>([^<]*)")
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*[\"']([^\"']*)[\"']")
_CELLS = rb"CELLS|POLYGONS|LINES|VERTICES|TRIANGLE_STRIPS"
_COUNT = re.compile(
    rb"^\s*(" + _CELLS + rb"|POINTS|CELL_TYPES|POINT_DATA|CELL_DATA)\s+(\S+)(?:\s+(-?\d+))?.*\n",
    re.M,
)
_FIELD = re.compile(
    rb"^(\S+) (\S+) (\S+) (?:float|double|int|long|vtk\w+|char|unsigned_\w+)\s", re.M
)
_TYPES = {"Int": "i", "UInt": "u", "Float": "f"}
_KINDS = {"UnstructuredGrid": ".vtu", "PolyData": ".vtp"}
_RATIO = 10_000  # no codec of VTK packs more bytes into one
_WIDEST = 1024
"""Components of an array at most."""


def checked_kind(path: Path) -> str:
    """Return the suffix that fits a file; refuse one whose counts or arrays it cannot hold.

    Args:
        path: an XML file of VTK, or a legacy one.

    Returns:
        `.vtu`, `.vtp` or `.vtk`, by its content.

    Raises:
        ReadError: naming the array and the number; also for a document type or entities in XML.
    """
    data = path.read_bytes()
    if b"<VTKFile" not in data[:4096]:
        _check_legacy(path, data)
        return ".vtk"
    before, _, appended = data.partition(b"<AppendedData")
    root = parse_xml(path, before + (b"/></VTKFile>" if appended else b""))
    dataset = root.get("type", "")
    if root.tag != "VTKFile" or dataset not in _KINDS:
        rule = f"it holds VTK data of type {dataset or root.tag}, not a mesh (.vtu, .vtp)"
        raise ReadError(str(path), rule, "Export it as .vtu or .vtp")
    start = appended.find(b"_") + 1
    facts: dict[bytes, bytes] = {}
    counts: list[int] = []
    for kind, text, values in _TAG.findall(before):
        tag = dict(_ATTRIBUTE.findall(text))
        if kind == b"VTKFile":
            facts = tag
        elif kind == b"Piece":
            _check_one_piece(path, counts)
            counts = [_number(path, tag[name]) for name in tag if name.startswith(b"NumberOf")]
            if max(counts, default=0) > _RATIO * len(data):
                rule = f"it declares {max(counts)} points or cells in {len(data)} bytes"
                _refuse(path, rule)
        else:
            place = start + _number(path, tag.get(b"offset") or b"0")
            stored = values.strip() if tag.get(b"format") != b"appended" else appended[place:]
            packed = tag.get(b"format") == b"binary" or b"base64" in appended[:start]
            _check_array(path, tag, stored, facts, packed=packed)
    return _KINDS[dataset]


def _check_one_piece(path: Path, counts: list[int]) -> None:
    if counts:
        raise ReadError(str(path), "VTK: it must have one piece", "Merge the pieces")


def _check_array(
    path: Path, tag: dict[bytes, bytes], stored: bytes, facts: dict[bytes, bytes], *, packed: bool
) -> None:
    """Check the header of an array: its bytes, or the number and size of compressed blocks."""
    name = f"array {tag.get(b'Name', b'').decode('utf-8', 'replace')!r}"
    if not 1 <= _number(path, tag.get(b"NumberOfComponents") or b"1") <= _WIDEST:
        _refuse(path, f"{name} has no number of components from 1 to {_WIDEST}")
    if tag.get(b"format", b"ascii") == b"ascii":
        return
    size = 8 if facts.get(b"header_type") == b"UInt64" else 4
    head = base64.b64decode(stored[:32]) if packed else stored[:24]
    kind = np.dtype(f"{'>' if facts.get(b'byte_order') == b'BigEndian' else '<'}u{size}")
    if len(head) < size:
        _refuse(path, f"{name} has no header")
    blocks, block, last = np.frombuffer(head.ljust(3 * size, b"\0"), kind, 3).tolist()
    if b"compressor" not in facts:
        if blocks > len(stored):
            _refuse(path, f"{name} states {blocks} bytes, and {len(stored)} follow")
        return
    total = block * (blocks - bool(last)) + last if blocks else 0
    if blocks * size > len(stored) or total > _RATIO * len(stored) or (blocks and not block):
        _refuse(path, f"{name} states {blocks} blocks of {total} bytes; {len(stored)} follow")


def _check_legacy(path: Path, data: bytes) -> None:
    if not data.startswith(b"# vtk DataFile"):
        _refuse(path, "it is not a file of VTK")
    counts = [number for pair in _FIELD.findall(data) for number in pair]
    old = re.match(rb"# vtk DataFile Version [0-4]", data) is not None
    for header in _COUNT.finditer(data):
        numbers = [number for number in header.groups()[1:] if number]
        counts += numbers
        if old and re.fullmatch(_CELLS, header[1]) and all(text.isdigit() for text in numbers):
            _check_cells(path, data, header.end(), *map(int, numbers))
    for text in counts:
        if re.fullmatch(rb"-?\d+", text) and not 0 <= int(text) <= len(data):
            _refuse(path, f"it declares {int(text)} values in {len(data)} bytes")


def _check_cells(path: Path, data: bytes, start: int, cells: int, size: int = 0) -> None:
    """Check that a list of sizes and nodes has so many cells and numbers: VTK would read beyond."""
    if size > len(data):
        _refuse(path, f"it declares {size} values in {len(data)} bytes")
    if b"\nBINARY" in data[:256]:
        numbers = np.frombuffer(data[start : start + 4 * size], ">i4").tolist()
    else:
        numbers = [
            int(word) for word in data[start : start + 24 * size].split(maxsplit=size)[:size]
        ]
    at = count = 0
    while at < len(numbers) and numbers[at] >= 0:
        at, count = at + numbers[at] + 1, count + 1
    if at != size or count != cells or len(numbers) != size:
        _refuse(path, f"it declares {cells} cells of {size} numbers, and lists {count}")


def parse_xml(path: Path, raw: bytes) -> Element:
    """Parse untrusted XML, and return its root.

    Raises:
        ReadError: the XML is not well formed, or declares a document type or entities.
    """
    try:
        root: Element = SafeTree.fromstring(raw, forbid_dtd=True)
    except ValueError as error:  # DTDForbidden and similar
        rule = f"XML must not declare a document type or entities ({type(error).__name__})"
        raise ReadError(str(path), rule, "Remove the declaration") from error
    except SyntaxError as error:
        rule = f"it is not a readable VTK XML file (.pvd, .vtu, .vtp) ({error})"
        raise ReadError(str(path), rule, "Is it truncated? Copy it again") from error
    return root


def _number(path: Path, text: bytes) -> int:
    if not re.fullmatch(rb"\d{1,18}", text.strip()):
        _refuse(path, f"it has {text.decode('utf-8', 'replace')[:40]!r} in place of a count")
    return int(text)


def _refuse(path: Path, rule: str) -> NoReturn:
    raise ReadError(str(path), f"VTK: {rule}", "Is it damaged? Copy it again")
