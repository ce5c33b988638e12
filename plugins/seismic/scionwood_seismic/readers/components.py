"""The components of seismic sensors, and the gaps of their recordings, from channel names.

Source: FDSN, "Source Identifiers", 2023: the last letter of a channel code is its orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from scionwood_seismic.readers.grouping import Header

ORIENTATIONS = frozenset("ZNE123UVWRT")


def split(name: str) -> tuple[str, str]:
    """Return the sensor and the component letter of a channel such as `XX.ABC..HHZ`.

    The letter is empty if the name is not that of a component.
    """
    code = name.rsplit(".", 1)[-1]
    if len(code) != 3 or code[-1] not in ORIENTATIONS:
        return name, ""
    return name[:-1], code[-1]


def by_sensor(headers: Sequence[Header]) -> list[Header]:
    """Return the headers with their sensors, if a sensor has several components.

    The components of one sensor then form a gather of their own. An array of sensors with one
    component each stays one gather.
    """
    letters: dict[str, set[str]] = {}
    for header in headers:
        sensor, letter = split(header.name)
        letters.setdefault(sensor, set()).add(letter)
    if all(len(component_letters) == 1 for component_letters in letters.values()):
        return list(headers)
    return [replace(header, sensor=split(header.name)[0]) for header in headers]


def components(headers: Sequence[Header], groups: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return the component letters of the first gather, if each gather is one sensor.

    Args:
        headers: the headers of the traces.
        groups: the trace indices of each gather.
    """
    for members in groups:
        pairs = [split(headers[i].name) for i in members]
        if len({sensor for sensor, _ in pairs}) > 1 or not all(letter for _, letter in pairs):
            return ()
    return tuple(split(headers[i].name)[1] for i in groups[0])


def doubts(headers: Sequence[Header]) -> tuple[str, ...]:
    """Return what a user must know of the recordings: gaps, and several sample intervals."""
    texts: list[str] = []
    channels: dict[str, list[Header]] = {}
    for header in headers:
        channels.setdefault(header.name, []).append(header)
    gaps = [gap for name, parts in channels.items() if name for gap in _gaps(parts)]
    if gaps:
        seconds, name = max(gaps)
        text = f"{len(gaps)} gap{'s' * (len(gaps) > 1)}, the longest of {seconds:g} s in {name}: "
        texts.append(text + "each part is a record of its own, and nothing is filled")
    intervals = sorted({header.dt for header in headers})
    if intervals[-1] - intervals[0] > 1e-3 * intervals[0]:
        listing = ", ".join(f"{dt:g}" for dt in intervals)
        texts.append(
            f"its traces have several sample intervals ({listing} s): none shares a record"
        )
    return tuple(texts)


def _gaps(parts: Sequence[Header]) -> list[tuple[float, str]]:
    """Return length, s, and channel of each gap between the parts of a channel."""
    ordered = sorted(parts, key=lambda header: header.start)
    gaps: list[tuple[float, str]] = []
    for before, after in pairwise(ordered):
        missing = after.start - (before.start + before.samples * before.dt)
        if missing > 0.5 * before.dt:
            gaps.append((missing, before.name))
    return gaps
