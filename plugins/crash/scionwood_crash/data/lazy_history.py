"""A run as a part, and its history state by state: a few states are in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from scionwood_crash.data.encode import Encoder
from scionwood_crash.data.lazy import FORMAT, State, write_stored
from scionwood_crash.data.user_settings import RunSettings, open_history, plausible_part
from scionwood_crash.parts.mesh import CrashSeries, Frame
from scionwood_crash.parts.resample import at_times
from scionwood_crash.parts.series import STRAIN, factors, run_name
from scionwood_crash.readers.folder import files_of
from scionwood_crash.readers.globals_json import read_features


def store_run(
    path: Path, user: RunSettings, frames: int | None, encoder: Encoder, folder: Path
) -> None:
    """Encode a run into a store; its whole history is never in memory.

    Args:
        path: the file of the run.
        user: what the user states for all runs.
        frames: number of states, equally spaced; `None` keeps those of the file.
        encoder: encodes its mesh.
        folder: the store.

    Raises:
        ReadError: see `scionwood_crash.data.user_settings.read_run`.
    """
    series = open_history(path, user)
    part = plausible_part(envelope(series), user)
    encoded = encoder.encode(replace(part, displacement=None, plastic_strain=None))
    length, time, _ = factors(series.mesh.units)
    times = series.times * time - series.times[0] * time
    frame_times = times if frames is None else np.linspace(times[0], times[-1], frames)
    used = np.unique(series.mesh.cells)
    states = states_at(series, times, frame_times, used, length)
    write_stored(folder, encoded, states, len(frame_times), part.conditions)


def store_folder(source: str) -> Path:
    """Return the hidden folder of the stores: in a folder of simulations, or beside its files.

    Args:
        source: a folder, a file, or a pattern of paths.
    """
    path = Path(source)
    while set("*?[") & set(str(path)) or not path.is_dir() or path.suffix == ".zarr":
        path = path.parent
    return path / ".scionwood"


def store_name(path: Path, user: RunSettings, frames: int | None, encoder: Encoder) -> str:
    """Return the name of a run's store, which changes with all that its content depends on.

    Args:
        path: the file of the run.
        user: what the user states for all runs.
        frames: number of states.
        encoder: encodes its mesh.
    """
    mesh = [] if user.mesh is None else [Path(user.mesh.replace("{run}", run_name(path)))]
    files = [file for source in (path, *mesh) for file in files_of(source)]
    # Size and time of change stand for the content, which may be gigabytes.
    stats = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    grids = [level.tolist() for level in encoder.template.levels]
    options = [encoder.neighbours, encoder.coarse, encoder.fallback, encoder.between, frames, user]
    content = repr([FORMAT, stats, read_features(path), options, grids])
    return f"{run_name(path)}-{hashlib.sha256(content.encode()).hexdigest()[:16]}.zarr"


def envelope(series: CrashSeries) -> CrashSeries:
    """Return two states: the first, and each node where it is farthest from its initial place.

    They have the clamps, the largest displacement and the duration of the whole history.

    Args:
        series: two or more states.
    """
    first, last = series.read(0), series.read(len(series) - 1)
    farthest = first.displacement.astype(np.float64)
    travel = np.linalg.norm(farthest, axis=1)
    for frame in series:
        distance = np.linalg.norm(frame.displacement, axis=1)
        more = distance > travel
        farthest[more], travel[more] = frame.displacement[more], distance[more]
    second = Frame(farthest, last.alive, last.cell_fields, last.point_fields)
    return replace(series, times=series.times[[0, -1]], read=lambda at: (first, second)[at])


def states_at(
    series: CrashSeries, times: np.ndarray, frame_times: np.ndarray, used: np.ndarray, length: float
) -> Iterator[State]:
    """Yield the states at some times, linear between those of the file.

    Args:
        series: two or more states.
        times: (state,), ms.
        frame_times: (frame,), increasing, ms.
        used: (node,), the places in the mesh of the nodes that are wanted.
        length: factor from the unit of length to mm.
    """
    strained = STRAIN in series.read(0).cell_fields
    cache: dict[int, State] = {}

    def state(index: int) -> State:
        if index not in cache:
            frame = series.read(index)
            strain = frame.cell_fields[STRAIN] if strained else None
            cache[index] = frame.displacement[used].astype(np.float64) * length, strain
        return cache[index]

    for at, time in enumerate(frame_times):
        if np.array_equal(times, frame_times):
            yield state(at)
            cache.clear()
            continue
        upper = int(np.clip(np.searchsorted(times, time), 1, len(times) - 1))
        for old in [index for index in cache if index < upper - 1]:
            del cache[old]
        pair = [upper - 1, upper]
        below, above = map(state, pair)
        moved = at_times(np.stack([below[0], above[0]]), times[pair], np.array([time]))[0]
        yield moved, _between(below[1], above[1], times[pair], time)


def _between(
    below: np.ndarray | None, above: np.ndarray | None, times: np.ndarray, time: float
) -> np.ndarray | None:
    if below is None or above is None:
        return None
    return np.asarray(at_times(np.stack([below, above]), times, np.array([time]))[0])
