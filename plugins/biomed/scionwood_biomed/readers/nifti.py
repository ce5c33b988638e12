"""NIfTI: scaled volumes in RAS+ orientation, with their affine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import nibabel
import numpy as np

from scionwood import ReadError, Record
from scionwood.authoring import RecordFunction, atomic_path, check_inflated, reading, writing
from scionwood_biomed.readers.base import IndexedReader, new_data
from scionwood_deid import INFLATED, LARGEST

nib: Any = nibabel  # its functions have no type annotations

MILLIMETRES = {1: 1e3, 2: 1.0, 3: 1e-3}
"""Millimetres of the codes of metre, millimetre and micrometre."""


@final
class NiftiReader(IndexedReader):
    """Read the volumes of a NIfTI-1 or NIfTI-2 file in RAS+ orientation.

    Axes are flipped and swapped but never resampled. Afterwards x grows from left to right, y from
    posterior to anterior and z from inferior to superior, as closely as the affine allows. The
    slope and intercept of the header are applied.

    Args:
        path: the file, `.nii` or `.nii.gz`.
        largest: maximum number of bytes that one volume may take in memory.

    Attributes:
        affine: (4, 4), from voxel indices of a record's data to mm in RAS+.

    Shapes: a record's data is (x, y, z) float32; a time series has one record per time.

    Units: coordinates in mm along each axis if the affine has no rotation, else no coordinates;
        the unit of the data is not stated by the format.

    Raises:
        ReadError: the file is not NIfTI, is damaged, truncated or too large, or holds complex or
            RGB values.

    Source: the NIfTI-1 standard, https://nifti.nimh.nih.gov/nifti-1
    """

    suffixes: ClassVar[tuple[str, ...]] = (".nii", ".nii.gz")
    dims = ("x", "y", "z")
    units: Mapping[str, str] = {"x": "mm", "y": "mm", "z": "mm", "data": "unknown"}

    def __init__(self, path: str | Path, *, largest: int = LARGEST) -> None:
        self.path = Path(path)
        with reading(self.path, "NIfTI"):
            if self.path.name.endswith(".gz"):
                check_inflated(self.path, "NIfTI", window=31, largest=INFLATED)
            image = nib.load(self.path)
            self._check(image, largest)
            self._image = image
            self._turned = nib.as_closest_canonical(_with_three_axes(image))
            self.affine = np.array(self._turned.affine)
            # The low bits of xyzt_units; unknown counts as mm, as programs write it.
            self.affine[:3] *= MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0)
        self.shape = (*self._turned.shape, 1)[:3]

    def __len__(self) -> int:
        shape = self._image.shape
        return int(np.prod(shape[3:])) if len(shape) > 3 else 1

    def read(self, index: int) -> Record:
        """Read the volume of a time by its index, from 0.

        Raises:
            ReadError: its values are damaged.
        """
        place = self._place(index)
        with reading(self.path, "NIfTI"):
            values = np.asarray(self._turned.dataobj[place], dtype=np.float32)
        return Record({"time": index}, values.reshape(self.shape), self._coords())

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the file in its own orientation, with values changed by `function`.

        The bytes of the header and of all other values are kept. Integers are rounded and clipped
        to the range of their type.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the target cannot be written, or the shape changed.
        """
        canonical = np.zeros(self._turned.shape, np.float64)
        changed = np.zeros(canonical.shape, bool)
        for record in self:
            after = new_data(self.path, record, function)
            if after is not None:
                place = self._place(int(record.key["time"]))
                canonical[place] = after.reshape(canonical[place].shape)
                changed[place] = (after != record.data).reshape(canonical[place].shape)
        with writing(target), atomic_path(target, overwrite=overwrite) as part:
            if changed.any():
                self._write(part, canonical, changed)
            else:
                part.write_bytes(self.path.read_bytes())

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a blurred sphere of 12 x 10 x 8 voxels of 2 mm, stored in LAS."""
        x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (12, 10, 8)), indexing="ij")
        values = np.exp(-4 * ((x - 0.2) ** 2 + y**2 + z**2)).astype("<f4")
        nib.save(nib.Nifti1Image(values, np.diag([-2.0, 2, 2, 1])), path)

    def _check(self, image: Any, largest: int) -> None:
        if not isinstance(image, nib.Nifti1Image):
            remedy = "Convert it, for example with mri_convert"
            raise ReadError(str(self.path), "it is not a NIfTI file", remedy)
        shape, dtype = image.shape, image.get_data_dtype()
        if not 2 <= len(shape) <= 5 or min(shape) < 1:
            raise ReadError(str(self.path), f"NIfTI: its shape is {shape}", "Check the header")
        if dtype.kind not in "iuf":
            rule = f"NIfTI: its values are {dtype}, neither integers nor real numbers"
            raise ReadError(str(self.path), rule, "Convert the values first")
        needed = int(np.prod(shape[:3], dtype=object)) * 4
        if needed > largest:
            rule = f"NIfTI: a volume of {shape[:3]} needs {needed:,} bytes, more than `largest`"
            raise ReadError(str(self.path), rule, "Raise `largest`")
        data: Any = image.dataobj
        declared = int(np.prod(shape, dtype=object)) * dtype.itemsize + data.offset
        inside = self.path.stat().st_size
        if not self.path.name.endswith(".gz") and declared > inside:
            rule = f"NIfTI: it declares {declared:,} bytes and has {inside:,} bytes"
            raise ReadError(str(self.path), rule, "Copy it again: it is truncated")

    def _place(self, index: int) -> tuple[Any, ...]:
        self.check_index(index, "volume")
        extra_axes = self._turned.shape[3:]
        # NIfTI counts its fourth axis, time, before the fifth.
        at = np.unravel_index(index, extra_axes, order="F") if extra_axes else ()
        return (slice(None),) * min(3, len(self._turned.shape)) + tuple(int(i) for i in at)

    def _coords(self) -> dict[str, np.ndarray]:
        """Return positions along each axis, if the axes of the volume are those of the patient."""
        linear = self.affine[:3, :3]
        if np.abs(linear - np.diag(np.diag(linear))).max() > 1e-4 * np.abs(linear).max():
            return {}
        return {
            axis: self.affine[i, 3] + linear[i, i] * np.arange(self.shape[i])
            for i, axis in enumerate(self.dims)
        }

    def _write(self, part: Path, canonical: np.ndarray, changed: np.ndarray) -> None:
        """Restore the stored orientation and scale, and write what changed behind the header."""
        orientation = nib.io_orientation(self._turned.affine)
        back = nib.orientations.ornt_transform(orientation, nib.io_orientation(self._image.affine))
        values, mask = (nib.orientations.apply_orientation(x, back) for x in (canonical, changed))
        data = self._image.dataobj
        # The reader gave stored * slope + inter.
        stored = (values - data.inter) / data.slope
        dtype = self._image.get_data_dtype()
        if dtype.kind in "iu":
            stored = np.clip(np.rint(stored), np.iinfo(dtype).min, np.iinfo(dtype).max)
        content = _bytes(self.path)
        flat = np.frombuffer(content, dtype, stored.size, data.offset)
        # NIfTI stores its first axis fastest. A float32 of a record has fewer bits than some files.
        flat[mask.ravel("F")] = stored.astype(dtype).ravel("F")[mask.ravel("F")]
        _store(part, content)


def _with_three_axes(image: Any) -> Any:
    """Return an image; a plane gets a third axis, without which nibabel cannot turn it."""
    if len(image.shape) > 2:
        return image
    return nib.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine)


def _bytes(path: Path) -> bytearray:
    if path.name.endswith(".gz"):
        import gzip

        with gzip.open(path) as file:
            return bytearray(file.read())
    return bytearray(path.read_bytes())


def _store(path: Path, content: bytes | bytearray) -> None:
    if path.name.endswith(".gz"):
        import gzip

        # The gzip header has no name and no time, so that equal volumes give equal files.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
            file.write(content)
        return
    path.write_bytes(content)
