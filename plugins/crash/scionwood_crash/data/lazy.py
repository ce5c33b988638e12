"""Encoded parts on the disk, for simulations that do not fit into memory together.

A part is a Zarr store without compression, in which each array is one chunk. Zarr reads it as any
other store. We map the chunks into memory instead: only what a batch touches is read, and the
system may drop it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final, overload

import numpy as np
import torch
import zarr
from torch import Tensor

from scionwood import ReadError
from scionwood.authoring import atomic_folder, reading
from scionwood_crash.data.encode import LENGTH, Encoded
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.morph import Frame

FORMAT = 3
"""Stores of another format are written again."""

State = tuple[np.ndarray, np.ndarray | None]
"""Displacements (node, 3) in mm, in the axes of the model, and plastic strain (cell,)."""


@final
class Stored(Sequence[Encoded]):
    """The parts of a split in their stores; each access maps a part anew and keeps nothing.

    Args:
        folders: the stores.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = list(folders)

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self.folders)

    @overload
    def __getitem__(self, index: int) -> Encoded: ...

    @overload
    def __getitem__(self, index: slice) -> Stored: ...

    def __getitem__(self, index: int | slice) -> Encoded | Stored:
        """Map the part of an index."""
        if isinstance(index, slice):
            return Stored(self.folders[index])
        return read_stored(self.folders[index])


def write_stored(
    folder: Path,
    encoded: Encoded,
    states: Iterator[State],
    count: int,
    conditions: Mapping[str, float],
) -> None:
    """Write an encoded part; one state of its history is in memory at a time.

    Args:
        folder: the store.
        encoded: the part without history.
        states: its history.
        count: number of states.
        conditions: further conditions of the run by name.

    Raises:
        OutputExistsError: the folder exists.
        OSError: the disk is full or not writable.
    """
    graph, frame = encoded.graph, encoded.frame
    nodes, cells = len(graph.position), len(graph.cells)
    order: np.ndarray | slice = encoded.order if len(encoded.order) else slice(None)
    with atomic_folder(folder) as place:
        group = zarr.open_group(place, mode="w", zarr_format=2)
        for name, value in graph._asdict().items():
            _chunk(group, place, name, tuple(value.shape), value.numpy().dtype)[:] = value.numpy()
        _chunk(group, place, "order", encoded.order.shape, np.dtype("<i8"))[:] = encoded.order
        moved = _chunk(group, place, "displacement", (nodes, count, 3), np.dtype("<f4"))
        strain = None
        for at, (displacement, plastic) in enumerate(states):
            moved[:, at] = frame.vectors_inward(displacement[order]) / LENGTH
            if plastic is not None and strain is None:
                strain = _chunk(group, place, "plastic_strain", (cells, count), np.dtype("<f4"))
            if plastic is not None and strain is not None:
                strain[:, at] = plastic
        group.attrs["format"] = FORMAT
        group.attrs["origin"] = frame.origin.tolist()
        group.attrs["axes"] = frame.axes.tolist()
        group.attrs["conditions"] = sorted(conditions)


def read_stored(folder: Path) -> Encoded:
    """Map an encoded part into memory.

    Raises:
        ReadError: the store is damaged.
    """
    about = _about(folder)
    graph = CrashGraph(*(_mapped(folder, name) for name in CrashGraph._fields))
    frame = Frame(np.array(about["origin"]), np.array(about["axes"]))
    has_strain = (folder / "plastic_strain").is_dir()
    strain = _mapped(folder, "plastic_strain") if has_strain else torch.zeros(0)
    order = _mapped(folder, "order").numpy()
    return Encoded(graph, frame, _mapped(folder, "displacement"), strain, order)


def conditions_of(folder: Path) -> tuple[str, ...]:
    """Return the names of the further conditions of a stored part.

    Raises:
        ReadError: the store is damaged.
    """
    return tuple(_about(folder)["conditions"])


def _about(folder: Path) -> dict[str, Any]:
    with reading(folder, "store of an encoded part"):
        about: dict[str, Any] = json.loads((folder / ".zattrs").read_text("utf-8"))
        if about.get("format") != FORMAT:
            raise ReadError(str(folder), f"its format is not {FORMAT}", "Remove the folder")
    return about


def _chunk(
    group: zarr.Group, folder: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """Create an array of one chunk, and map the chunk to be filled; an empty array has none."""
    chunks = tuple(max(size, 1) for size in shape)
    group.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, compressors=None, filters=None, fill_value=0
    )
    if not np.prod(shape):
        return np.zeros(shape, dtype)
    return np.memmap(_file(folder, name, shape), dtype, "w+", shape=shape)


def _file(folder: Path, name: str, shape: Sequence[int]) -> Path:
    return folder / name / ".".join("0" for _ in shape)


def _mapped(folder: Path, name: str) -> Tensor:
    """Map an array; changes of the tensor stay in memory and do not reach the file."""
    with reading(folder, "store of an encoded part"):
        about = json.loads((folder / name / ".zarray").read_text("utf-8"))
        shape, dtype = tuple(about["shape"]), np.dtype(about["dtype"])
        if dtype.kind not in "biuf":  # mapped objects would be addresses that the file chose
            raise ReadError(str(folder), f"{name} holds {dtype}, no numbers", "Remove the folder")
        if not np.prod(shape):
            return torch.from_numpy(np.zeros(shape, dtype))
        if 0 in shape:
            return torch.from_numpy(np.empty(shape, dtype))
        file = _file(folder, name, shape)
        if file.stat().st_size != dtype.itemsize * int(np.prod(shape)):
            rule = f"{name} has {file.stat().st_size} bytes, and not those of {shape}"
            raise ReadError(str(folder), rule, "Remove the folder: it is written again")
        return torch.from_numpy(np.memmap(file, dtype, "c", shape=shape))
