"""Arrays with named dims that are made of other arrays, and read only when they are used.

The layouts of other programs put one variable into many arrays, or many into one. `Part` names the
dims of an array, so that `variables.layout_from` can place it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from scionwood import ReadError, WriteError
from scionwood_pde.readers.labelled import Variables

Key = tuple[int | slice, ...]


@final
@dataclass(frozen=True)
class Part:
    """An array with named dims and attributes, as xarray's variables have them.

    Args:
        array: an array with `shape`, `dtype` and basic indexing.
        dims: the names of its dims.
        attrs: its attributes, such as `units`.
    """

    array: Any
    dims: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of all dims."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        dtype: np.dtype = np.dtype(self.array.dtype)
        return dtype

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each dim by name."""
        return dict(zip(self.dims, self.shape, strict=True))

    @property
    def values(self) -> np.ndarray:
        """All values."""
        return np.asarray(self.array[()])

    def __getitem__(self, key: Key) -> np.ndarray:
        return np.asarray(self.array[key])


@final
class Stacked:
    """Arrays of one shape, stacked along a new first axis.

    Args:
        arrays: the arrays.
        path: the file in messages.

    Raises:
        ReadError: their shapes differ.
    """

    def __init__(self, arrays: Sequence[Any], path: Path) -> None:
        shapes = dict.fromkeys(tuple(array.shape) for array in arrays)
        if len(shapes) > 1:
            rule = (
                f"its arrays have the shapes {', '.join(map(str, shapes))}, so they are no series"
            )
            raise ReadError(str(path), rule, "Put each grid into its own file")
        self.arrays = arrays
        self.shape = (len(arrays), *next(iter(shapes)))
        self.dtype = np.result_type(*(array.dtype for array in arrays))

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *others = key if isinstance(key, tuple) and key else (slice(None),)
        if isinstance(first, slice):
            parts = self.arrays[first]
            return np.stack([np.asarray(part[tuple(others)]) for part in parts])
        return np.asarray(self.arrays[first][tuple(others)])


@final
class Component:
    """One component of an array, whose axis of components is dropped.

    Args:
        array: the array.
        index: the component.
        axis: the axis of components.
    """

    def __init__(self, array: Any, index: int, axis: int = -1) -> None:
        self.array, self.index, self.axis = array, index, axis % len(array.shape)
        self.shape = tuple(n for i, n in enumerate(array.shape) if i != self.axis)
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        full_key = list(key) if isinstance(key, tuple) else [key]
        full_key += [slice(None)] * (len(self.shape) - len(full_key))
        full_key.insert(self.axis, self.index)
        return np.asarray(self.array[tuple(full_key)])


@final
class Cells:
    """Values of cells, stored on the faces along one axis, as the mean of both faces.

    Args:
        array: the values on the faces; every axis has one point more than there are cells.
        axis: the axis across the faces.
    """

    def __init__(self, array: Any, axis: int) -> None:
        self.array, self.axis = array, axis
        self.shape = tuple(n - 1 for n in array.shape)
        self.dtype = array.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        lower = np.asarray(self.array[tuple(slice(n) for n in self.shape)], np.float64)
        upper = [slice(n) for n in self.shape]
        upper[self.axis] = slice(1, self.shape[self.axis] + 1)
        mean = (lower + np.asarray(self.array[tuple(upper)], np.float64)) / 2
        values: np.ndarray = mean.astype(self.dtype)[key]
        return values


class ReadOnly:
    """A mixin for readers of formats that are not written back."""

    path: Path
    format: ClassVar[str]

    @contextmanager
    def _copy(self, target: Path, overwrite: bool) -> Iterator[Path]:
        rule = f"files of {self.format} are read, and not written"
        raise WriteError(str(target), rule, "Write the states to .zarr, .nc or .hdf5")
        yield target  # which makes it a context manager, as other readers have it

    @contextmanager
    def _editable(self, copy: Path) -> Iterator[Mapping[str, Any]]:
        rule = f"files of {self.format} are read, and not written"
        raise WriteError(str(copy), rule, "Write the states to .zarr, .nc or .hdf5")
        yield {}


def coordinate(values: Any, dim: str, attrs: Mapping[str, Any] | None = None) -> Part:
    """Return the coordinate of a dim from its points."""
    return Part(np.asarray(values, np.float64), (dim,), attrs or {})


def named_parts(parts: Mapping[str, Part], attrs: Mapping[str, Any] | None = None) -> Variables:
    """Return variables by name, in their order, with the attributes of the file."""
    return Variables(parts, attrs or {})
