"""Decode VTK XML files (VTU, VTP): arrays as text, base64 or raw bytes, packed or not.

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
"""Bytes of a text, at most."""

_END = b"</AppendedData>"


@final
@dataclass(frozen=True)
class VtkFile:
    """A parsed file; arrays are decoded when they are asked for.

    Attributes:
        path: of the file.
        kind: `UnstructuredGrid` or `PolyData`.
        root: its elements, without appended data.
        appended: the appended bytes, and whether they are base64.
    """

    path: Path
    kind: str
    root: Element
    appended: tuple[bytes, bool]

    @classmethod
    def open(cls, path: Path) -> VtkFile:
        """Parse a file.

        Raises:
            ReadError: it is no VTK XML file of one piece, or declares entities.
        """
        raw = path.read_bytes()
        found = _APPENDED.search(raw)
        tail, encoded = b"", True
        if found:
            tail = raw[found.end() : raw.rfind(_END)]
            encoded = b"base64" in found.group()
            raw = raw[: found.start()] + b"</VTKFile>"
        root = parse_xml(path, raw)
        kind = root.get("type", "")
        if root.tag != "VTKFile" or kind not in ("UnstructuredGrid", "PolyData"):
            raise ReadError(
                str(path),
                f"it is VTK of {kind or root.tag}, not a mesh of .vtu or .vtp",
                "Export it so",
            )
        file = cls(path, kind, root, (tail, encoded))
        if len(root.findall(f"{kind}/Piece")) != 1:
            raise ReadError(str(path), "VTK: it has not one piece", "Merge the pieces")
        return file

    @property
    def piece(self) -> Element:
        """The piece."""
        found = self.root.find(f"{self.kind}/Piece")
        assert found is not None  # `open` has looked
        return found

    def names(self, section: str) -> list[str]:
        """The names of a section's arrays, such as those of `PointData`."""
        return [item.get("Name", "") for item in self._items(section)]

    def array(self, section: str, name: str | None, rows: int) -> np.ndarray:
        """An array of a section.

        Args:
            section: such as `PointData`.
            name: of the array; the first one where null.
            rows: how many values, or tuples, it must have.

        Returns:
            (rows,) or (rows, component), in the machine's byte order.

        Raises:
            ReadError: the array is missing, damaged, or of another length.
        """
        for item in self._items(section):
            if name in (None, item.get("Name")):
                return self._decode(item, rows)
        rule = f"VTK: {section} has no array {name!r}"
        raise ReadError(str(self.path), rule, f"It has: {', '.join(self.names(section)) or 'none'}")

    def text(self, name: str) -> str | None:
        """A text of the field data; null where there is none."""
        for item in self._items("FieldData"):
            if item.get("Name") == name and item.get("type") == "String":
                codes = self._values(item, np.dtype("u1"), None)
                return codes.tobytes().rstrip(b"\0").decode()
        return None

    def numbers(self, name: str) -> np.ndarray:
        """Numbers of the field data; none where there are none."""
        for item in self._items("FieldData"):
            if item.get("Name") == name:
                return self._decode(item, int(item.get("NumberOfTuples") or 1))
        return np.empty(0)

    def count(self, name: str) -> int:
        """A declared number of the piece, such as `NumberOfPoints`."""
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
            rule = f"{label} has {len(values)} numbers, it declares {rows} x {width}"
            raise ReadError(str(self.path), rule, "Cut short? Copy it again")
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
        """The bytes of one array, of which `size` are expected, or a text's."""
        order = "<" if self._little else ">"
        head = np.dtype(order + _TYPES[self.root.get("header_type", "UInt32")])
        packing = self.root.get("compressor")
        if not packing:
            whole = _take(data, head.itemsize + (_TEXT if size is None else size), encoded)
            return whole[head.itemsize : head.itemsize + int(np.frombuffer(whole, head, 1)[0])]
        (blocks,) = np.frombuffer(_take(data, head.itemsize, encoded), head, 1).tolist()
        numbers = 3 + blocks
        if numbers * head.itemsize > len(data):
            raise ReadError(
                str(self.path), f"VTK: {blocks} packed blocks", "Damaged? Copy it again"
            )
        start = _take(data, numbers * head.itemsize, encoded)
        _, full, last, *packed = np.frombuffer(start, head, numbers).tolist()
        skip = 4 * -(-len(start) // 3) if encoded else len(start)
        body = _take(data[skip:], sum(packed), encoded)
        total = full * (blocks - bool(last)) + last if blocks else 0
        if total != size and (size is not None or total > _TEXT):
            rule = f"VTK: {total} packed bytes, {size or 'a text'} expected"
            raise ReadError(str(self.path), rule, "Damaged? Copy it again")
        return _blocks(_unpacker(self.path, packing), body, packed, min(full, total) or last)


def parse_xml(path: Path, raw: bytes) -> Element:
    """The root of XML that may come from anyone.

    Raises:
        ReadError: it is not well formed, or declares a document type or entities.
    """
    try:
        root: Element = SafeTree.fromstring(raw, forbid_dtd=True)
    except ValueError as error:  # DTDForbidden and its like
        rule = f"XML that declares a document type or entities is refused ({type(error).__name__})"
        raise ReadError(str(path), rule, "Remove the declaration") from error
    except SyntaxError as error:
        rule = f"it is no readable VTK XML file (.pvd, .vtu, .vtp) ({error})"
        raise ReadError(str(path), rule, "Cut short? Copy it again") from error
    return root


def _take(data: bytes, size: int, encoded: bool) -> bytes:
    """The first bytes, of base64 as many characters as they need."""
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
    raise ReadError(str(path), f"VTK: packed by {name}", "Save it with ZLib, or not compressed")


def _blocks(unpacker: Callable[[], Any], body: bytes, packed: list[int], full: int) -> bytes:
    parts, at = [], 0
    for size in packed:
        # Never more than is expected, however small the packed form is; 0 would be no limit.
        parts.append(unpacker().decompress(body[at : at + size], max(full, 1)))
        at += size
    return b"".join(parts)
