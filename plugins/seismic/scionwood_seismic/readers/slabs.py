"""Two-dimensional HDF5 data sets, read and rewritten in windows of bounded memory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from scionwood.authoring import atomic_path
from scionwood_seismic.readers.base import encode
from scionwood_seismic.readers.partial import Partial
from scionwood_seismic.readers.recordings import WindowedReader
from scionwood_seismic.readers.windows import Window

if TYPE_CHECKING:
    import h5py


@dataclass(frozen=True)
class Slab:
    """A data set of distance and time.

    Attributes:
        name: its path in the file.
        time_axis: which of its two axes is time.
        traces: number of traces.
        samples: samples per trace.
        dtype: the type of the stored values, in the notation of numpy.
        scale: the data of a record are the stored values times this factor.
    """

    name: str
    time_axis: int
    traces: int
    samples: int
    dtype: str
    scale: float = 1.0

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return self.traces * self.samples * np.dtype(self.dtype).itemsize

    def where(self, first: int, last: int) -> tuple[slice, slice]:
        """Return the index of a range of samples in the data set."""
        full_axis = slice(None)
        return (
            (slice(first, last), full_axis)
            if self.time_axis == 0
            else (full_axis, slice(first, last))
        )

    def stored(self, file: h5py.File, first: int, last: int) -> np.ndarray:
        """Return a range of samples as stored, (time, trace)."""
        values = np.asarray(file[self.name][self.where(first, last)])
        return np.ascontiguousarray(values if self.time_axis == 0 else values.T)

    def data(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values as the data of a record, (trace, time) float32."""
        values = stored.T if self.scale == 1.0 else stored.T * self.scale
        return np.ascontiguousarray(values, dtype=np.float32)


class SlabReader(WindowedReader[np.ndarray]):
    """A reader whose records are windows of the data sets of an HDF5 file."""

    _slabs: list[Slab | None]

    def _stored(self, window: Window) -> np.ndarray:
        """Return the samples of a window as stored, (time, trace)."""
        import h5py

        with h5py.File(self.path) as file:
            return self._slab(window.slab).stored(file, window.first, window.last)

    def _data(self, window: Window, stored: np.ndarray) -> np.ndarray:
        return self._slab(window.slab).data(stored)

    def _bytes(self, stored: np.ndarray) -> int:
        return stored.nbytes

    def _size(self) -> int:
        return self._starts()[-1]

    def _store(
        self,
        part: Partial,
        window: Window,
        stored: np.ndarray,
        new: np.ndarray,
        changed: np.ndarray,
    ) -> tuple[np.dtype | None, int]:
        output, dtype, lost = stored[: new.shape[1]], None, 0
        if changed.any():
            scale, dtype = self._slab(window.slab).scale, stored.dtype
            values, lost = encode(new[changed] / scale, stored.dtype)
            output.T[changed] = values
        row = stored.nbytes // len(stored)
        part.write(output.data.cast("B"), self._starts()[window.slab] + window.first * row)
        return dtype, lost

    def _complete(self, values: Path, target: Path, overwrite: bool) -> None:
        """Put the collected values into a copy, where they differ from what it holds."""
        import h5py

        starts = self._starts()
        with atomic_path(target, overwrite=overwrite) as copy:
            shutil.copyfile(self.path, copy)
            with h5py.File(copy, "r+") as file, values.open("rb") as source:
                for window in self._windows:
                    self._fill(file, source, window, starts[window.slab])

    def _fill(self, file: h5py.File, source: BinaryIO, window: Window, start: int) -> None:
        slab = self._slab(window.slab)
        count = (window.kept - window.first) * slab.traces
        source.seek(start + window.first * slab.traces * np.dtype(slab.dtype).itemsize)
        new = np.fromfile(source, slab.dtype, count).reshape(-1, slab.traces)
        if new.tobytes() != slab.stored(file, window.first, window.kept).tobytes():
            place = slab.where(window.first, window.kept)
            file[slab.name][place] = new if slab.time_axis == 0 else new.T

    def _starts(self) -> list[int]:
        """Return where the values of each recording begin in the file of all values, and its end.

        Recordings come in the order of the windows.
        """
        sizes = [self._slab(window.slab).size for window in self._windows if not window.number]
        starts: list[int] = np.r_[0, np.cumsum(sizes)].tolist()
        return starts

    def _slab(self, number: int) -> Slab:
        slab = self._slabs[number]
        assert slab is not None
        return slab
