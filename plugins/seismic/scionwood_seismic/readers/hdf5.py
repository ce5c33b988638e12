"""HDF5 files of DAS interrogators: check and decode attributes, locate and write the values.

Programs on PyTables, such as DASCore, unpickle attributes and objects, which can run code of the
file. Here they are decoded as plain values. A file with any other pickle is refused as a whole,
because another program may open the copy that gets the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from scionwood import ReadError, WriteError
from scionwood.authoring import check_hdf5, reading
from scionwood_seismic.readers.base import encode
from scionwood_seismic.readers.pickled import NoPickle, NotPlain, plain
from scionwood_seismic.readers.slabs import Slab

_SLAB = 1 << 22  # values that are compared at a time


def check_safe(path: Path) -> None:
    """Refuse an HDF5 file with pickles of more than plain values, or with data from other files.

    Raises:
        ReadError: an attribute or object is such a pickle, data are stored in another file, or the
            file is damaged.
    """
    with reading(path, "HDF5"), h5py.File(path) as file:
        check_hdf5(path, file)
        _check_object("/", file)
        file.visititems(_check_object)


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> Any:
    """Return an attribute as PyTables does: text is decoded, and a pickle becomes a plain value.

    Raises:
        ReadError: it is a pickle of more than plain values.
    """
    stored, value = item.attrs.get_id(name).get_type(), item.attrs[name]
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, bytes | str):
        data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
        is_ascii = stored.get_cset() == h5py.h5t.CSET_ASCII
        return _unpickled(item, name, data) if is_ascii else data.decode()
    if stored.get_class() == h5py.h5t.BITFIELD:  # how PyTables stores truth
        return value.astype(bool)
    return value


def _unpickled(item: h5py.Group | h5py.Dataset, name: str, data: bytes) -> Any:
    """Return what ASCII text stands for, which is a pickle if it ends like one."""
    text = data.decode("utf-8", "replace")
    if not text.endswith(".") or data == b"0.":
        return text
    try:
        return plain(data)
    except NotPlain as error:
        # A sentence, or several: what names something has line breaks or binary opcodes.
        if text.isprintable() or (isinstance(error, NoPickle) and text.isascii()):
            return text
        rule = f"attribute {name} of {item.name} is a pickle that may run code: {error}"
        remedy = "Ask for a file in another format"
        raise ReadError(str(item.file.filename), rule, remedy) from error


def _check_object(name: str | bytes, item: h5py.Group | h5py.Dataset) -> None:
    path = str(item.file.filename)
    for place, key in enumerate((name, *item.attrs)):
        if isinstance(key, bytes):  # h5py gives a name that is not UTF-8 so; PyTables dies on it
            what = "an object" if place == 0 else f"an attribute of {name!s}"
            rule = f"HDF5: {what} has the name {key!r}, which is not UTF-8"
            raise ReadError(path, rule, "Is it damaged? Copy it again")
    for key in item.attrs:
        value = attribute(item, key)
        if key == "PSEUDOATOM" and str(value) == "object":
            rule = f"{item.name} holds pickled objects, which may run code"
            raise ReadError(path, rule, "Ask for a file in another format")


@final
@dataclass(frozen=True)
class Place:
    """The dataset that contains the values of a patch.

    Attributes:
        name: its path in the file.
        axes: the axes of the patch in the order of the dataset.
        dtype: the type of the dataset.
        rows: if blocks overlap, the rows of each block that belong to the patch; otherwise None.
        scale: the values of the patch are the values of the dataset times this factor.
    """

    name: str
    axes: tuple[int, int]
    dtype: np.dtype
    rows: slice | None = None
    scale: float = 1.0


def find(path: Path, data: np.ndarray, used_names: set[str], patches: int) -> Place:
    """Find the dataset that a patch was read from, by shape and values.

    Args:
        path: the file.
        data: the values of the patch, with two axes in any order.
        used_names: datasets that belong to earlier patches.
        patches: number of patches in the file; at most as many datasets may be equal.

    Raises:
        WriteError: no dataset contains these values, or too many do.
    """
    places: list[Place] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        # Only data stored in this file: writing to a link or a view would change another file.
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            return
        if item.dtype.kind in "if" and name not in used_names:
            place = _match(item, name, data)
            places.extend([place] if place else [])

    with h5py.File(path) as file:
        file.visititems(look)
    places = [place for place in places if place.scale == 1.0] or places
    if not places:
        rule = "no dataset of this HDF5 file contains the values as they were read"
        raise WriteError(str(path), rule, "Write the result as DASDAE with DASCore")
    if len(places) > patches:
        names = ", ".join(place.name for place in places)
        rule = f"its datasets {names} are equal: which one is the data?"
        raise WriteError(str(path), rule, "Write the result as DASDAE with DASCore")
    return places[0]


def find_slab(
    path: Path, shape: tuple[int, int], pieces: Sequence[tuple[int, np.ndarray]]
) -> Slab | None:
    """Find the data set of a patch by its shape and by the values of some ranges of its samples.

    Args:
        path: the file.
        shape: number of traces and of samples.
        pieces: the first sample of each range, and its values, (trace, time).

    Returns:
        The data set; None if there is none, or more than one.
    """
    slabs: list[Slab] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            return
        if item.dtype.kind not in "if" or sorted(item.shape) != sorted(shape):
            return
        for axis in (0, 1):
            if item.shape == (shape if axis == 1 else shape[::-1]):
                slab = Slab(name, axis, shape[0], shape[1], item.dtype.str)
                slab = replace(slab, scale=_scale_of(item, slab, pieces))
                if slab.scale and all(_holds(item.file, slab, *piece) for piece in pieces):
                    slabs.append(slab)

    with h5py.File(path) as file:
        file.visititems(look)
    return slabs[0] if len(slabs) == 1 else None


def slab_of(place: Place, time_axis: int, shape: tuple[int, ...]) -> Slab:
    """Return the place of a patch as a slab.

    Args:
        place: where the values of the patch lie, not in blocks.
        time_axis: the axis of the patch that is time.
        shape: the shape of the patch.
    """
    traces, samples = shape[1 - time_axis], shape[time_axis]
    axis = place.axes.index(time_axis)
    return Slab(place.name, axis, traces, samples, place.dtype.str, place.scale)


def _holds(file: h5py.File, slab: Slab, first: int, values: np.ndarray) -> bool:
    stored = slab.stored(file, first, first + values.shape[1]).T * slab.scale
    if slab.scale == 1.0:
        return np.array_equal(stored, values, equal_nan=True)
    return np.allclose(stored, values, rtol=1e-5, atol=0, equal_nan=True)


def _scale_of(dataset: h5py.Dataset, slab: Slab, pieces: Sequence[tuple[int, np.ndarray]]) -> float:
    first, values = pieces[0]
    stored = slab.stored(dataset.file, first, first + values.shape[1]).T
    return _factor(stored, values)


def overwrite(path: Path, place: Place, data: np.ndarray, changed: np.ndarray) -> int:
    """Store the changed samples of a patch; the others keep their bytes.

    Args:
        path: the copy of the file.
        place: the result of `find`.
        data: the new values, with the axes of the patch.
        changed: which of them to store.

    Returns:
        The number of samples outside the range of the type of the dataset.
    """
    with h5py.File(path, "r+") as file:
        dataset = file[place.name]
        values, mask = data.transpose(place.axes), changed.transpose(place.axes)
        raw = dataset[()] if place.rows is None else dataset[:, place.rows]
        encoded, clipped = encode(values[mask] / place.scale, dataset.dtype)
        raw.reshape(values.shape)[mask] = encoded  # reshape gives a view, since raw is contiguous
        dataset[() if place.rows is None else (slice(None), place.rows)] = raw
    return clipped


def _match(dataset: h5py.Dataset, name: str, data: np.ndarray) -> Place | None:
    if dataset.ndim == 3:
        return _match_blocks(dataset, name, data)
    for axes in ((0, 1), (1, 0)):
        values = data.transpose(axes)
        if dataset.shape == values.shape:
            scale = _scale(dataset, values)
            if scale and _equal(dataset, values, scale):
                return Place(name, axes, dataset.dtype, scale=scale)
    return None


def _match_blocks(dataset: h5py.Dataset, name: str, data: np.ndarray) -> Place | None:
    """Match blocks (block, time, distance) that overlap in time; their margins are not read."""
    blocks, length, width = dataset.shape
    for axes in ((0, 1), (1, 0)):
        values = data.transpose(axes)
        count, remainder = divmod(len(values), blocks)
        if values.shape[1] != width or remainder or not 0 < count <= length:
            continue
        candidates = [slice(start, start + count) for start in range(length - count + 1)]
        matches = [rows for rows in candidates if _equal_blocks(dataset, rows, values)]
        if len(matches) == 1:
            return Place(name, axes, dataset.dtype, matches[0])
    return None


def _equal_blocks(dataset: h5py.Dataset, rows: slice, values: np.ndarray) -> bool:
    first = dataset[0, rows]
    if not np.array_equal(first, values[: len(first)], equal_nan=True):
        return False
    return np.array_equal(dataset[:, rows].reshape(values.shape), values, equal_nan=True)


def _scale(dataset: h5py.Dataset, values: np.ndarray) -> float:
    """Return the factor from stored to read values, at the largest one; 0 if there is none."""
    return _factor(dataset, values)


def _factor(stored_values: h5py.Dataset | np.ndarray, values: np.ndarray) -> float:
    if not values.size:
        return 0.0
    flat = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))
    i, j = np.unravel_index(int(flat.argmax()), values.shape)
    stored, read = float(stored_values[i, j]), float(values[i, j])
    return 1.0 if stored == read else read / stored if stored else 0.0


def _equal(dataset: h5py.Dataset, values: np.ndarray, scale: float) -> bool:
    rows = max(1, _SLAB // max(1, values.shape[1]))
    for start in range(0, len(values), rows):
        stored, read = dataset[start : start + rows], values[start : start + rows]
        if scale == 1.0:
            same = np.array_equal(stored, read, equal_nan=True)
        else:
            same = np.allclose(stored * scale, read, rtol=1e-5, atol=0, equal_nan=True)
        if not same:
            return False
    return True
