"""De-identify a NIfTI file: its text fields, its extensions, and what lies around the voxels."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import nibabel
import numpy as np

from scionwood_deid.images import limits
from scionwood_deid.look import Box
from scionwood_sandbox import ReadError, check_inflated, reading

nib: Any = nibabel  # its functions have no type annotations

_GZIP = {
    4: "a field of programs in the head of gzip",
    8: "the name of a file in the head of gzip",
    16: "a comment in the head of gzip",
}
FIELDS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")


@final
@dataclass(frozen=True)
class CopiedVolume:
    """A copy of a NIfTI file.

    Attributes:
        data: (byte,) uint8, the bytes of the copy.
        before: what the source held.
        after: what is still in the copy.
        pixels: SHA-256 of the voxels.
    """

    data: np.ndarray
    before: list[str]
    after: list[str]
    pixels: str


def is_nifti(path: Path) -> bool:
    """Return whether a file has the ending of NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def inspect_nifti(path: Path) -> tuple[list[str], str]:
    """List the places of a NIfTI file that hold text, and return SHA-256 of its voxels.

    Args:
        path: the file, `.nii` or `.nii.gz`.

    Raises:
        ReadError: it is no NIfTI file, or is damaged.
    """
    with reading(path, "NIfTI"):
        content = whole_of(path)
        places = [place for place, _, _ in _places(path, content)]
        return [*_packing(path), *places], voxels_digest(path, content)


def copy_nifti(path: Path) -> CopiedVolume:
    """Return a copy whose text fields, extensions and surroundings of voxels are empty.

    The voxels, the affine and the units are not changed.

    Args:
        path: the file, `.nii` or `.nii.gz`.

    Raises:
        ReadError: it is no NIfTI file, or is damaged.
    """
    with reading(path, "NIfTI"):
        content = whole_of(path)
        text_places = list(_places(path, content))
        for _, start, stop in text_places:
            content[start:stop] = bytes(stop - start)
        voxels = _voxels(path, content)
        del content[voxels[1] :]
        left = [place for place, _, _ in _places(path, content)]
        before = [*_packing(path), *(place for place, _, _ in text_places)]
        data = np.frombuffer(packed(path, content), np.uint8)
        return CopiedVolume(data, before, left, voxels_digest(path, content))


def blank_nifti(path: Path, boxes: list[Box]) -> CopiedVolume:
    """Return a copy of a volume with regions of all its slices set to 0.

    Args:
        path: the file, `.nii` or `.nii.gz`.
        boxes: x, y, width and height along its first two stored axes.

    Raises:
        ReadError: it is no NIfTI file, or is damaged.
    """
    with reading(path, "NIfTI"):
        content = whole_of(path)
        values = stored(path, content)
        for x, y, width, height in boxes:
            values[x : x + width, y : y + height] = 0
        left = [place for place, _, _ in _places(path, content)]
        data = np.frombuffer(packed(path, content), np.uint8)
        return CopiedVolume(data, left, left, voxels_digest(path, content))


def stored(path: Path, content: bytearray) -> np.ndarray:
    """Return the voxels as they are stored, without scale: a view of the bytes.

    Args:
        path: the file, for messages.
        content: its bytes, unpacked.
    """
    header = _header(path, content)
    start, stop = _voxels(path, content)
    shape = (*header.get_data_shape(), 1)[: max(2, len(header.get_data_shape()))]
    kind = header.get_data_dtype()
    count = (stop - start) // kind.itemsize
    # NIfTI stores the first axis fastest.
    return np.frombuffer(content, kind, count, start).reshape(shape, order="F")


def voxels_digest(path: Path, content: bytearray) -> str:
    """Return SHA-256 of the voxels, their shape and their kind.

    Args:
        path: the file, for messages.
        content: its bytes, unpacked.
    """
    header = _header(path, content)
    start, stop = _voxels(path, content)
    kind = f"{header.get_data_shape()} {header.get_data_dtype()}".encode()
    return hashlib.sha256(kind + bytes(content[start:stop])).hexdigest()


def packed(path: Path, content: bytearray) -> bytes:
    """Return the bytes of a file, packed without a name and a time if its ending is `.gz`."""
    if not path.name.lower().endswith(".gz"):
        return bytes(content)
    out = io.BytesIO()
    # The head of gzip would else hold the name of the file and the time of the copy.
    with gzip.GzipFile("", "wb", fileobj=out, mtime=0) as file:
        file.write(content)
    return out.getvalue()


def _packing(path: Path) -> list[str]:
    """Return what the heads of a gzip file state: a name, a comment.

    Source: RFC 1952.
    """
    if not path.name.lower().endswith(".gz"):
        return []
    content, names = path.read_bytes(), set()
    # A gzip file may be several members in a row, each with a head of its own.
    while content[:2] == b"\x1f\x8b":
        flags = content[3]
        names |= {name for bit, name in _GZIP.items() if flags & bit}
        # 31: the largest window (15), and the head of gzip (16).
        unpacking = zlib.decompressobj(31)
        unpacking.decompress(content)
        content = unpacking.unused_data
    return sorted(names)


def whole_of(path: Path) -> bytearray:
    """Return the bytes of a NIfTI file, unpacked.

    Args:
        path: the file.

    Raises:
        ReadError: it inflates to too much.
    """
    if not path.name.lower().endswith(".gz"):
        return bytearray(path.read_bytes())
    check_inflated(path, "NIfTI", window=31, largest=limits.INFLATED)
    with gzip.open(path) as file:
        return bytearray(file.read())


def _header(path: Path, content: bytearray) -> Any:
    """Return the header, which nibabel checks."""
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        size = kind.template_dtype.itemsize
        head = bytes(content[:size])
        if len(head) == size and kind.may_contain_header(head):
            header = kind(head, check=True)
            if bytes(header["magic"].item())[:3] in (b"n+1", b"n+2"):
                return header
    rule = "NIfTI: it is not one file with header and voxels"
    raise ReadError(str(path), rule, "Convert it to .nii")


def _voxels(path: Path, content: bytearray) -> tuple[int, int]:
    """Return where the voxels begin and end."""
    header = _header(path, content)
    # Python's integers: a forged shape must not wrap around to a small count.
    count = int(np.prod(header.get_data_shape(), dtype=object))
    start = int(header["vox_offset"])
    stop = start + count * header.get_data_dtype().itemsize
    if not header.template_dtype.itemsize <= start <= stop <= len(content):
        rule = f"NIfTI: it declares {stop:,} bytes and has {len(content):,}"
        raise ReadError(str(path), rule, "Copy it again: it is truncated")
    return start, stop


def _places(path: Path, content: bytearray) -> Iterator[tuple[str, int, int]]:
    """Yield what may hold text: its name, and where it begins and ends."""
    header = _header(path, content)
    kinds = header.template_dtype
    for name in FIELDS:
        if name in kinds.fields:
            kind, start = kinds.fields[name][:2]
            if any(content[start : start + kind.itemsize]):
                yield name, start, start + kind.itemsize
    start, stop = _voxels(path, content)
    if any(content[kinds.itemsize : start]):
        yield "extensions", kinds.itemsize, start
    if len(content) > stop:
        yield "bytes behind the voxels", stop, len(content)
