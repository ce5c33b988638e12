"""The layout of a file of states: samples, times, grid, channels, units and boundaries."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from scionwood import ReadError

AXES = ("x", "y", "z")
COORDINATES = ("sample", "time", "channel", "unit", *AXES)
"""Names that no channel can have."""

UNKNOWN = "unknown"
EQUATION = "equation"
"""The attribute in which a file names the equation that was simulated."""

ORDER = "channels"
"""The attribute in which a file lists the order of its variables."""

_LARGE = 1 << 30
_RATIO = 1100  # deflate shrinks by 1032 at most
_IRREGULAR = 0.01


@final
@dataclass(frozen=True)
class Channel:
    """A scalar field, or one component of a vector or tensor, and its place in the file.

    Args:
        name: name of the channel.
        unit: unit of its values.
        variable: name of the file's array that holds it.
        axes: axes of that array in order: `sample`, `time`, `x`, `y`, `z`, or the index of the
            channel along an axis of components.
    """

    name: str
    unit: str
    variable: str
    axes: tuple[str | int, ...]

    def index(self, sample: int, time: int, window: Sequence[slice]) -> tuple[int | slice, ...]:
        """Return the index of a window of one state in the file's array."""
        places: dict[str, int | slice] = {"sample": sample, "time": time}
        places.update(zip(AXES, window, strict=False))
        return tuple(axis if isinstance(axis, int) else places[axis] for axis in self.axes)

    def arrange(self, values: np.ndarray, axes: Sequence[str]) -> np.ndarray:
        """Return a view with the given space axes in order; a missing axis gets size 1."""
        stored = [axis for axis in self.axes if axis in AXES]
        ordered = values.transpose([stored.index(axis) for axis in axes if axis in stored])
        return ordered[tuple(slice(None) if axis in stored else None for axis in axes)]


@final
@dataclass(frozen=True)
class Layout:
    """All information about a file that is known before a state is read.

    Args:
        samples: number of trajectories.
        times: (time,) float64, in the unit of `time`.
        coords: points of each space axis, float64, in the unit of that axis.
        channels: the channels in their order.
        units: unit of `time` and of each space axis.
        boundary: boundary condition of each space axis: `periodic`, `wall`, `open`, two of them
            joined by `/`, or `unknown`.
        dtype: float32 or float64; it holds the floating-point values of all channels exactly.
        elsewhere: the dims of each variable that is no channel since it lies on other points.
        equation: name of the equation that was simulated, or `unknown`.
    """

    samples: int
    times: np.ndarray
    coords: Mapping[str, np.ndarray]
    channels: tuple[Channel, ...]
    units: Mapping[str, str]
    boundary: Mapping[str, str]
    dtype: np.dtype
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    equation: str = UNKNOWN

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the space axes in order."""
        return tuple(self.coords)

    @property
    def sides(self) -> tuple[int, ...]:
        """Number of points along each space axis."""
        return tuple(len(values) for values in self.coords.values())

    def spacing(self) -> dict[str, float]:
        """Return the distance between points along each space axis, in its unit."""
        return {a: float(x[-1] - x[0]) / (len(x) - 1) for a, x in self.coords.items()}

    def card(self) -> dict[str, Any]:
        """Return the layout as numbers, strings, lists and dicts, which `of_card` reads."""
        return {
            "samples": self.samples,
            "times": self.times.tolist(),
            "coords": {axis: points.tolist() for axis, points in self.coords.items()},
            "channels": {channel.name: channel.unit for channel in self.channels},
            "units": dict(self.units),
            "boundary": dict(self.boundary),
            "dtype": self.dtype.name,
            "equation": self.equation,
        }

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Self:
        """Return the layout of a card.

        Raises:
            KeyError: a value is missing.
        """
        axes = ("sample", "time", *card["coords"])
        return cls(
            card["samples"],
            np.array(card["times"]),
            {axis: np.array(points) for axis, points in card["coords"].items()},
            tuple(Channel(name, unit, name, axes) for name, unit in card["channels"].items()),
            card["units"],
            card["boundary"],
            np.dtype(card["dtype"]),
            equation=card.get("equation", UNKNOWN),
        )

    def selected(self, path: Path, fields: Sequence[str] | None) -> Self:
        """Return this layout with only the named channels, in that order.

        Raises:
            ReadError: the file has no such field, a field is named twice, or the list is empty; or
                no field is named, and the file has variables that would be left out.
        """
        fields = [fields] if isinstance(fields, str) else fields
        if fields is None and self.elsewhere:
            listed = ", ".join(f"{name} {dims}" for name, dims in self.elsewhere.items())
            axes = ", ".join(self.axes)
            rule = f"these variables lack an axis, lie on other points than {axes}, or hold no "
            rule += f"real numbers: {listed}"
            names = ", ".join(channel.name for channel in self.channels)
            remedy = f"Interpolate them onto one grid, or name the fields to read, of {names}"
            raise ReadError(str(path), rule, remedy)
        if fields is None:
            return self
        channel_by_name = {channel.name: channel for channel in self.channels}
        if not fields or len(set(fields)) < len(fields):
            rule = f"fields {list(fields)} names none, or one of them twice"
            raise ReadError(str(path), rule, f"Name each once, of {', '.join(channel_by_name)}")
        for name in fields:
            if name not in channel_by_name:
                rule = f"it has no field {name!r}; it has {', '.join(channel_by_name)}"
                raise ReadError(str(path), rule, "Choose one of these")
        return replace(self, channels=tuple(channel_by_name[name] for name in fields))

    def renamed(self, path: Path, names: Mapping[str, str]) -> Self:
        """Return this layout with other names of channels.

        Args:
            path: the file in messages.
            names: new names by the present ones.

        Raises:
            ReadError: there is no such channel.
        """
        field_names = [channel.name for channel in self.channels]
        for name in names:
            if name not in field_names:
                rule = f"it has no field {name!r} to rename; it has {', '.join(field_names)}"
                raise ReadError(str(path), rule, "Correct rename")
        channels = [
            replace(channel, name=names.get(channel.name, channel.name))
            for channel in self.channels
        ]
        return replace(self, channels=tuple(channels))

    def check_stored(self, path: Path) -> None:
        """Check the layout, and that a file is large enough to hold one state.

        Raises:
            ReadError: see `check`; or one state is larger than the file can hold.
        """
        self.check(path)
        check_size(path, (len(self.channels), *self.sides), self.dtype)

    def check(self, path: Path) -> None:
        """Check that the layout describes states on a regular grid.

        Raises:
            ReadError: no channel or time, two channels of one name, a name that is that of an axis,
                a side of 1, mixed units, irregular points, a time that is NaN, or values that are
                no real numbers.
        """
        _check_names(path, [channel.name for channel in self.channels])
        if not self.channels or not self.samples or not len(self.times):
            counts = f"{len(self.channels)} fields, {self.samples} samples, {len(self.times)} times"
            raise ReadError(str(path), f"it holds no states: {counts}", "Choose another file")
        for axis, values in self.coords.items():
            if len(values) < 2:
                rule = f"axis {axis} has a side of {len(values)}; a side has two points or more"
                raise ReadError(str(path), rule, "Drop the axis, or choose another file")
            _check_regular(path, axis, values)
        if not np.isfinite(self.times).all():
            place = int(np.flatnonzero(~np.isfinite(self.times))[0])
            rule = f"time {place} of its {len(self.times)} times is {self.times[place]}"
            raise ReadError(str(path), rule, "Leave this time out, or correct it")
        if self.dtype.kind != "f":
            rule = f"its values are {self.dtype}, and states are real numbers"
            raise ReadError(str(path), rule, "Store real and imaginary parts as two fields")
        _check_units(path, {axis: self.units[axis] for axis in self.axes}, "axes of space")
        vectors: dict[str, dict[str, str]] = defaultdict(dict)
        for channel in self.channels:
            vectors[re.sub(r"_[xyz]+$", "", channel.name)][channel.name] = channel.unit
        for units in vectors.values():
            _check_units(path, units, "components of a vector")


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ReadError(str(path), f"two fields have the name {name!r}", "Give each its own")
        if name in COORDINATES:
            rule = f"field {name!r} has the name of a coordinate of states"
            remedy = f"Rename it, such as rename={{{name!r}: 'field_{name}'}}"
            raise ReadError(str(path), rule, remedy)


def check_size(path: Path, shape: Sequence[int], dtype: np.dtype) -> None:
    """Check a declared size before memory is allocated for it.

    Raises:
        ReadError: the size is above 1 GiB and above 1100 times the file.
    """
    declared = int(np.prod([int(side) for side in shape], dtype=object)) * dtype.itemsize
    if declared > _LARGE and declared > _RATIO * stored_bytes(path):
        rule = f"it declares {declared / _LARGE:.0f} GiB, which a file of its size cannot hold"
        raise ReadError(str(path), rule, "It is damaged: copy it again")


def stored_bytes(path: Path) -> int:
    """Return the size in bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _check_regular(path: Path, axis: str, values: np.ndarray) -> None:
    steps = np.diff(values)
    mean = steps.mean()
    if not mean or not (np.abs(steps - mean) <= _IRREGULAR * abs(mean)).all():
        rule = f"the points of axis {axis} lie {steps.min():g} to {steps.max():g} apart"
        raise ReadError(str(path), rule, "Resample it onto a regular grid")


def _check_units(path: Path, units: Mapping[str, str], what: str) -> None:
    if len(set(units.values())) > 1:
        listed = ", ".join(f"{name} in {unit}" for name, unit in units.items())
        remedy = "Convert them to one"
        if {"degree", "cell"} & set(units.values()):
            remedy += ", or name the dims of all axes to use cells as they are"
        raise ReadError(str(path), f"{what} have mixed units: {listed}", remedy)


def native(dtypes: Sequence[np.dtype]) -> np.dtype:
    """Return the precision that holds all of them: float32 or float64."""
    # Native byte order, which torch needs; files may have the other one.
    return np.result_type(np.float32, *dtypes).newbyteorder("=")
