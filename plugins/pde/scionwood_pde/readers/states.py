"""States as an `xarray.DataArray`, the form in which this plugin takes and returns them.

The dims are `sample`, `time`, `channel`, then `x`, `y`, `z` (or `x`, `y`; or `x`). The coordinate
`channel` holds the names of the channels, and `unit`, along `channel`, their units. The coordinates
`time`, `x`, `y`, `z` hold points and have the attribute `units`. Space axes also have the
attributes `spacing` and `boundary` (`periodic`, `wall`, `open` or `unknown`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final
from uuid import uuid4

import dask.array
import numpy as np
import xarray as xr
from xarray.core import indexing

from scionwood import ReadError
from scionwood.authoring import empty_record
from scionwood_pde.readers.layout import AXES, EQUATION, UNKNOWN, Channel, Layout

if TYPE_CHECKING:
    from scionwood_pde.solvers import Simulation

LEADING = ("sample", "time", "channel")

DASK: Any = dask.array
"""The arrays of dask, whose functions have no types."""

Source: TypeAlias = tuple[Layout, Path, str, bool]
"""The layout, the file and the format of values, and whether NaN marks solid points."""


class FrameSource(Protocol):
    """A source from which windows of states can be read, such as a reader or a cache."""

    @property
    def layout(self) -> Layout:
        """The contents of the source."""

    def frames(
        self,
        places: Iterable[tuple[int, int]],
        window: Sequence[slice] | None = None,
        channels: Sequence[int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield one window, (channel, x, y, z), for each pair of a sample and a time."""


def lazy_states(source: FrameSource) -> xr.DataArray:
    """Return the states of a source as an array that reads a value when it is used."""
    return labelled(indexing.LazilyIndexedArray(_Lazy(source)), source.layout)


def labelled(data: Any, layout: Layout) -> xr.DataArray:
    """Return states with their coordinates, units, spacing and boundary conditions.

    Args:
        data: (sample, time, channel, *space).
        layout: the layout of the data.
    """
    coords: dict[str, Any] = {
        "channel": np.array([channel.name for channel in layout.channels], object),
        "unit": ("channel", np.array([channel.unit for channel in layout.channels], object)),
    }
    for axis, points in {"time": layout.times, **layout.coords}.items():
        coords[axis] = (axis, points, attributes(layout, axis))
    attrs = {} if layout.equation == UNKNOWN else {EQUATION: layout.equation}
    return xr.DataArray(xr.Variable((*LEADING, *layout.axes), data, attrs), coords, name="states")


def as_dataset(states: xr.DataArray) -> xr.Dataset:
    """Return states with one variable for each channel, whose attribute `units` is its unit.

    Args:
        states: (sample, time, channel, *space), with the coordinates of this module.

    Returns:
        Variables over (sample, time, *space), with the attributes of the states.

    Raises:
        KeyError: the states lack the coordinate `channel` or `unit`.

    Example:
        >>> import scionwood_pde as pde
        >>> dataset = pde.as_dataset(pde.simulate(n=1, n_points=16, n_steps=2))
        >>> list(dataset), dataset.u_x.dims
        (['u_x', 'u_y', 'u_z'], ('sample', 'time', 'x', 'y', 'z'))
    """
    units = dict(
        zip(states["channel"].values.tolist(), states["unit"].values.tolist(), strict=True)
    )
    dataset = states.to_dataset(dim="channel").drop_vars("unit", errors="ignore")
    for name, unit in units.items():
        dataset[name].attrs = {"units": unit}
    return dataset.assign_attrs(states.attrs)


def layout_of(states: xr.DataArray) -> Layout:
    """Return the layout of states after checking it.

    Raises:
        ReadError: the dims, coordinates or units do not follow the conventions of this module.
    """
    name = Path(str(states.name or "states"))
    axes = tuple(str(dim) for dim in states.dims[len(LEADING) :])
    if tuple(states.dims[: len(LEADING)]) != LEADING or axes not in (AXES[:1], AXES[:2], AXES):
        rule = f"dims are {states.dims}; they must be {(*LEADING, *AXES)}, or fewer space axes"
        raise ReadError(str(name), rule, "Transpose, rename or expand them")
    lacking = [key for key in ("channel", "unit", "time", *axes) if key not in states.coords]
    if lacking:
        raise ReadError(str(name), f"it lacks coordinates {', '.join(lacking)}", "Add them")
    names, units = (states.coords[key].values.tolist() for key in ("channel", "unit"))
    dims = ("sample", "time", *axes)
    pairs = zip(names, units, strict=True)
    layout = Layout(
        states.sizes["sample"],
        states.coords["time"].values.astype(np.float64),
        {axis: states.coords[axis].values.astype(np.float64) for axis in axes},
        tuple(Channel(str(name), str(unit), str(name), dims) for name, unit in pairs),
        {axis: str(states.coords[axis].attrs.get("units")) for axis in ("time", *axes)},
        {axis: str(states.coords[axis].attrs.get("boundary")) for axis in axes},
        states.dtype,
        equation=str(states.attrs.get(EQUATION, UNKNOWN)),
    )
    for axis in ("time", *axes):
        if "units" not in states.coords[axis].attrs:
            remedy = "Set it; use 'unknown' if it is not known"
            raise ReadError(str(name), f"coordinate {axis} has no attribute units", remedy)
    layout.check(name)
    return layout


def from_simulation(run: Simulation) -> xr.DataArray:
    """Return the valid samples of a simulation, in the units L, T and U of its equation.

    Raises:
        ValueError: no sample is valid.
    """
    from scionwood_pde.solvers.registry import equation_name

    fields = run.fields[run.valid]
    if not len(fields):
        raise ValueError(
            f"0 of {len(run.valid)} samples are valid: a file holds one or more. {run.remedy()}"
        )
    axes = AXES[: run.grid.dims]
    points = np.arange(run.grid.n_points) * (run.grid.length / run.grid.n_points)
    layout = Layout(
        len(fields),
        run.times.cpu().numpy(),
        dict.fromkeys(axes, points),
        tuple(
            Channel(name, run.equation.unit(name), name, ("sample", "time", *axes))
            for name in run.channels
        ),
        {"time": "T", **dict.fromkeys(axes, "L")},
        dict.fromkeys(axes, "periodic"),
        fields.cpu().numpy().dtype,
        equation=equation_name(run.equation),
    )
    return labelled(fields.cpu().numpy(), layout)


def chunked(states: xr.DataArray, sides: Sequence[int]) -> xr.DataArray:
    """Return states as arrays of dask, one field of one state in a chunk of at most these sides."""
    space = [min(n, side) for n, side in zip(sides, states.shape[3:], strict=False)]
    chunks = dict(zip(states.dims, (1, 1, 1, *space), strict=True))
    # A name of its own: hashing lazy values would read them. Readers read one part at a time.
    return states.chunk(chunks, token=uuid4().hex, lock=states.chunks is None)


def attributes(layout: Layout, axis: str) -> dict[str, Any]:
    """Return the attributes of a coordinate: units, and for space also spacing and boundary."""
    if axis == "time":
        return {"units": layout.units[axis]}
    spacing = layout.spacing()[axis]
    return {"units": layout.units[axis], "spacing": spacing, "boundary": layout.boundary[axis]}


@final
class _Lazy(xr.backends.BackendArray):
    """An array of xarray that reads windows of states when they are indexed."""

    def __init__(self, source: FrameSource) -> None:
        layout = source.layout
        self.source = source
        counts = (layout.samples, len(layout.times), len(layout.channels))
        self.shape, self.dtype = (*counts, *layout.sides), layout.dtype

    def __getitem__(self, key: Any) -> Any:
        basic = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, basic, self._read)

    def _read(self, key: Sequence[int | slice]) -> np.ndarray:
        slices = [k if isinstance(k, slice) else slice(int(k), int(k) + 1) for k in key]
        samples, times, channels = (
            range(*k.indices(n)) for k, n in zip(slices[:3], self.shape[:3], strict=True)
        )
        window = slices[3:]
        places = [(sample, time) for sample in samples for time in times]
        frames = list(self.source.frames(places, window, channels))
        sides = [len(range(*k.indices(n))) for k, n in zip(window, self.shape[3:], strict=True)]
        data = np.array(frames, self.dtype).reshape(len(samples), len(times), len(channels), *sides)
        return data[tuple(slice(None) if isinstance(k, slice) else 0 for k in key)]


def window_of(
    variables: Mapping[str, Any],
    source: Source,
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
    layout = source[0]
    window = window or [slice(None)] * len(layout.axes)
    chosen = range(len(layout.channels)) if channels is None else channels
    lengths = zip(window, layout.sides, strict=True)
    sides = [len(range(*part.indices(side))) for part, side in lengths]
    data = empty_record((len(chosen), *sides), layout.dtype)
    for row, number in enumerate(chosen):
        channel = layout.channels[number]
        values = np.asarray(variables[channel.variable][channel.index(*at, window)])
        data[row] = channel.arrange(values, layout.axes)
        _check_finite(data[row], source, number, f", sample {at[0]}, time {at[1]}")
    return data


def checked(values: np.ndarray, source: Source, number: int) -> np.ndarray:
    """Return values of a channel, by its number, after a check that they are finite."""
    _check_finite(values, source, number)
    return values


def _check_finite(values: np.ndarray, source: Source, number: int, place: str = "") -> None:
    """Refuse NaN and infinity; where solids are, NaN passes.

    Raises:
        ReadError: a value is neither finite nor in a solid.
    """
    layout, path, kind, solids = source
    if not (np.isinf(values) if solids else ~np.isfinite(values)).any():
        return
    rule = f"{kind}: field {layout.channels[number].name!r}{place} holds NaN or infinity"
    remedy = "Leave the sample or the field out, or fill it"
    if not np.isinf(values).any():
        remedy += ". If NaN marks solid points, set `solids`"
    raise ReadError(str(path), rule, remedy)
