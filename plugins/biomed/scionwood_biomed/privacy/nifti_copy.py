"""De-identify a NIfTI file: its text fields, its extensions, and what lies around the voxels."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import nibabel
import numpy as np

from scionwood import ReadError, check_inflated, reading
from scionwood_biomed.readers import limits

nib: Any = nibabel  # its functions have no type annotations

FIELDS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")


@final
@dataclass(frozen=True)
class CopiedVolume:
    """A copy of a NIfTI file.

    Attributes:
        data: (byte,) uint8, the bytes of the copy.
        before: what the source held.
        after: what is still in the copy.
    """

    data: np.ndarray
    before: list[str]
    after: list[str]


def is_nifti(path: Path) -> bool:
    """Return whether a file has the ending of NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def inspect_nifti(path: Path) -> list[str]:
    """List the places of a NIfTI file that hold text.

    Args:
        path: the file, `.nii` or `.nii.gz`.

    Raises:
        ReadError: it is no NIfTI file, or is damaged.
    """
    with reading(path, "NIfTI"):
        return [place for place, _, _ in _places(path, _whole(path))]


def copy_nifti(path: Path) -> CopiedVolume:
    """Return a copy whose text fields, extensions and surroundings of voxels are empty.

    The voxels, the affine and the units are not changed.

    Args:
        path: the file, `.nii` or `.nii.gz`.

    Raises:
        ReadError: it is no NIfTI file, or is damaged.
    """
    with reading(path, "NIfTI"):
        whole = _whole(path)
        found = list(_places(path, whole))
        for _, start, stop in found:
            whole[start:stop] = bytes(stop - start)
        voxels = _voxels(path, whole)
        del whole[voxels[1] :]
        left = [place for place, _, _ in _places(path, whole)]
    data = bytes(whole)
    if path.name.lower().endswith(".gz"):
        out = io.BytesIO()
        with gzip.GzipFile("", "wb", fileobj=out, mtime=0) as file:
            file.write(data)
        data = out.getvalue()
    return CopiedVolume(np.frombuffer(data, np.uint8), [place for place, _, _ in found], left)


def _whole(path: Path) -> bytearray:
    if not path.name.lower().endswith(".gz"):
        return bytearray(path.read_bytes())
    check_inflated(path, "NIfTI", window=31, largest=limits.INFLATED)
    with gzip.open(path) as file:
        return bytearray(file.read())


def _header(path: Path, whole: bytearray) -> Any:
    """Return the header, which nibabel checks."""
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        size = kind.template_dtype.itemsize
        head = bytes(whole[:size])
        if len(head) == size and kind.may_contain_header(head):
            header = kind(head, check=True)
            if bytes(header["magic"].item())[:3] in (b"n+1", b"n+2"):
                return header
    rule = "NIfTI: it is not one file with header and voxels"
    raise ReadError(str(path), rule, "Convert it to .nii")


def _voxels(path: Path, whole: bytearray) -> tuple[int, int]:
    """Return where the voxels begin and end."""
    header = _header(path, whole)
    count = int(np.prod(header.get_data_shape(), dtype=object))
    start = int(header["vox_offset"])
    stop = start + count * header.get_data_dtype().itemsize
    if not header.template_dtype.itemsize <= start <= stop <= len(whole):
        rule = f"NIfTI: it declares {stop:,} bytes and has {len(whole):,}"
        raise ReadError(str(path), rule, "Copy it again: it is truncated")
    return start, stop


def _places(path: Path, whole: bytearray) -> Iterator[tuple[str, int, int]]:
    """Yield what may hold text: its name, and where it begins and ends."""
    header = _header(path, whole)
    kinds = header.template_dtype
    for name in FIELDS:
        if name in kinds.fields:
            kind, start = kinds.fields[name][:2]
            if any(whole[start : start + kind.itemsize]):
                yield name, start, start + kind.itemsize
    start, stop = _voxels(path, whole)
    if any(whole[kinds.itemsize : start]):
        yield "extensions", kinds.itemsize, start
    if len(whole) > stop:
        yield "bytes behind the voxels", stop, len(whole)
