"""Polygons of legacy VTK files, which meshio does not read, as an unstructured grid.

Source: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html, legacy formats.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from scionwood import ReadError
from scionwood_crash.readers.vtk_encode import QUAD, TRIANGLE

_DATASET = re.compile(rb"^DATASET\s+POLYDATA\s*$", re.M)
_POLYGONS = re.compile(rb"^POLYGONS\s+(\d+)\s+(\d+)\s*\n", re.M)
_OTHERS = re.compile(rb"^(VERTICES|LINES|TRIANGLE_STRIPS)\s+(\d+)", re.M)
_OFFSETS = re.compile(rb"\s*OFFSETS\s+(\w+)\s*\n")
_LONG = re.compile(rb"^(\S+ \d+ \d+ )vtktypeint64(?=\s*$)", re.M)
_DATA = re.compile(rb"^(CELL_DATA|POINT_DATA|FIELD|METADATA)\b", re.M)
_TEXTURE = re.compile(rb"^TEXTURE_COORDINATES\s+(\S+)\s+(\d+)\s+(\w+)(?=\s*$)", re.M)
_POINTS = re.compile(rb"^POINT_DATA\s+(\d+)", re.M)
_TYPES = {b"vtktypeint64": ">i8", b"int": ">i4", b"long": ">i8", b"vtktypeint32": ">i4"}


def as_grid(path: Path, data: bytes) -> bytes:
    """Return the bytes of a legacy file of polygons as those of an unstructured grid.

    Other files are returned as they are.

    Args:
        path: for messages.
        data: the content of the file.

    Raises:
        ReadError: the polygons are damaged, or the file has lines, vertices or strips.
    """
    if not data.startswith(b"# vtk DataFile Version 5"):
        data = _LONG.sub(rb"\1long", data)  # a type of version 5 in a file of version 4
    data = _TEXTURE.sub(partial(_as_field, data), data)
    dataset = _DATASET.search(data)
    if dataset is None:
        return data
    start = _POLYGONS.search(data, dataset.end())
    other = _OTHERS.search(data, dataset.end(), start.start() if start else len(data))
    if start is None or other is not None:
        kind = other[1].decode() if other else "no POLYGONS"
        rule = f"VTK: it holds {kind}"
        raise ReadError(str(path), rule, "Save the surface alone, as triangles and quads")
    ascii_ = b"\nASCII" in data[: dataset.start()]
    sizes, end = _sizes(path, data, start, ascii_=ascii_)
    unknown = set(sizes.tolist()) - {3, 4}
    if unknown:
        rule = f"VTK: it has polygons of {min(unknown)} nodes"
        raise ReadError(str(path), rule, "Save it with the filter Triangulate")
    kinds = np.where(sizes == 3, TRIANGLE, QUAD)
    text = b" ".join(b"%d" % kind for kind in kinds.tolist())
    listed = text if ascii_ else kinds.astype(">i4").tobytes()
    grid = (
        data[: dataset.start()] + b"DATASET UNSTRUCTURED_GRID" + data[dataset.end() : start.start()]
    )
    grid += b"CELLS" + data[start.start() + len(b"POLYGONS") : end]
    return grid + b"\nCELL_TYPES %d\n" % len(sizes) + listed + b"\n" + data[end:].lstrip(b"\n")


def _as_field(data: bytes, texture: re.Match[bytes]) -> bytes:
    """Return the heading of texture coordinates, which meshio does not know, as one of a field."""
    before = _POINTS.findall(data, 0, texture.start())
    if not before:
        return texture[0]
    name, components, kind = texture.groups()
    return b"FIELD texture 1\n%s %s %s %s" % (name, components, before[-1], kind)


def _sizes(
    path: Path, data: bytes, start: re.Match[bytes], *, ascii_: bool
) -> tuple[np.ndarray, int]:
    """Return the number of nodes of each polygon, and where the polygons end."""
    first, second = int(start[1]), int(start[2])
    if max(first, second) > len(data):
        rule = f"VTK: it declares {first} polygons, but has {len(data)} bytes"
        raise ReadError(str(path), rule, "Is it truncated? Copy it again")
    offsets = _OFFSETS.match(data, start.end())
    if ascii_:
        following = _DATA.search(data, start.end())
        end = following.start() if following else len(data)
        words = re.sub(rb"[A-Za-z_]\w*", b" ", data[start.end() : end]).split()
        numbers = np.array(words[: first + second], np.int64)
        return (np.diff(numbers[:first]) if offsets else _cell_sizes(numbers, first)), end
    if offsets is None:
        end = start.end() + 4 * second
        return _cell_sizes(
            np.frombuffer(data[start.end() : end], ">i4").astype(np.int64), first
        ), end
    kind = np.dtype(_TYPES.get(offsets[1], ">i8"))
    values = np.frombuffer(data, kind, first, offsets.end())
    nodes = re.compile(rb"\s*CONNECTIVITY\s+\w+\s*\n").match(
        data, offsets.end() + first * kind.itemsize
    )
    if nodes is None:
        raise ReadError(str(path), "VTK: CONNECTIVITY is missing", "Is it damaged? Copy it again")
    return np.diff(values.astype(np.int64)), nodes.end() + second * kind.itemsize


def _cell_sizes(numbers: np.ndarray, count: int) -> np.ndarray:
    """Return the sizes in a list of size and nodes, size and nodes ..."""
    out, at = np.zeros(count, np.int64), 0
    for index in range(count):
        out[index] = numbers[at]
        at += int(out[index]) + 1
        if at <= 0:
            break
    return out
