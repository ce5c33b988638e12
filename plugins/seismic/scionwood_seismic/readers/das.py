"""Fibre-optic (DAS) files in every format that DASCore reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from scionwood import Record, WriteError
from scionwood.authoring import RecordFunction, atomic_path, check_target, reading, writing
from scionwood_seismic.readers.base import changed_data, refuse_resume, warn_rounded
from scionwood_seismic.readers.das_axes import spacing, unit_of
from scionwood_seismic.readers.das_format import TDMS, is_hdf5, start
from scionwood_seismic.readers.das_patches import Patches
from scionwood_seismic.readers.slabs import Slab, SlabReader
from scionwood_seismic.readers.windows import Window, cut

Store = Callable[[Path, np.ndarray, np.ndarray], int]


@final
class DasReader(SlabReader):
    """Read DAS files in every format that DASCore reads, and write results into a copy.

    Each patch is a record. Axes are identified by name, in any order. Results overwrite samples in
    a copy of the file, HDF5 or TDMS, so that everything else keeps its bytes. The margins of
    overlapping blocks are not read and also stay as they are.

    A patch of more than 4 Mi values is read in windows along time, if an HDF5 data set has its
    values and its time is evenly sampled. Consecutive windows share an eighth of their samples,
    over which `rewrite` blends their results. `unit` gives all windows one amplitude. A file whose
    patches are all such data sets can be resumed. Other patches are in memory as a whole.

    Pickled patches are refused, and so are files in which a pickled object could run code.

    Args:
        path: the file.
        window: samples of a window; by default those of 4 Mi values, and at least 1,024.

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

    def __init__(self, path: str | Path, *, window: int | None = None) -> None:
        self.path = Path(path)
        with reading(self.path, "DAS"):  # a patch may lack coordinates, or have others than it says
            self._patches = Patches(self.path)
            first = self._patches.summaries[0]
            self.dims = (self._patches.axis, "time")
            self.units: Mapping[str, str] = {
                self.dims[0]: unit_of(first.coords[self.dims[0]].units),
                "time": "s",
                "data": unit_of(first.data_units),
            }
            self._shapes = [self._patches.shape(i) for i in range(len(self._patches))]
            self._places: dict[int, np.ndarray] = {}
            self._slabs = [None] * len(self._patches)
            self._windows = self._cut(window)
            self.traces = sum(shape[0] for shape in self._shapes)
            self.dt = self._patches.interval(0, None)
            self.dx = spacing(first.coords[self.dims[0]], self.units[self.dims[0]])

    def read(self, index: int) -> Record:
        """Read the record of an index, from 0."""
        number = self._windows[range(len(self))[index]].slab
        if self._slabs[number] is not None:
            return super().read(index)
        with reading(self.path, "DAS"):
            return self._patch_record(number, self._patches.load(number))

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
            WriteError: the file cannot be written, the shape changed, or the position of the
                samples is uncertain: the format is neither HDF5 nor TDMS, or DASCore computed the
                values. `resume` is true, and a patch is not one data set of an HDF5 file.
        """
        target = Path(target)
        check_target(target, overwrite)
        with reading(self.path, "DAS"):
            located = is_hdf5(self.path) and self._locate()
        if located:
            super().rewrite(target, function, overwrite=overwrite, resume=resume)
            return
        refuse_resume(target, resume)
        size = f"It needs {self.path.stat().st_size:,} bytes"
        with writing(target, then=size), atomic_path(target, overwrite=overwrite) as part:
            shutil.copyfile(self.path, part)
            dtype, clipped = self._overwrite(part, function)
        if dtype is not None:
            warn_rounded(self.path, dtype, clipped)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write one patch of 12 channels every 5 m, 64 samples at 4 ms: DASDAE, or TDMS."""
        import dascore as dc

        t = np.arange(64) * 0.004
        arrivals = 0.05 + 0.008 * np.arange(12)[:, None]
        data = np.exp(-(((t - arrivals) / 0.008) ** 2)).astype(np.float32)
        if path.suffix.lower() == ".tdms":
            from scionwood_seismic.readers.tdms import write_interleaved

            write_interleaved(path, data, spacing=5.0, rate=250.0)
            return
        start, step = np.datetime64("2020-01-01T00:00:00", "ns"), np.timedelta64(4_000_000, "ns")
        coords = {"distance": np.arange(12) * 5.0, "time": start + step * np.arange(64)}
        patch = dc.Patch(data=data, coords=coords, dims=("distance", "time"))
        dc.write(patch.set_units("m/s", distance="m", time="s"), path, "DASDAE")

    def _overwrite(self, part: Path, function: RecordFunction) -> tuple[np.dtype | None, int]:
        """Return the type of the stored samples (None: none changed), and how many were clipped."""
        stored, clipped = None, 0
        names: set[str] = set()
        for i in range(len(self._patches)):
            with reading(self.path, "DAS"):
                patch = self._patches.load(i)
                record = self._patch_record(i, patch)
                dtype, store = self._storing(patch, names)  # an error comes before the long work
            after, changed = changed_data(self.path, record, function)
            if changed.any():
                time_first = patch.dims.index("time") == 0
                after, changed = (after.T, changed.T) if time_first else (after, changed)
                clipped += store(part, after, changed)
                stored = dtype
        return stored, clipped

    def _storing(self, patch: Any, used_names: set[str]) -> tuple[np.dtype, Store]:
        data, axis = np.asarray(patch.data), patch.dims.index("time")
        if is_hdf5(self.path):
            from scionwood_seismic.readers import hdf5

            place = hdf5.find(self.path, data, used_names, len(self._patches))
            used_names.add(place.name)
            return place.dtype, lambda part, after, changed: hdf5.overwrite(
                part, place, after, changed
            )
        if start(self.path).startswith(TDMS):
            try:
                from scionwood_seismic.readers import tdms
            except ImportError as error:
                rule = "TDMS is written through nptdms, which is not installed"
                remedy = "pip install nptdms"
                raise WriteError(str(self.path), rule, remedy) from error

            layout = tdms.find(self.path, data, axis)
            return layout.dtype, lambda part, after, changed: tdms.overwrite(
                part, layout, after, changed, axis
            )
        rule = f"{self._patches.format[0]} cannot be written, only HDF5 and TDMS"
        raise WriteError(str(self.path), rule, "Convert it to DASDAE with DASCore")

    def _patch_record(self, i: int, patch: Any) -> Record:
        """Return a patch that DASCore read as a record."""
        data = np.asarray(patch.transpose(*self.dims).data)
        dt = self._patches.interval(i, patch)
        self._places[i] = np.asarray(patch.get_array(self.dims[0]))
        coords = {"time": dt * np.arange(data.shape[1])}
        if self._places[i].dtype.kind in "iuf":
            coords[self.dims[0]] = self._places[i]
        key: dict[str, int | str] = {"patch": i, "start": str(patch.coords.min("time"))}
        return Record(key, data.astype(np.float32), coords)

    def _record(self, window: Window, data: np.ndarray) -> Record:
        i, dt = window.slab, self._patches.interval(window.slab, None)
        times, key = self._patches.summaries[i].coords["time"], dict[str, int | str](patch=i)
        if window.last - window.first < self._shapes[i][1]:
            key["window"] = window.number
        key["start"] = str(times.min + window.first * times.step if times.step else times.min)
        coords = {"time": dt * np.arange(window.first, window.last)}
        if self._places[i].dtype.kind in "iuf":
            coords[self.dims[0]] = self._places[i]
        return Record(key, data, coords)

    def _count(self, number: int) -> int:
        return self._shapes[number][0]

    def _cut(self, length: int | None) -> list[Window]:
        """Return the windows of all patches, and locate the data of those with several."""
        windows: list[Window] = []
        for i, (traces, samples) in enumerate(self._shapes):
            cuts = cut(i, traces, samples, length)
            if len(cuts) > 1 and is_hdf5(self.path):
                self._slabs[i] = self._find(i, cuts)
            windows += cuts if self._slabs[i] else [Window(i, 0, 0, samples, samples)]
        return windows

    def _find(self, i: int, cuts: Sequence[Window]) -> Slab | None:
        """Find the data set of a patch that is read in windows; None if there is not only one."""
        from scionwood_seismic.readers import hdf5

        pieces: list[tuple[int, np.ndarray]] = []
        for window in (cuts[0], cuts[-1]):
            patch = self._patches.between(i, window.first, window.last)
            if patch is None:
                return None
            self._places[i] = np.asarray(patch.get_array(self.dims[0]))
            pieces.append((window.first, np.asarray(patch.transpose(*self.dims).data)))
        return hdf5.find_slab(self.path, self._shapes[i], pieces)

    def _locate(self) -> bool:
        """Locate the data sets of all patches; return whether each is one."""
        from scionwood_seismic.readers import hdf5

        used_names = {slab.name for slab in self._slabs if slab}
        for i, slab in enumerate(self._slabs):
            if slab is not None:
                continue
            patch = self._patches.load(i)
            self._patch_record(i, patch)
            place = hdf5.find(self.path, np.asarray(patch.data), used_names, len(self._patches))
            if place.rows is not None:
                return False
            used_names.add(place.name)
            self._slabs[i] = hdf5.slab_of(place, patch.dims.index("time"), patch.data.shape)
        self._windows = [self._fitted(window) for window in self._windows]
        return True

    def _fitted(self, window: Window) -> Window:
        """Return a window of a whole patch with the length of its data set."""
        samples = self._slab(window.slab).samples
        last = window.number == 0 and window.kept == window.last
        return Window(window.slab, 0, 0, samples, samples) if last else window
