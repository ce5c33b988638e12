"""NIfTI: volumes in RAS+ orientation, scaled, beside their affine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import nibabel as nib
import numpy as np

from scionwood import Reader, ReadError, Record, WriteError, atomic_path
from scionwood_biomed.readers.bounds import LARGEST, check_inflated, reading


@final
class NiftiReader(Reader):
    """Read the volumes of a NIfTI-1 or NIfTI-2 file in RAS+ orientation.

    Axes are flipped and swapped, never resampled, so that x grows from left to right, y from back
    to front and z from foot to head, as near as the affine comes to that. Slope and intercept of
    the header are applied.

    Args:
        path: the file, `.nii` or `.nii.gz`.
        largest: the most bytes that one volume may take in memory.

    Attributes:
        affine: (4, 4), voxel indices of a record's data to mm in RAS+.

    Shapes: a record's data is (x, y, z), float32; one record a time of a series.

    Units: coordinates in mm along each axis where the affine has no rotation, else none; data in
        what the file means, which it does not say.

    Raises:
        ReadError: no NIfTI, damaged, cut, of complex or RGB values, or too large.

    Source: the NIfTI-1 standard, https://nifti.nimh.nih.gov/nifti-1
    """

    suffixes: ClassVar[tuple[str, ...]] = (".nii", ".nii.gz")
    dims = ("x", "y", "z")
    units: Mapping[str, str] = {"x": "mm", "y": "mm", "z": "mm", "data": "unknown"}

    def __init__(self, path: Path, *, largest: int = LARGEST) -> None:
        self.path = Path(path)
        with reading(self.path, "NIfTI"):
            if self.path.name.endswith(".gz"):
                check_inflated(self.path, "NIfTI", window=31)
            image: Any = nib.load(self.path)  # type: ignore[attr-defined]
            self._check(image, largest)
            self._image: Any = image
            self._turned: Any = nib.as_closest_canonical(image)  # type: ignore[attr-defined]
            self.affine = np.array(self._turned.affine)
        self.shape = (*self._turned.shape, 1)[:3]

    def __len__(self) -> int:
        shape = self._image.shape
        return int(np.prod(shape[3:])) if len(shape) > 3 else 1

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            yield self.read(index)

    def read(self, index: int) -> Record:
        """The volume at that time, from 0."""
        with reading(self.path, "NIfTI"):
            values = np.asarray(self._turned.dataobj[self._place(index)], dtype=np.float32)
        return Record({"time": index}, values.reshape(self.shape), self._coords())

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write the file to `target`, in its own orientation, with the values changed.

        The header keeps its bytes; integers are rounded and clipped to their type's range.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full or not writable, or the shape changed.
        """
        turned = np.empty(self._turned.shape, np.float64)
        changed = False
        for record in self:
            after = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
            if after.shape != record.data.shape:
                rule = f"the data came back as {after.shape}, it was {record.data.shape}"
                raise WriteError(str(self.path), rule, "A function must keep the shape")
            changed |= bool((after != record.data).any())
            place = self._place(int(record.key["time"]))
            turned[place] = after.reshape(turned[place].shape)
        try:
            with atomic_path(Path(target), overwrite=overwrite) as part:
                if changed:
                    self._write(part, turned)
                else:
                    part.write_bytes(self.path.read_bytes())
        except OSError as error:
            if isinstance(error, WriteError):
                raise
            rule = f"cannot be written ({error.strerror or error})"
            raise WriteError(str(target), rule, "Choose a folder with free space") from error

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a blurred sphere of 12 x 10 x 8 voxels of 2 mm, stored in LAS."""
        x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (12, 10, 8)), indexing="ij")
        values = np.exp(-4 * ((x - 0.2) ** 2 + y**2 + z**2)).astype("<f4")
        nib.save(nib.Nifti1Image(values, np.diag([-2.0, 2, 2, 1])), path)  # type: ignore[attr-defined]

    def _check(self, image: Any, largest: int) -> None:
        if not isinstance(image, nib.Nifti1Image):  # type: ignore[attr-defined]
            raise ReadError(
                str(self.path), "it is no NIfTI file", "Convert it, as with mri_convert"
            )
        shape, dtype = image.shape, image.get_data_dtype()
        if not 2 <= len(shape) <= 5 or min(shape) < 1:
            raise ReadError(str(self.path), f"NIfTI: its shape is {shape}", "Check the header")
        if dtype.kind not in "iuf":
            rule = f"NIfTI: its values are {dtype}, neither integers nor real numbers"
            raise ReadError(str(self.path), rule, "Convert them first")
        needed = int(np.prod(shape[:3], dtype=object)) * 4
        if needed > largest:
            rule = f"NIfTI: a volume of {shape[:3]} needs {needed:,} bytes, more than `largest`"
            raise ReadError(str(self.path), rule, "Raise `largest`")
        data: Any = image.dataobj
        declared = int(np.prod(shape, dtype=object)) * dtype.itemsize + data.offset
        inside = self.path.stat().st_size
        if not self.path.name.endswith(".gz") and declared > inside:
            rule = f"NIfTI: it declares {declared:,} bytes and has {inside:,}"
            raise ReadError(str(self.path), rule, "Copy it again: it is cut")

    def _place(self, index: int) -> tuple[Any, ...]:
        if not 0 <= index < len(self):
            raise IndexError(
                f"volume {index}: {self.path.name} has {len(self)}. Choose one of them"
            )
        rest = self._turned.shape[3:]
        at = np.unravel_index(index, rest, order="F") if rest else ()
        return (slice(None),) * min(3, len(self._turned.shape)) + tuple(int(i) for i in at)

    def _coords(self) -> dict[str, np.ndarray]:
        """Positions along each axis, where the axes of the volume are those of the patient."""
        linear = self.affine[:3, :3]
        if np.abs(linear - np.diag(np.diag(linear))).max() > 1e-4 * np.abs(linear).max():
            return {}
        return {
            axis: self.affine[i, 3] + linear[i, i] * np.arange(self.shape[i])
            for i, axis in enumerate(self.dims)
        }

    def _write(self, part: Path, turned: np.ndarray) -> None:
        """Turn the values back, scale them to stored ones, and put them behind the same header."""
        there = nib.io_orientation(self._turned.affine)  # type: ignore[attr-defined]
        back = nib.orientations.ornt_transform(there, nib.io_orientation(self._image.affine))  # type: ignore[attr-defined]
        values = nib.orientations.apply_orientation(turned, back)
        data = self._image.dataobj
        stored = (values - data.inter) / data.slope
        dtype = self._image.get_data_dtype()
        if dtype.kind in "iu":
            stored = np.clip(np.rint(stored), np.iinfo(dtype).min, np.iinfo(dtype).max)
        raw = stored.astype(dtype).tobytes(order="F")
        whole = _bytes(self.path)
        whole[data.offset : data.offset + len(raw)] = raw
        _store(part, whole)


def _bytes(path: Path) -> bytearray:
    if path.name.endswith(".gz"):
        import gzip

        with gzip.open(path) as file:
            return bytearray(file.read())
    return bytearray(path.read_bytes())


def _store(path: Path, whole: bytes | bytearray) -> None:
    if path.name.endswith(".gz"):
        import gzip

        # Without a name and a time in the header, equal volumes give equal files.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
            file.write(whole)
        return
    path.write_bytes(whole)
