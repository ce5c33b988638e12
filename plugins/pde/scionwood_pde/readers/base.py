"""The reader of states: what every format offers beyond the contract of `scionwood.Reader`."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from scionwood import Reader, ReadError, Record, WriteError
from scionwood.authoring import RecordFunction, reading, writing
from scionwood_pde.readers.conventions import AVERAGED
from scionwood_pde.readers.layout import Channel, Layout
from scionwood_pde.readers.lazy import ARRAY, COMPONENT, SPREAD
from scionwood_pde.readers.numbers import number_of
from scionwood_pde.readers.states import lazy_states, window_of
from scionwood_pde.readers.variables import layout_from


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
        axes: the axes of the arrays of a file without names; see `readers.hdf5`.

    Attributes:
        layout: samples, times, grid and channels of the file.
    """

    format: ClassVar[str]
    """The name of the format in error messages."""

    takes: ClassVar[tuple[str, ...]] = ()
    """Which of the options `dims` and `axes` this format takes."""

    writes: ClassVar[bool] = False
    """Whether `rewrite` can change the values of such a file."""

    sorted_names: ClassVar[bool] = False
    """Whether the order of the variables in the file has no meaning."""

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
        self.path, self.solids, self.axes = Path(path), solids, axes
        self._check_options({"dims": dims, "axes": axes})
        with self._session() as dataset:
            layout = layout_from(dataset, self.path, self.format, dims, sort=self.sorted_names)
            layout = layout.renamed(self.path, rename or {})
            layout.check_stored(self.path)
            self.layout = layout.selected(self.path, fields)
            self._warn_of_averages(dataset)
        self.dims = ("channel", *layout.axes)
        self.dtype = layout.dtype.name
        units = dict.fromkeys(channel.unit for channel in self.layout.channels)
        self.units = {"channel": "1", **layout.units, "data": ", ".join(units)}

    @abstractmethod
    def _open(self) -> AbstractContextManager[xr.Dataset]:
        """Open the file as a dataset, whose values are read when they are used."""

    def _copy(self, target: Path, overwrite: bool) -> AbstractContextManager[Path]:
        """Return a copy of the file to edit, which becomes `target` if the block succeeds."""
        raise NotImplementedError

    def _editable(self, copy: Path) -> AbstractContextManager[Any]:
        """Open a copy for writing, as its arrays by name."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of states, which is samples times times."""
        return self.layout.samples * len(self.layout.times)

    def __iter__(self) -> Iterator[Record]:
        """Yield the states of the first sample in the order of time, then those of the next."""
        with self._session() as dataset:
            for index in range(len(self)):
                yield self._record(dataset, index)

    def read(self, index: int) -> Record:
        """Return one state without reading those before it.

        Args:
            index: from 0 to `len(self) - 1`; samples in order, and within each the times.

        Raises:
            ReadError: the file is damaged, or holds NaN or infinity in this state.
            IndexError: there is no such state.
        """
        with self._session() as dataset:
            return self._record(dataset, index)

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
        with self._session() as dataset:
            for place in places:
                yield self._values(dataset, place, window, channels)

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Return numbers of each sample, (sample, name) float64; see `readers.numbers`.

        Args:
            names: names of variables or attributes of the file.

        Raises:
            ReadError: the file has nothing of such a name, or no number for each sample.
        """
        with self._session() as dataset:
            rows = [number_of(dataset, self.layout, self.path, name) for name in names]
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
        if not self.writes:
            rule = f"files of {self.format} are read, and not written"
            raise WriteError(str(target), rule, "Write the states to .zarr, .nc or .hdf5")
        with writing(target), self._copy(Path(target), overwrite) as copy:
            for record in self:
                before = record.data.copy()  # the function may work in place
                after = np.asarray(function(record))
                if after.shape != before.shape:
                    was = f"came back as {after.shape}, it was {before.shape}"
                    rule = f"state {dict(record.key)} {was}"
                    raise WriteError(str(self.path), rule, "A function must keep the shape")
                if (after != before).any():
                    self._store(copy, record.key, after, after != before)

    def _check_options(self, options: Mapping[str, Mapping[str, str] | None]) -> None:
        for name, value in options.items():
            if value and name not in self.takes:
                rule = f"{self.format} names its own axes, so that {name} would be ignored"
                raise ReadError(str(self.path), rule, f"Leave {name} out")

    def _warn_of_averages(self, dataset: xr.Dataset) -> None:
        """Name the fields that lie on faces of cells, and were averaged to the cells."""
        names = {channel.variable for channel in self.layout.channels}
        moved = sorted(n for n in names if AVERAGED in dataset.variables[n].attrs)
        if moved:
            sentence = "are averaged from the faces of cells to their centres"
            warnings.warn(f"{', '.join(moved)} of {self.path.name} {sentence}", stacklevel=3)

    @contextmanager
    def _session(self) -> Iterator[xr.Dataset]:
        with ExitStack() as stack:
            with reading(self.path, self.format):  # a damaged file may raise IndexError in scipy
                dataset = stack.enter_context(self._open())
            with reading(self.path, self.format, passing=(IndexError,)):  # that of a state
                yield dataset

    def _record(self, dataset: xr.Dataset, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"state {index}: {self.path.name} has {len(self)}. Choose one of them")
        sample, time = divmod(index, len(self.layout.times))
        names = np.array([channel.name for channel in self.layout.channels])
        data = self._values(dataset, (sample, time))
        key = {"sample": sample, "time": time}
        return Record(key, data, {"channel": names, **self.layout.coords})

    def _values(
        self,
        dataset: xr.Dataset,
        at: tuple[int, int],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> np.ndarray:
        source = (self.layout, self.path, self.format, self.solids)
        variables: Mapping[Any, Any] = dataset.variables
        return window_of(variables, source, at, window, channels)

    def _store(
        self, copy: Path, key: Mapping[str, int | str], after: np.ndarray, changed: np.ndarray
    ) -> None:
        window = [slice(None)] * len(self.layout.axes)
        with self._session() as dataset:
            places = {c.variable: dataset.variables[c.variable] for c in self.layout.channels}
        with self._editable(copy) as arrays:
            for row in np.flatnonzero(changed.reshape(len(changed), -1).any(1)):
                channel = self.layout.channels[row]
                variable = places[channel.variable]
                self._check_writable(channel, variable)
                array = arrays[variable.encoding.get(ARRAY, channel.variable)]
                place = channel.index(int(key["sample"]), int(key["time"]), window)
                place = (*place, *variable.encoding.get(COMPONENT, ()))
                raw = np.array(array[place])
                channel.arrange(raw, self.layout.axes)[changed[row]] = after[row][changed[row]]
                array[place] = raw

    def _check_writable(self, channel: Channel, variable: xr.Variable) -> None:
        """Check that the file can hold a change of one state of a channel.

        Raises:
            WriteError: its array is shared by several states, or stored as integers or packed.
        """
        sizes = {"sample": self.layout.samples, "time": len(self.layout.times)}
        sizes.update(zip(self.layout.axes, self.layout.sides, strict=True))
        once = variable.encoding.get(SPREAD, ())
        shared = [a for a, n in sizes.items() if n > 1 and (a not in channel.axes or a in once)]
        remedy = "Write the states to a new file"
        if shared:
            rule = f"field {channel.name!r} is stored once for every {', '.join(shared)}"
            raise WriteError(str(self.path), rule, remedy)
        stored = np.dtype(variable.encoding.get("dtype", variable.dtype))
        if stored.kind != "f" or {"scale_factor", "add_offset"} & variable.encoding.keys():
            rule = f"field {channel.name!r} is stored as integers or packed"
            raise WriteError(str(self.path), rule, remedy)
