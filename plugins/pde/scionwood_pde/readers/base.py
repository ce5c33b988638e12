"""The reader of states: what every format offers beyond the contract of `scionwood.Reader`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from scionwood import Reader, ReadError, Record
from scionwood.authoring import RecordFunction, empty_record, reading, writing
from scionwood_pde.readers.layout import EQUATION, Layout
from scionwood_pde.readers.numbers import number_of
from scionwood_pde.readers.rewriting import check_writable, rewritten
from scionwood_pde.readers.states import lazy_states


class StatesReader(Reader):
    """A reader whose records are states, (channel, x, y, z), or fewer space axes.

    The file is closed between reads, so that a reader can be sent to a worker process.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all channels.
        solids: NaN marks solid points. Without it, a state that holds NaN is refused.
        dims: the dimension of the file for `sample`, `time`, `x`, `y` or `z`, such as
            `{"x": "lon"}`, for files with named dims. `None` means that they are found; see
            `readers.placing`.
        rename: new names of channels by their names in the file.
        axes: the axes of the arrays of a file without names; see `readers.grids`.

    Attributes:
        layout: samples, times, grid and channels of the file.
    """

    format: ClassVar[str]
    """The name of the format in error messages."""

    takes: ClassVar[tuple[str, ...]] = ()
    """Which of the options `dims` and `axes` this format takes."""

    layout: Layout
    remote = ("state", "frames", "numbers")

    def __init__(
        self,
        path: str | Path,
        *,
        fields: Sequence[str] | None = None,
        solids: bool = False,
        dims: Mapping[str, str] | None = None,
        rename: Mapping[str, str] | None = None,
        axes: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.solids, self.placed, self.axes = Path(path), solids, dims, axes
        self._check_options({"dims": dims, "axes": axes})
        with reading(self.path, self.format), self._session() as variables:
            layout = self._layout(variables)
            equation = getattr(variables, "attrs", {}).get(EQUATION, layout.equation)
            layout = replace(layout, equation=str(equation))
            layout = layout.renamed(self.path, rename or {})
            layout.check_stored(self.path)
        self.layout = layout.selected(self.path, fields)
        self.dims = ("channel", *layout.axes)
        self.dtype = layout.dtype.name
        units = dict.fromkeys(channel.unit for channel in self.layout.channels)
        self.units = {"channel": "1", **layout.units, "data": ", ".join(units)}

    @abstractmethod
    def _open(self) -> AbstractContextManager[Mapping[str, Any]]:
        """Open the file and return its arrays by name."""

    @abstractmethod
    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        """Return the layout of an open file."""

    @abstractmethod
    def _copy(self, target: Path, overwrite: bool) -> AbstractContextManager[Path]:
        """Return a copy of the file to edit, which becomes `target` if the block succeeds."""

    @abstractmethod
    def _editable(self, copy: Path) -> AbstractContextManager[Mapping[str, Any]]:
        """Open a copy for writing and return its arrays by name."""

    def __len__(self) -> int:
        """Return the number of states, which is samples times times."""
        return self.layout.samples * len(self.layout.times)

    def __iter__(self) -> Iterator[Record]:
        """Yield the states of the first sample in the order of time, then those of the next."""
        with self._session() as variables:
            for index in range(len(self)):
                yield self._record(variables, index)

    def read(self, index: int) -> Record:
        """Return one state without reading those before it.

        Args:
            index: from 0 to `len(self) - 1`; samples in order, and within each the times.

        Raises:
            ReadError: the file is damaged, or holds NaN or infinity in this state.
            IndexError: there is no such state.
        """
        with self._session() as variables:
            return self._record(variables, index)

    def state(
        self,
        sample: int,
        time: int,
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Return a part of one state.

        Args:
            sample: index of the sample.
            time: index of the time.
            window: a slice with a positive step for each space axis. `None` means the whole grid.
            channels: indices of channels. `None` means all channels.

        Returns:
            (channel, x, y, z) in the file's precision.

        Raises:
            ReadError: the file is damaged, or holds NaN or infinity in this part.
        """
        (frame,) = self.frames([(sample, time)], window, channels)
        return frame

    def frames(
        self,
        places: Iterable[tuple[int, int]],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the same part of many states; the file is opened once.

        Args:
            places: pairs of a sample index and a time index.
            window: see `state`.
            channels: see `state`.

        Yields:
            (channel, x, y, z) in the file's precision.

        Raises:
            ReadError: the file is damaged, or holds NaN or infinity in such a part.
        """
        with self._session() as variables:
            for place in places:
                yield self._values(variables, place, window, channels)

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Return numbers of each sample, (sample, name) float64; see `readers.numbers`.

        Args:
            names: names of variables or attributes of the file.

        Raises:
            ReadError: the file has nothing of such a name, or no number for each sample.
        """
        with self._session() as variables:
            rows = [number_of(variables, self.layout, self.path, name) for name in names]
        return np.array(rows).reshape(len(names), self.layout.samples).T

    def to_xarray(self) -> xr.DataArray:
        """Return all states, (sample, time, channel, x, y, z), read when they are used."""
        return lazy_states(self)

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the file with new values; see `Reader.rewrite`.

        Values that stay equal keep their bytes.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full, the shape changed, or the file cannot hold the change.
        """
        with writing(target), self._copy(Path(target), overwrite) as copy:
            for record in self:
                after, changed = rewritten(self.path, record, function)
                if changed.any():
                    self._store(copy, record.key, after, changed)

    def _check_options(self, options: Mapping[str, Mapping[str, str] | None]) -> None:
        for name, value in options.items():
            if value and name not in self.takes:
                rule = f"{self.format} names its own axes, so that {name} would be ignored"
                raise ReadError(str(self.path), rule, f"Leave {name} out")

    @contextmanager
    def _session(self) -> Iterator[Mapping[str, Any]]:
        with reading(self.path, self.format, passing=(IndexError,)), self._open() as variables:
            yield variables

    def _record(self, variables: Mapping[str, Any], index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"state {index}: {self.path.name} has {len(self)}. Choose one of them")
        sample, time = divmod(index, len(self.layout.times))
        names = np.array([channel.name for channel in self.layout.channels])
        data = self._values(variables, (sample, time))
        key = {"sample": sample, "time": time}
        return Record(key, data, {"channel": names, **self.layout.coords})

    def _values(
        self,
        variables: Mapping[str, Any],
        at: tuple[int, int],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> np.ndarray:
        source = (self.layout, self.path, self.format, self.solids)
        return window_of(variables, source, at, window, channels)

    def _store(
        self, copy: Path, key: Mapping[str, int | str], after: np.ndarray, changed: np.ndarray
    ) -> None:
        window = [slice(None)] * len(self.layout.axes)
        with self._editable(copy) as variables:
            for row in np.flatnonzero(changed.reshape(len(changed), -1).any(1)):
                channel = self.layout.channels[row]
                array = variables[channel.variable]
                check_writable(self.path, channel, array, self.layout)
                place = channel.index(int(key["sample"]), int(key["time"]), window)
                raw = np.array(array[place])
                channel.arrange(raw, self.layout.axes)[changed[row]] = after[row][changed[row]]
                array[place] = raw


def window_of(
    variables: Mapping[str, Any],
    source: tuple[Layout, Path, str, bool],
    at: tuple[int, int],
    window: Sequence[slice] | None = None,
    channels: Sequence[int] | None = None,
) -> np.ndarray:
    """Return a part of one state, (channel, x, y, z), from arrays by name.

    Args:
        variables: the arrays.
        source: their layout, file and format, and whether NaN marks solid points.
        at: sample and time.
        window: a slice for each space axis. `None` means the whole grid.
        channels: indices of channels. `None` means all channels.

    Raises:
        ReadError: the part holds NaN or infinity.
    """
    layout, path, kind, solids = source
    window = window or [slice(None)] * len(layout.axes)
    chosen = range(len(layout.channels)) if channels is None else channels
    lengths = zip(window, layout.sides, strict=True)
    sides = [len(range(*part.indices(side))) for part, side in lengths]
    data = empty_record((len(chosen), *sides), layout.dtype)
    for row, number in enumerate(chosen):
        channel = layout.channels[number]
        values = np.asarray(variables[channel.variable][channel.index(*at, window)])
        data[row] = channel.arrange(values, layout.axes)
        refused = np.isinf(data[row]) if solids else ~np.isfinite(data[row])
        if refused.any():
            rule = f"{kind}: field {channel.name!r}, sample {at[0]}, time {at[1]} holds "
            remedy = "Leave the sample or the field out, or fill it"
            if not np.isinf(data[row]).any():
                remedy += ". If NaN marks solid points, set `solids`"
            raise ReadError(str(path), f"{rule}NaN or infinity", remedy)
    return data
