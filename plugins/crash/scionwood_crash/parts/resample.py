"""Histories at other times: linear between the states of a file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scionwood_crash.parts.part import Part


def resampled(part: Part, frames: int) -> Part:
    """Return a part with its history at equally spaced times over the same duration.

    Args:
        part: has two or more times.
        frames: number of states.
    """
    return at_own_times(part, np.linspace(part.times[0], part.times[-1], frames))


def at_own_times(part: Part, times: np.ndarray) -> Part:
    """Return a part with its history at other times; see `at_times`."""
    moved, strain = part.displacement, part.plastic_strain
    return replace(
        part,
        times=times,
        displacement=None if moved is None else at_times(moved, part.times, times),
        plastic_strain=None if strain is None else at_times(strain, part.times, times),
    )


def at_times(values: np.ndarray, times: np.ndarray, frame_times: np.ndarray) -> np.ndarray:
    """Return a history at other times, linear between states and constant outside.

    Args:
        values: (state, ...).
        times: (state,), increasing, two or more.
        frame_times: (frame,).

    Returns:
        (frame, ...) in the precision of the values. At the times of states it has their bits.
    """
    if np.array_equal(times, frame_times):
        return values
    upper = np.clip(np.searchsorted(times, frame_times), 1, len(times) - 1)
    share = np.clip((frame_times - times[upper - 1]) / (times[upper] - times[upper - 1]), 0, 1)
    share = share.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
    return np.asarray(values[upper - 1] * (1 - share) + values[upper] * share)
