"""Fibre-optic (DAS) files in every format that DASCore reads."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from scionwood import (
    ReadError,
    Record,
    RecordFunction,
    WriteError,
    atomic_path,
    check_target,
    reading,
    writing,
)
from scionwood_seismic.readers.base import (
    SeismicReader,
    changed_data,
    refuse_resume,
    warn_rounded,
)
from scionwood_seismic.readers.das_format import TDMS, ask, das_format, is_hdf5, start

_UNEVEN = 0.01  # the largest relative deviation of a sample interval from the median

Store = Callable[[Path, np.ndarray, np.ndarray], int]


@final
class DasReader(SeismicReader):
    """Read DAS files in every format that DASCore reads, and write results into a copy.

    Each patch is a record. Axes are identified by name, in any order. Results overwrite samples in
    a copy of the file, HDF5 or TDMS, so that everything else keeps its bytes. The margins of
    overlapping blocks are not read and also stay as they are. If the patches differ in time, one
    patch is in memory, plus a copy of it during writing.

    Pickled patches are refused, and so are files in which a pickled object could run code.

    Args:
        path: the file.

    Shapes: the data of a record is (distance, time), float32. The first axis has its name from the
    file, such as channel or depth.

    Units: time in s from the first sample of the patch, whose date is in the key of the record;
    distance and data have the units of the file. `dt` is that of the first patch.

    Raises:
        ReadError: DASCore is not installed, does not know the format or reports damage; a patch
            has no axis `time` or more than two axes, or its time is not evenly sampled.

    Source: DASCore reads the formats.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".tdms")

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._format = das_format(self.path)
        with reading(self.path, "DAS"):  # a patch may lack coordinates, or have others than it says
            self._patches = self._scan()
            first = self._patches[0]
            self.dims = (_other(self.path, first), "time")
            self.units: Mapping[str, str] = {
                self.dims[0]: _unit(first.coords[self.dims[0]].units),
                "time": "s",
                "data": _unit(first.data_units),
            }
            self.traces = sum(self._trace_count(i) for i in range(len(self._patches)))
            self.dt = self._interval(0, None)

    def __len__(self) -> int:
        return len(self._patches)

    def read(self, index: int) -> Record:
        """Read the record of an index, from 0."""
        place = range(len(self))[index]
        with reading(self.path, "DAS"):
            return self._record(place, self._load(place))

    def rewrite(
        self,
        target: str | Path,
        function: RecordFunction,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """Copy the file to `target` and overwrite the samples that `function` changed.

        Integers are rounded and clipped to their range, with a warning.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the file cannot be written, the shape changed, `resume` is true, or the
                position of the samples is uncertain: the format is neither HDF5 nor TDMS, or
                DASCore computed the values.
        """
        target = Path(target)
        refuse_resume(target, resume)
        check_target(target, overwrite)
        size = f"It needs {self.path.stat().st_size:,} bytes"
        with writing(target, then=size), atomic_path(target, overwrite=overwrite) as part:
            shutil.copyfile(self.path, part)
            dtype, clipped = self._overwrite(part, function)
        if dtype is not None:
            warn_rounded(self.path, dtype, clipped)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a DASDAE file: one patch of 12 channels every 5 m, 64 samples at 4 ms."""
        import dascore as dc

        t = np.arange(64) * 0.004
        arrivals = 0.05 + 0.008 * np.arange(12)[:, None]
        data = np.exp(-(((t - arrivals) / 0.008) ** 2)).astype(np.float32)
        start, step = np.datetime64("2020-01-01T00:00:00", "ns"), np.timedelta64(4_000_000, "ns")
        coords = {"distance": np.arange(12) * 5.0, "time": start + step * np.arange(64)}
        patch = dc.Patch(data=data, coords=coords, dims=("distance", "time"))
        dc.write(patch.set_units("m/s", distance="m", time="s"), path, "DASDAE")

    def _overwrite(self, part: Path, function: RecordFunction) -> tuple[np.dtype | None, int]:
        """Return the type of the stored samples (None: none changed), and how many were clipped."""
        stored, clipped = None, 0
        taken: set[str] = set()
        for i in range(len(self._patches)):
            with reading(self.path, "DAS"):
                patch = self._load(i)
                record = self._record(i, patch)
                dtype, store = self._store(patch, taken)  # an error comes before the long work
            after, changed = changed_data(self.path, record, function)
            if changed.any():
                time_first = patch.dims.index("time") == 0
                after, changed = (after.T, changed.T) if time_first else (after, changed)
                clipped += store(part, after, changed)
                stored = dtype
        return stored, clipped

    def _store(self, patch: Any, taken: set[str]) -> tuple[np.dtype, Store]:
        data, axis = np.asarray(patch.data), patch.dims.index("time")
        if is_hdf5(self.path):
            from scionwood_seismic.readers import hdf5

            place = hdf5.find(self.path, data, taken, len(self._patches))
            taken.add(place.name)
            return place.dtype, lambda part, after, changed: hdf5.overwrite(
                part, place, after, changed
            )
        if start(self.path).startswith(TDMS):
            try:
                from scionwood_seismic.readers import tdms
            except ImportError as error:
                rule = "TDMS is written through nptdms, which is not installed"
                remedy = "pip install 'scionwood-seismic[das]'"
                raise WriteError(str(self.path), rule, remedy) from error

            layout = tdms.find(self.path, data, axis)
            return layout.dtype, lambda part, after, changed: tdms.overwrite(
                part, layout, after, changed, axis
            )
        rule = f"{self._format[0]} cannot be written, only HDF5 and TDMS"
        raise WriteError(str(self.path), rule, "Convert it to DASDAE with DASCore")

    def _record(self, i: int, patch: Any) -> Record:
        data = np.asarray(patch.transpose(*self.dims).data)
        dt = self._interval(i, patch)
        coords = {"time": dt * np.arange(data.shape[1])}
        distance = np.asarray(patch.get_array(self.dims[0]))
        if distance.dtype.kind in "iuf":
            coords[self.dims[0]] = distance
        key: dict[str, int | str] = {"patch": i, "start": str(patch.coords.min("time"))}
        return Record(key, data.astype(np.float32), coords)

    def _scan(self) -> Sequence[Any]:
        """Return DASCore's summaries of the patches, without reading samples."""
        import dascore as dc

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Failed to scan", UserWarning)
            scan = partial(dc.scan, self.path, *self._format)
            summaries: Sequence[Any] = ask(self.path, self._format[0], scan)
        if not summaries:  # reading may succeed if scanning fails, or it reports the reason
            read = partial(dc.read, self.path, *self._format)
            summaries = ask(self.path, self._format[0], lambda: [patch.attrs for patch in read()])
        if not summaries:
            rule = f"{self._format[0]} DAS file without a patch"
            raise ReadError(str(self.path), rule, "Export it again with its data")
        if len({_other(self.path, summary) for summary in summaries}) > 1:
            raise ReadError(str(self.path), "DAS patches with several axes", "Split the file")
        return summaries

    def _load(self, i: int) -> Any:
        """Read one patch.

        Raises:
            ReadError: DASCore reports damage, or the patch is no longer in the file.
        """
        import dascore as dc

        read = partial(dc.read, self.path, *self._format)
        if len(self._patches) > 1:
            patch = self._windowed(i, read)
            if patch is not None:
                return patch
        patches = ask(self.path, self._format[0], lambda: list(read()))
        if len(patches) != len(self._patches):
            rule = f"patch {i} is no longer in the DAS file"
            raise ReadError(str(self.path), rule, "Did the file change? Open it again")
        return patches[i]

    def _windowed(self, i: int, read: Callable[..., Any]) -> Any | None:
        """Read one patch of several by its time span; None if that does not identify it."""
        wanted = self._patches[i]
        span = wanted.coords["time"].min, wanted.coords["time"].max
        patches = ask(self.path, self._format[0], lambda: list(read(time=span)))
        same = [patch for patch in patches if _identity(patch.attrs) == _identity(wanted)]
        alike = [_identity(summary) for summary in self._patches]
        if len(same) != alike.count(_identity(wanted)):
            return None
        return same[alike[:i].count(_identity(wanted))]

    def _trace_count(self, i: int) -> int:
        coord = self._patches[i].coords[self.dims[0]]
        if coord.step:
            gaps: float = (coord.max - coord.min) / coord.step
            return round(gaps) + 1
        shapes: Mapping[str, Sequence[int]] = self._load(i).coord_shapes
        return int(shapes[self.dims[0]][0])

    def _interval(self, i: int, patch: Any | None) -> float:
        """Return the sample interval of a patch, s.

        Raises:
            ReadError: the time axis is not evenly sampled.
        """
        step = self._patches[i].coords["time"].step
        if step:
            return abs(_seconds(step))
        times = np.asarray((patch or self._load(i)).get_array("time"))
        steps = np.diff(times).astype("timedelta64[ns]").astype(float) / 1e9
        middle = float(np.median(steps)) if len(steps) else 0.0
        if middle <= 0 or (abs(steps - middle) > _UNEVEN * middle).any():
            rule = "the time of a DAS patch is not evenly sampled"
            raise ReadError(str(self.path), rule, "Interpolate it with DASCore first")
        return middle


def _other(path: Path, summary: Any) -> str:
    """Return the name of the axis that is not time."""
    dims = summary.dim_tuple
    if len(dims) != 2 or "time" not in dims:
        rule = f"a DAS patch with the axes {', '.join(dims)}, not distance and time"
        raise ReadError(str(path), rule, "Select two axes with DASCore first")
    return str(dims[dims[0] == "time"])


def _identity(attrs: Any) -> tuple[Any, ...]:
    """Return what distinguishes the patches of a file."""
    ranges = tuple(str((attrs.coords[d].min, attrs.coords[d].max)) for d in attrs.dim_tuple)
    return attrs.dim_tuple, attrs.tag, ranges


def _seconds(step: Any) -> float:
    if isinstance(step, np.timedelta64):
        return float(step / np.timedelta64(1, "ns")) / 1e9
    return float(step)


def _unit(quantity: Any) -> str:
    from dascore.units import get_quantity_str

    return get_quantity_str(quantity) or "unknown"
