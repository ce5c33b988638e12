"""Decode VTK XML files (VTU, VTP): arrays as text, base64 or raw bytes, compressed or not.

Source: VTK file formats, https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
"""

from __future__ import annotations

import base64
import binascii
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from xml.etree.ElementTree import Element

import defusedxml.ElementTree as SafeTree
import numpy as np

from scionwood import ReadError

_TYPES = {
    "Int8": "i1",
    "UInt8": "u1",
    "Int16": "i2",
    "UInt16": "u2",
    "Int32": "i4",
    "UInt32": "u4",
    "Int64": "i8",
    "UInt64": "u8",
    "Float32": "f4",
    "Float64": "f8",
}
_APPENDED = re.compile(rb"<AppendedData[^>]*>\s*_")
_TEXT = 4096
"""Largest size of a text, bytes."""

_END = b"</AppendedData>"


@final
@dataclass(frozen=True)
class VtkFile:
    """A parsed file, whose arrays are decoded on demand.

    Attributes:
        path: path of the file.
        kind: `UnstructuredGrid` or `PolyData`.
        root: XML elements without appended data.
        appended: appended bytes, and whether they are base64.
    """

    path: Path
    kind: str
    root: Element
    appended: tuple[bytes, bool]

    @classmethod
    def open(cls, path: Path) -> VtkFile:
        """Parse a file.

        Raises:
            ReadError: the file is not a VTK XML file of one piece, or declares entities.
        """
        raw = path.read_bytes()
        appended = _APPENDED.search(raw)
        tail, encoded = b"", True
        if appended:
            tail = raw[appended.end() : raw.rfind(_END)]
            encoded = b"base64" in appended.group()
            raw = raw[: appended.start()] + b"</VTKFile>"
        root = parse_xml(path, raw)
        kind = root.get("type", "")
        if root.tag != "VTKFile" or kind not in ("UnstructuredGrid", "PolyData"):
            raise ReadError(
                str(path),
                f"it holds VTK data of type {kind or root.tag}, not a mesh (.vtu, .vtp)",
                "Export it as .vtu or .vtp",
            )
        file = cls(path, kind, root, (tail, encoded))
        if len(root.findall(f"{kind}/Piece")) != 1:
            raise ReadError(str(path), "VTK: it must have one piece", "Merge the pieces")
        return file

    @property
    def piece(self) -> Element:
        """The only piece."""
        piece = self.root.find(f"{self.kind}/Piece")
        assert piece is not None  # checked by `open`
        return piece

    def names(self, section: str) -> list[str]:
        """Return the names of the arrays of a section, such as `PointData`."""
        return [item.get("Name", "") for item in self._items(section)]

    def array(self, section: str, name: str | None, rows: int) -> np.ndarray:
        """Decode an array of a section.

        Args:
            section: such as `PointData`.
            name: name of the array; `None` means the first one.
            rows: required number of values or tuples.

        Returns:
            (rows,) or (rows, component), in native byte order.

        Raises:
            ReadError: the array is missing, damaged, or has another length.
        """
        for item in self._items(section):
            if name in (None, item.get("Name")):
                return self._decode(item, rows)
        rule = f"VTK: {section} has no array {name!r}"
        raise ReadError(str(self.path), rule, f"It has: {', '.join(self.names(section)) or 'none'}")

    def text(self, name: str) -> str | None:
        """Return a text of the field data, or `None`."""
        for item in self._items("FieldData"):
            if item.get("Name") == name and item.get("type") == "String":
                codes = self._values(item, np.dtype("u1"), None)
                return codes.tobytes().rstrip(b"\0").decode()
        return None

    def numbers(self, name: str) -> np.ndarray:
        """Return numbers of the field data; empty if the array does not exist."""
        for item in self._items("FieldData"):
            if item.get("Name") == name:
                return self._decode(item, int(item.get("NumberOfTuples") or 1))
        return np.empty(0)

    def count(self, name: str) -> int:
        """Return a declared number of the piece, such as `NumberOfPoints`."""
        return int(self.piece.get(name, "0"))

    def _items(self, section: str) -> list[Element]:
        place = self.root.find(f"{self.kind}/{section}")  # FieldData
        place = self.piece.find(section) if place is None else place
        return [] if place is None else [*place.findall("DataArray"), *place.findall("Array")]

    def _decode(self, item: Element, rows: int) -> np.ndarray:
        label = f"VTK: array {item.get('Name')!r}"
        code = _TYPES.get(item.get("type", ""))
        if code is None:
            raise ReadError(str(self.path), f"{label} is of {item.get('type')}", "Export numbers")
        width = int(item.get("NumberOfComponents") or 1)
        dtype = np.dtype(("<" if self._little else ">") + code)
        values = self._values(item, dtype, rows * width * dtype.itemsize)
        if len(values) != rows * width:
            rule = f"{label} has {len(values)} numbers, but declares {rows} x {width}"
            raise ReadError(str(self.path), rule, "Is it truncated? Copy it again")
        values = values.astype(dtype.newbyteorder("="), copy=False)
        return values.reshape(rows, width) if width > 1 else values

    @property
    def _little(self) -> bool:
        return self.root.get("byte_order", "LittleEndian") == "LittleEndian"

    def _values(self, item: Element, dtype: np.dtype, size: int | None) -> np.ndarray:
        form = item.get("format", "ascii")
        text = "".join(item.text or "").strip()
        if form == "ascii":
            return np.array(text.split(), dtype)
        if form == "binary":
            data = self._unpack(text.encode(), True, size)
        else:
            tail, encoded = self.appended
            data = self._unpack(tail[int(item.get("offset", "0")) :], encoded, size)
        return np.frombuffer(data, dtype)

    def _unpack(self, data: bytes, encoded: bool, size: int | None) -> bytes:
        """Decompress one array of `size` bytes, or a text if that is `None`."""
        order = "<" if self._little else ">"
        head = np.dtype(order + _TYPES[self.root.get("header_type", "UInt32")])
        packing = self.root.get("compressor")
        if not packing:
            data_block = _take(data, head.itemsize + (_TEXT if size is None else size), encoded)
            return data_block[
                head.itemsize : head.itemsize + int(np.frombuffer(data_block, head, 1)[0])
            ]
        (blocks,) = np.frombuffer(_take(data, head.itemsize, encoded), head, 1).tolist()
        numbers = 3 + blocks
        if numbers * head.itemsize > len(data):
            raise ReadError(
                str(self.path),
                f"VTK: it declares {blocks} compressed blocks",
                "Is it damaged? Copy it again",
            )
        start = _take(data, numbers * head.itemsize, encoded)
        _, full, last, *packed = np.frombuffer(start, head, numbers).tolist()
        skip = 4 * -(-len(start) // 3) if encoded else len(start)
        body = _take(data[skip:], sum(packed), encoded)
        total = full * (blocks - bool(last)) + last if blocks else 0
        if total != size and (size is not None or total > _TEXT):
            rule = f"VTK: an array has {total} bytes, not {size or 'those of a text'}"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again")
        return _blocks(_unpacker(self.path, packing), body, packed, min(full, total) or last)


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


def _take(data: bytes, size: int, encoded: bool) -> bytes:
    """Return the first `size` bytes, decoded from base64 if `encoded`."""
    if not encoded:
        return data[:size]
    text = data[: 4 * -(-size // 3)]
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return base64.b64decode(b"".join(text.split()) + b"==")


def _unpacker(path: Path, name: str) -> Callable[[], Any]:
    if name == "vtkZLibDataCompressor":
        return zlib.decompressobj
    if name == "vtkLZMADataCompressor":
        return lzma.LZMADecompressor
    raise ReadError(
        str(path), f"VTK: it is compressed by {name}", "Save it with ZLib, or without compression"
    )


def _blocks(unpacker: Callable[[], Any], body: bytes, packed: list[int], full: int) -> bytes:
    parts, at = [], 0
    for size in packed:
        # Limit the output, however small the compressed form is; 0 would mean no limit.
        parts.append(unpacker().decompress(body[at : at + size], max(full, 1)))
        at += size
    return b"".join(parts)
