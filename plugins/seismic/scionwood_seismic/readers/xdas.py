"""NetCDF files of xdas, and others that state the axes of a data set of distance and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from scionwood import ReadError, Record
from scionwood.authoring import reading
from scionwood_seismic.readers.netcdf_axes import axis_names, axis_values, step_of, text_of
from scionwood_seismic.readers.slabs import Slab, SlabReader
from scionwood_seismic.readers.windows import Window, cut

if TYPE_CHECKING:
    import h5py

_DEEP = 64  # groups in groups
_TILES = "__tiling__"  # the attribute of a data set whose values lie in other files


@dataclass(frozen=True)
class _Axes:
    """The axes of a data set.

    Attributes:
        start: time of the first sample, ISO 8601; empty if the time is not a date.
        dt: the sample interval, s.
        places: the positions of the traces, (trace,).
    """

    start: str
    dt: float
    places: np.ndarray


@final
class XdasReader(SlabReader):
    """Read NetCDF files of xdas, and write results into a copy.

    Each data set of two axes, one of them `time`, is a recording. Its axes are stored as values, as
    tie points to be interpolated (CF conventions, chapter 8.3), or as starts and lengths of evenly
    sampled parts, in the spellings of all versions of xdas. Recordings of a collection are read in
    the order of the file. A recording of more than 4 Mi values is read in windows along time, as in
    `DasReader`.

    A virtual file of xdas has no values of its own: they lie in other files. It is refused.

    Args:
        path: the file.
        window: samples of a window; by default those of 4 Mi values, and at least 1,024.

    Shapes: the data of a record is (distance, time), float32. The first axis has its name from the
    file.

    Units: time in s from the first sample of the recording, whose date is in the key of the record.
    xdas stores no units: positions are taken as m.

    Raises:
        ReadError: h5py is not installed, the file is damaged, has no data set of distance and time,
            is virtual, or its time is not evenly sampled.

    Source: the source code of xdas 0.2; CF conventions 1.13 for tie points.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".nc", ".nc4")

    def __init__(self, path: str | Path, *, window: int | None = None) -> None:
        self.path = Path(path)
        try:
            import h5py
        except ImportError as error:
            rule = "NetCDF files of xdas are read by h5py, which is not installed"
            raise ReadError(str(path), rule, "pip install h5py") from error
        from scionwood_seismic.readers.hdf5 import check_safe

        with reading(self.path, "xdas NetCDF"):
            with h5py.File(self.path) as file:
                self._refuse_virtual(file)
            check_safe(self.path)
            with h5py.File(self.path) as file:
                names = recordings(file)
                if not names:
                    rule = "NetCDF without a data set of distance and time"
                    raise ReadError(str(path), rule, "Write it with xdas: DataArray.to_netcdf")
                others = [_other_axis(file[name]) for name in names]
                self._slabs = [_slab(file[name]) for name in names]
                self._axes = [self._read_axes(file[name]) for name in names]
                data_unit = text_of(file[names[0]].attrs.get("units", "")) or "unknown"
        self.dims = (others[0], "time")
        self.units: Mapping[str, str] = {self.dims[0]: "m", "time": "s", "data": data_unit}
        slabs = [self._slab(i) for i in range(len(names))]
        self._windows = [
            part
            for i, slab in enumerate(slabs)
            for part in cut(i, slab.traces, slab.samples, window)
        ]
        self.traces, self.dt = sum(slab.traces for slab in slabs), self._axes[0].dt
        self.dx = step_of(self._axes[0].places)
        self.warnings = self._mixed()
        self.warn()

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write the file that xdas writes of 12 channels every 5 m, 64 samples at 4 ms."""
        import h5py

        t = np.arange(64) * 0.004
        arrivals = 0.05 + 0.008 * np.arange(12)
        data = np.exp(-(((t[:, None] - arrivals) / 0.008) ** 2)).astype(np.float32)
        with h5py.File(path, "w") as file:
            file.attrs["Conventions"] = "CF-1.13"
            values = file.create_dataset("__values__", data=data)
            values.attrs["coordinate_interpolation"] = (
                "time_values: time_interpolation distance_values: distance_interpolation"
            )
            for axis, name in enumerate(("time", "distance")):
                file[name] = np.zeros(data.shape[axis], np.float32)
                file[name].make_scale("This is a netCDF dimension but not a netCDF variable.")
                values.dims[axis].attach_scale(file[name])
                file[f"{name}_interpolation"] = np.nan
                file[f"{name}_interpolation"].attrs["tie_point_mapping"] = (
                    f"{name}: {name}_indices {name}_points"
                )
                file[f"{name}_interpolation"].attrs["interpolation_name"] = "linear"
                file[f"{name}_indices"] = np.array([0, data.shape[axis] - 1])
            file["time_values"] = np.array([0, 63 * 4])
            file["time_values"].attrs["units"] = "milliseconds since 2020-01-01 00:00:00"
            file["distance_values"] = np.array([0.0, 55.0])

    def _record(self, window: Window, data: np.ndarray) -> Record:
        axes = self._axes[window.slab]
        key: dict[str, int | str] = {"patch": window.slab}
        if window.last - window.first < self._slab(window.slab).samples:
            key["window"] = window.number
        if axes.start:
            since = np.timedelta64(round(1e9 * window.first * axes.dt), "ns")
            key["start"] = str(np.datetime64(axes.start) + since)
        time = axes.dt * np.arange(window.first, window.last)
        return Record(key, data, {"time": time, self.dims[0]: axes.places})

    def _count(self, number: int) -> int:
        return self._slab(number).traces

    def _read_axes(self, dataset: h5py.Dataset) -> _Axes:
        times = axis_values(dataset, "time")
        places = axis_values(dataset, _other_axis(dataset))
        seconds = times
        if times.dtype.kind == "M":
            seconds = (times - times[0]).astype(np.int64) / 1e9
        dt = step_of(seconds)
        if dt is None:
            steps = np.diff(seconds)
            rule = f"the time of {dataset.name} is not evenly sampled: steps of "
            rule += f"{steps.min():g} to {steps.max():g} s" if len(steps) else "one sample"
            raise ReadError(str(self.path), rule, "Split it at its gaps with xdas, or resample it")
        start = str(times[0]) if times.dtype.kind == "M" else ""
        return _Axes(start, dt, places.astype(np.float64))

    def _refuse_virtual(self, file: h5py.File) -> None:
        import h5py

        def look(name: str, item: h5py.Group | h5py.Dataset) -> bool | None:
            if name.count("/") > _DEEP:
                return True  # ends the visit: `check_safe` refuses the file
            if isinstance(item, h5py.Dataset) and (item.is_virtual or _TILES in item.attrs):
                rule = f"{name} is virtual: its values lie in other files"
                remedy = "Copy them into one file: xdas.open_dataarray(path).load().to_netcdf(new)"
                raise ReadError(str(self.path), rule, remedy)
            return None

        file.visititems(look)

    def _mixed(self) -> tuple[str, ...]:
        intervals = sorted({axes.dt for axes in self._axes})
        if intervals[-1] - intervals[0] <= 1e-3 * intervals[0]:
            return ()
        text = ", ".join(f"{dt:g}" for dt in intervals)
        return (f"its recordings have several sample intervals: {text} s",)


def is_xdas(path: Path) -> bool:
    """Return whether a file is NetCDF with a data set of distance and time."""
    try:
        import h5py
    except ImportError:
        return False
    try:
        with h5py.File(path) as file:
            return bool(recordings(file))
    except (OSError, RuntimeError, KeyError, ValueError):
        return False  # the reader of HDF5 says what is wrong with it


def recordings(file: h5py.File) -> list[str]:
    """Return the names of the data sets of distance and time, in the order of the file."""
    import h5py

    names: list[str] = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 2 and item.dtype.kind in "if":
            names.extend([name] if "time" in axis_names(item) else [])

    if any("CF" in text_of(group.attrs.get("Conventions", "")) for group in _groups(file)):
        file.visititems(look)
    return names


def _groups(file: h5py.File) -> list[h5py.Group]:
    import h5py

    groups: list[h5py.Group] = [file]
    file.visititems(
        lambda name, item: groups.append(item) if isinstance(item, h5py.Group) else None
    )
    return groups


def _other_axis(dataset: h5py.Dataset) -> str:
    names = axis_names(dataset)
    return names[1 - names.index("time")]


def _slab(dataset: h5py.Dataset) -> Slab:
    axis = axis_names(dataset).index("time")
    traces, samples = dataset.shape[1 - axis], dataset.shape[axis]
    return Slab(dataset.name, axis, traces, samples, dataset.dtype.str)
