"""A channel of a seismic file as a sound: a fibre, a geophone or a hydrophone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scionwood import ReadError

SUFFIXES = (".mseed", ".miniseed", ".sac", ".sgy", ".segy", ".su", ".h5", ".hdf5", ".tdms", ".nc")
"""Endings of the files that the plugin seismic reads, and whose channels are heard here."""

EVEN = 1e-3
"""Largest difference of a step of time to the sample interval, in intervals."""


def is_seismic(path: str | Path) -> bool:
    """Return whether the ending of a file is that of a seismic one."""
    return Path(path).suffix.lower() in SUFFIXES


def read_channel(path: str | Path, channel: int) -> tuple[np.ndarray, float]:
    """Return the samples of a channel and its rate, to be heard faster than it happened.

    Ground moves at 1 to 50 Hz, where a tower of speech hears nothing. Declare a higher rate: at
    `expand=1/16` a channel of 1 kHz is heard at 16 kHz, and 20 Hz as 320 Hz. A second that is heard
    is then 16 s of the record.

    Units: the channel loses its unit: a tower hears relative levels.
    """
    parts, rate = _parts(path, channel)
    samples: np.ndarray = np.concatenate(parts)
    if not np.isfinite(samples).all():
        where = int((~np.isfinite(samples)).argmax()) / rate
        rule = f"it holds NaN or an infinite value, the first at {where:.3f} s"
        raise ReadError(f"{path}: channel {channel}", rule, "Cut it, or take another channel")
    if samples.min() == samples.max():  # less its mean it may be a rounding
        raise ReadError(f"{path}: channel {channel}", "it is constant", "Take another channel")
    samples = samples - samples.mean()
    return (samples / np.abs(samples).max()).astype(np.float32), rate


def _parts(path: str | Path, channel: int) -> tuple[list[np.ndarray], float]:
    try:
        from scionwood_seismic import open_file
    except ImportError as error:
        rule = "seismic files need the plugin seismic"
        raise ReadError(str(path), rule, "Install the plugin seismic") from error
    parts: list[np.ndarray] = []
    end = -np.inf
    with open_file(path) as reader:
        dt = float(reader.dt)
        for record in reader:
            if not 0 <= channel < len(record.data):
                rule = f"the file has the channels 0 to {len(record.data) - 1}"
                raise ReadError(f"{path}: channel {channel}", rule, "Choose one of them")
            time = np.asarray(record.coords["time"])
            new = time > end + dt / 2  # windows of a large patch share samples
            steps = np.diff(time[new], prepend=end if np.isfinite(end) else time[0] - dt)
            if not new.any() or np.abs(steps / dt - 1).max() > EVEN:
                rule = "it has gaps, or more parts than one recording"
                raise ReadError(str(path), rule, "Merge them, or cut the part you want to a file")
            parts.append(record.data[channel, new].astype(np.float64))
            end = float(time[-1])
    return parts, 1 / dt
