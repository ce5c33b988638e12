"""Encode VTK XML files: one piece, with arrays compressed by ZLib and encoded as base64.

Source: VTK file formats, https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np

_NAMES = {"i": "Int", "u": "UInt", "f": "Float"}
_BLOCK = 1 << 20
_LEVEL = 1  # higher levels cost time, and hardly shrink floats
TRIANGLE, QUAD = 5, 9

NamedArrays = Iterable[tuple[str, "np.ndarray | str"]]
"""Arrays by name; an iterator, so that they need not be in memory together."""


def write_grid(
    file: BinaryIO,
    points: np.ndarray,
    cells: np.ndarray,
    point_data: NamedArrays,
    cell_data: NamedArrays,
    field_data: NamedArrays,
    *,
    poly: bool = False,
) -> None:
    """Write a mesh as VTU or VTP.

    Args:
        file: binary file, open for writing.
        points: (node, 3).
        cells: (element, 4); a triangle repeats its last node.
        point_data: (node,) or (node, component) by name.
        cell_data: (element,) or (element, component) by name.
        field_data: numbers or text of the whole file.
        poly: write VTP instead of VTU.
    """
    real = np.ones_like(cells, bool)
    real[:, 3] = cells[:, 2] != cells[:, 3]
    shape: dict[str, np.ndarray | str] = {
        "connectivity": cells[real].astype(np.int64),
        "offsets": np.cumsum(real.sum(1)).astype(np.int64),
    }
    kind, place, count = "UnstructuredGrid", "Cells", "NumberOfCells"
    if poly:
        kind, place, count = "PolyData", "Polys", "NumberOfPolys"
    else:
        shape["types"] = np.where(real[:, 3], QUAD, TRIANGLE).astype(np.uint8)
    file.write(b'<?xml version="1.0"?>\n')
    head = f'<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64" '
    file.write(f'{head}compressor="vtkZLibDataCompressor">\n<{kind}>\n'.encode())
    _section(file, "FieldData", field_data)
    file.write(f'<Piece NumberOfPoints="{len(points)}" {count}="{len(cells)}">\n'.encode())
    _section(file, "Points", [("Points", np.asarray(points))])
    _section(file, place, shape.items())
    _section(file, "PointData", point_data)
    _section(file, "CellData", cell_data)
    file.write(f"</Piece>\n</{kind}>\n</VTKFile>\n".encode())


def _section(file: BinaryIO, name: str, arrays: NamedArrays) -> None:
    file.write(f"<{name}>\n".encode())
    for label, values in arrays:
        _write_array(file, name, label, values)
    file.write(f"</{name}>\n".encode())


def _write_array(file: BinaryIO, section: str, name: str, values: np.ndarray | str) -> None:
    if isinstance(values, str):
        codes = " ".join(str(byte) for byte in [*values.encode(), 0])
        head = f'<Array type="String" Name={quoteattr(name)} NumberOfTuples="1" format="ascii">'
        file.write(f"{head}{codes}</Array>\n".encode())
        return
    values = np.ascontiguousarray(values.astype(np.uint8) if values.dtype == bool else values)
    kind = f"{_NAMES[values.dtype.kind]}{8 * values.dtype.itemsize}"
    width = values.shape[1] if values.ndim == 2 else 1
    head = f'<DataArray type="{kind}" Name={quoteattr(name)} NumberOfComponents="{width}"'
    if section == "FieldData":
        head += f' NumberOfTuples="{len(values)}"'
    file.write(f'{head} format="binary">'.encode())
    _write_packed(file, values.astype(values.dtype.newbyteorder("<"), copy=False))
    file.write(b"</DataArray>\n")


def _write_packed(file: BinaryIO, values: np.ndarray) -> None:
    raw = values.tobytes()
    blocks = [zlib.compress(raw[at : at + _BLOCK], _LEVEL) for at in range(0, len(raw), _BLOCK)]
    head = [len(blocks), _BLOCK, len(raw) % _BLOCK, *(len(block) for block in blocks)]
    file.write(base64.b64encode(np.array(head, "<u8").tobytes()))
    file.write(base64.b64encode(b"".join(blocks)))
