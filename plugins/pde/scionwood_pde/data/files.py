"""Training data from files: crops of states, or pairs of a state and a later one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal, final

import numpy as np

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataFiles, DataLoader, Split
from scionwood_pde.data.domain import Domain
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.data.splits import (
    Source,
    check_fits,
    open_sources,
    place_of,
    shared_out,
)
from scionwood_pde.data.windows import Runs, Windows
from scionwood_pde.evaluation.filters import Filters, fitted
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.evaluation.skill import modes_of
from scionwood_pde.readers.cache import Cache


@final
class Files(SplitData):
    """States of files: crops of them, or pairs of a state and a later one.

    A trajectory belongs to one split only. Training crops get a new random place in every epoch;
    the places of the other splits are fixed. A file is opened for each read and closed after it.
    Workers are never forked, because Zarr can hang in a forked process.

    Shapes: a batch holds `state`, (batch, frame * field, x, y, z) float32, oldest frame first, and,
        unless `time_stride` is 0, `next`, (batch, field, x, y, z). With `solids` it also holds
        `mask`, 1 in the fluid and 0 in the solid, of the shape of one frame; `state` and `next` are
        0 in the solid. With `conditions` there is `conditions`, (batch, condition).

    Units: from each field its mean is subtracted, and the difference is divided by its standard
        deviation, both of the training split. The run keeps both.

    Raises:
        RecipeError: there are no files, a file is in two splits, there are too few trajectories or
            times, or the crop does not fit.
        ReadError: a file is damaged, lacks a field, holds NaN, or differs from the first in fields,
            units or steps.

    Source: the formats are those of the readers; see `scionwood show pde`.

    Args:
        files: paths or patterns of Zarr, NetCDF, HDF5 of The Well or PDEBench, or of caches, which
            `scionwood pde convert` writes and which are the fastest to read.
        val_files: files of the validation split. If empty, trajectories of `files` are used.
        test_files: files of the test split. If empty, trajectories of `files` are used.
        fields: names of the channels, in the order in which the model sees them. `None` means all.
        crop: side of the cubes cut at random places, in voxels. `None` means the whole domain.
        time_stride: number of times from a state to its `next`, and between the frames of a
            history; 0 gives single states.
        history: frames of a `state`.
        conditions: numbers that come with each sample: `dt`, the time from a state to its `next`,
            or a variable of the file with one number or one of each sample, or an attribute of the
            file, such as `viscosity`.
        solids: NaN marks solid points, which do not count in statistics, loss and metrics. Without
            it, NaN is refused.
        dims: the dimension of the files for `sample`, `time`, `x`, `y` or `z`, such as `{x: lon}`.
            A dimension that is not named is found by names and coordinates.
        rename: new names of channels by their names in the files, before `fields` is applied.
        axes: the axes of each array of files without names of axes: `{flow/u: time z y x}`.
        val_share: share of the trajectories for validation, at least one; see `val_files`.
        test_share: share of the trajectories for the test, at least one; see `test_files`.
        measured: number of evenly spread states of the training split from which mean and standard
            deviation are computed; 0 means all.
        batch_size: samples in a batch.
        workers: processes that read; with 0, the training process reads.
        start: how worker processes are started.
        on_bad_file: `raise` stops at a file that cannot be read. `skip` reads every file once at
            the beginning, and leaves out the bad ones.
        seed: seed of the split, and of the crops for validation and test.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        files: Sequence[str] = (),
        val_files: Sequence[str] = (),
        test_files: Sequence[str] = (),
        fields: Sequence[str] | None = None,
        crop: int | None = None,
        time_stride: int = 1,
        history: int = 1,
        conditions: Sequence[str] = (),
        solids: bool = False,
        dims: Mapping[str, str] | None = None,
        rename: Mapping[str, str] | None = None,
        axes: Mapping[str, str] | None = None,
        val_share: float = 0.1,
        test_share: float = 0.1,
        measured: int = 64,
        batch_size: int = 4,
        workers: int = 0,
        start: Literal["forkserver", "spawn"] = "forkserver",
        on_bad_file: Literal["raise", "skip"] = "raise",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if time_stride < 0 or measured < 0:
            value = f"time_stride: {time_stride}, measured: {measured}"
            raise RecipeError(value, "neither is negative", "Give 0 or more")
        if history < 1 or (history > 1 and not time_stride):
            value = f"history: {history}, time_stride: {time_stride}"
            rule = "the frames of a history lie time_stride apart, and there is one or more"
            raise RecipeError(value, rule, "Set both to 1 or more")
        placing = {"dims": dims, "rename": rename, "axes": axes}
        files_by_split = {"train": files, "val": val_files, "test": test_files}
        self.data_files = DataFiles(on_bad_file, [*files, *val_files, *test_files])
        self.sources, trajectories_by_split = open_sources(
            files_by_split, fields, self.data_files, solids=solids, placing=placing
        )
        check_fits(self.sources, crop, time_stride, history)
        self.split = shared_out(trajectories_by_split, {"val": val_share, "test": test_share}, seed)
        self.crop, self.stride, self.history, self.measured = crop, time_stride, history, measured
        self.conditions = tuple(conditions)
        self._numbers = [self._numbers_of(source) for source in self.sources]
        self.batch_size, self.workers, self.method = batch_size, workers, start
        self.seed, self.solids = seed, solids

    def _numbers_of(self, source: Source) -> np.ndarray:
        """Return the conditions of the samples of a file, (sample, condition).

        Raises:
            ReadError: the file lacks one of them; a cache has none.
            RecipeError: single states have no `dt`.
        """
        parameter_names = [name for name in self.conditions if name != "dt"]
        if parameter_names and isinstance(source, Cache):
            rule = f"a cache keeps states alone, and conditions need {', '.join(parameter_names)}"
            raise ReadError(str(source.folder), rule, "Name the files that it was made of")
        if not self.stride and "dt" in self.conditions:
            raise RecipeError("conditions: dt", "single states have no next one", "Leave dt out")
        dt = self.stride * float(np.diff(source.layout.times[:2]).sum())
        rows = {"dt": np.full(source.layout.samples, dt)}
        if parameter_names and not isinstance(source, Cache):
            with self.data_files.one_child(place_of(source)):
                rows |= dict(zip(parameter_names, source.numbers(parameter_names).T, strict=True))
        columns = [rows[name] for name in self.conditions]
        return np.array(columns).reshape(len(columns), source.layout.samples).T

    @cached_property
    def normaliser(self) -> Normaliser:
        """The normaliser of the fields, measured on the training split."""
        layout = self.sources[0].layout
        interval = self.stride * float(layout.times[1] - layout.times[0]) if self.stride else None
        names = [channel.name for channel in layout.channels]
        return Normaliser.of(names, self._some_states(), interval, layout.units["time"])

    @property
    def domain(self) -> Domain:
        """Units, grid and equation of the files."""
        return Domain.of(self.sources[0].layout, crop=self.crop, solids=self.solids)

    def _some_states(self) -> Iterator[np.ndarray]:
        """Yield evenly spread states of the training split."""
        places = [
            (place.source, place.sample, time)
            for place in self.split["train"]
            for time in range(len(self.sources[place.source].layout.times))
        ]
        count = min(self.measured or len(places), len(places))
        for i in np.linspace(0, len(places) - 1, count).round().astype(int):
            number, sample, time = places[i]
            source = self.sources[number]
            with self.data_files.one_child(place_of(source)):
                states = list(source.frames([(sample, time)]))
            yield from states

    def filters(self) -> Filters | None:
        """Return linear filters fitted on the training split, or `None` without whole domains."""
        runs = self.trajectories("train")
        return None if runs is None else fitted(runs, self.modes, horizons=1)

    def trajectories(self, split: Split) -> Runs | None:
        """Return the normalised trajectories of a split, or `None` without whole domains."""
        if self.crop is not None or not self.stride:
            return None
        return Runs(self.sources, self.split[split], self.normaliser, self.stride)

    @property
    def modes(self) -> Modes:
        """The modes of the grid."""
        return modes_of(self.sources[0].layout)

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        train = split == "train"
        windows = Windows(
            self.sources,
            self.split[split],
            self.normaliser,
            crop=self.crop,
            stride=self.stride,
            history=self.history,
            seed=None if train else self.seed,
            data_files=self.data_files,
            numbers=self._numbers if self.conditions else None,
            solids=self.solids,
        )
        if self.workers and self.method == "forkserver":
            # The server imports this module once, for all workers.
            multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
        return DataLoader(
            windows,
            self.batch_size,
            shuffle=train,
            num_workers=self.workers,
            multiprocessing_context=self.method if self.workers else None,
        )
