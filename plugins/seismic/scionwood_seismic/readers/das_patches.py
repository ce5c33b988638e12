"""The patches of a DAS file: what DASCore says of them, and their samples."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import ReadError
from scionwood_seismic.readers.das_axes import (
    count_steps,
    identity,
    is_forward,
    other_axis,
    seconds,
)
from scionwood_seismic.readers.das_format import ask, das_format

_UNEVEN = 0.01  # the largest relative deviation of a sample interval from the median


@final
class Patches:
    """The patches of a file, read by DASCore, or by h5py where DASCore would unpickle.

    Attributes:
        format: DASCore's name and version of the format.
        summaries: DASCore's summary of each patch.
        axis: the name of the axis that is not time.

    Args:
        path: the file.

    Raises:
        ReadError: DASCore is not installed, does not know the format or reports damage.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.format = path, das_format(path)
        self.summaries = self._scan()
        self.axis = other_axis(path, self.summaries[0])

    def __len__(self) -> int:
        return len(self.summaries)

    def _scan(self) -> Sequence[Any]:
        """Return DASCore's summaries of the patches, without reading samples."""
        from scionwood_seismic.readers import dascore_files

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Failed to scan", UserWarning)
            scan = partial(dascore_files.scan, self.path, self.format)
            summaries: Sequence[Any] = ask(self.path, self.format[0], scan)
        if not summaries:  # reading may succeed if scanning fails, or it reports the reason
            summaries = [patch.attrs for patch in self._read()]
        if not summaries:
            rule = f"{self.format[0]} DAS file without a patch"
            raise ReadError(str(self.path), rule, "Export it again with its data")
        if len({other_axis(self.path, summary) for summary in summaries}) > 1:
            raise ReadError(str(self.path), "DAS patches with several axes", "Split the file")
        return summaries

    def load(self, i: int) -> Any:
        """Read one patch.

        Raises:
            ReadError: DASCore reports damage, or the patch is no longer in the file.
        """
        if len(self.summaries) > 1:
            patch = self._windowed(i)
            if patch is not None:
                return patch
        patches = self._read()
        if len(patches) != len(self.summaries):
            rule = f"patch {i} is no longer in the DAS file"
            raise ReadError(str(self.path), rule, "Did the file change? Open it again")
        return patches[i]

    def shape(self, i: int) -> tuple[int, int]:
        """Return how many traces and samples a patch has; 0 samples if only reading it tells."""
        coords = self.summaries[i].coords
        traces, times = coords[self.axis], coords["time"]
        samples = count_steps(times) if is_forward(times) else 0
        if traces.step:
            return count_steps(traces), samples
        few = self.between(i, 0, 4) if samples > 4 else None
        shapes: Mapping[str, Sequence[int]] = (few or self.load(i)).coord_shapes
        return int(shapes[self.axis][0]), samples

    def interval(self, i: int, patch: Any | None) -> float:
        """Return the sample interval of a patch, s.

        Raises:
            ReadError: the time axis is not evenly sampled.
        """
        step = self.summaries[i].coords["time"].step
        if step:
            return abs(seconds(step))
        times = np.asarray((patch or self.load(i)).get_array("time"))
        steps = np.diff(times).astype("timedelta64[ns]").astype(float) / 1e9
        middle = float(np.median(steps)) if len(steps) else 0.0
        if middle <= 0 or (abs(steps - middle) > _UNEVEN * middle).any():
            rule = "the time of a DAS patch is not evenly sampled"
            raise ReadError(str(self.path), rule, "Interpolate it with DASCore first")
        return middle

    def between(self, i: int, first: int, last: int) -> Any | None:
        """Read a range of samples of a patch; None if DASCore does not return exactly that."""
        times = self.summaries[i].coords["time"]
        quarter = times.step / 4
        span = times.min + first * times.step - quarter, times.min + (last - 1) * times.step
        patches = self._read((span[0], span[1] + quarter))
        if len(patches) != 1 or len(patches[0].get_array("time")) != last - first:
            return None
        return patches[0]

    def _read(self, time: tuple[Any, Any] | None = None) -> list[Any]:
        """Return the patches that have samples in a span of time."""
        from scionwood_seismic.readers import dascore_files

        read = partial(dascore_files.read, self.path, self.format, time)
        return ask(self.path, self.format[0], read)

    def _windowed(self, i: int) -> Any | None:
        """Read one patch of several by its time span; None if that does not identify it."""
        target = self.summaries[i]
        span = target.coords["time"].min, target.coords["time"].max
        same = [patch for patch in self._read(span) if identity(patch.attrs) == identity(target)]
        identities = [identity(summary) for summary in self.summaries]
        if len(same) != identities.count(identity(target)):
            return None
        return same[identities[:i].count(identity(target))]
