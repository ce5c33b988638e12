"""Overwrite the samples of a TDMS file in place.

Source: National Instruments, "TDMS File Format Internal Structure". The lead-in of a segment has
28 bytes, and its flags state whether the samples of the channels are interleaved.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nptdms
import numpy as np

from scionwood import ReadError, WriteError
from scionwood_seismic.readers.base import encode

_LEAD_IN = 28
_INTERLEAVED, _BIG_ENDIAN = 0x20, 0x40
_REMEDY = "Write the result as DASDAE with DASCore"


@dataclass(frozen=True)
class Chunk:
    """A contiguous block of samples of all channels.

    Attributes:
        offset: position of the block in the file, bytes.
        first: index of its first sample in time.
        count: samples per channel in the block.
        interleaved: whether samples alternate between channels.
    """

    offset: int
    first: int
    count: int
    interleaved: bool


@dataclass(frozen=True)
class Layout:
    """The samples of a file whose channels have the same length and type.

    Attributes:
        dtype: the type of the samples.
        channels: number of channels.
        chunks: the blocks, in the order of time.
    """

    dtype: np.dtype
    channels: int
    chunks: tuple[Chunk, ...]


def find(path: Path, data: np.ndarray, time_axis: int) -> Layout:
    """Locate the samples of the patch in a TDMS file.

    Args:
        path: the file.
        data: the values of the patch, with two axes.
        time_axis: the index of the time axis.

    Raises:
        WriteError: the channels differ in length or type, or the samples are not the values of
            the patch.
    """
    values = np.moveaxis(data, time_axis, 0)
    try:
        layout = _layout(path)
        raw = np.memmap(path, np.uint8, "r")
        for chunk in layout.chunks:
            expected_samples = values[chunk.first : chunk.first + chunk.count]
            if not np.array_equal(_view(raw, layout, chunk), expected_samples, equal_nan=True):
                raise ValueError("its samples are not where they were expected")
        if sum(chunk.count for chunk in layout.chunks) != len(values):
            raise ValueError("its segments hold other samples too")
    except (ValueError, struct.error) as error:
        raise WriteError(str(path), f"TDMS that cannot be written: {error}", _REMEDY) from error
    return layout


def overwrite(
    path: Path, layout: Layout, data: np.ndarray, changed: np.ndarray, time_axis: int
) -> int:
    """Store the changed samples; see `hdf5.overwrite`."""
    values, mask = np.moveaxis(data, time_axis, 0), np.moveaxis(changed, time_axis, 0)
    raw, clipped = np.memmap(path, np.uint8, "r+"), 0
    for chunk in layout.chunks:
        part = slice(chunk.first, chunk.first + chunk.count)
        encoded, lost = encode(values[part][mask[part]], layout.dtype)
        _view(raw, layout, chunk)[mask[part]] = encoded
        clipped += lost
    raw.flush()
    return clipped


def write_interleaved(path: Path, data: np.ndarray, *, spacing: float, rate: float) -> None:
    """Write one segment of interleaved samples with the properties that an iDAS writes.

    Args:
        path: the file to write.
        data: (distance, time).
        spacing: distance between channels, m.
        rate: samples per second.
    """
    properties = {
        "SamplingFrequency[Hz]": rate,
        "GPSTimeStamp": np.datetime64("2020-01-01T00:00:00", "us"),
        "Fibre Length Multiplier": 1.0,
        "MeasureLength[m]": spacing * len(data),
        "StartPosition[m]": 0.0,
        "SpatialResolution[m]": spacing,
        "SystemInfomation.Devices0.SerialNum": "7",  # so spelt in the files
    }
    channels = [nptdms.ChannelObject("Measurement", str(i), row) for i, row in enumerate(data)]
    with nptdms.TdmsWriter(str(path), version=4713) as writer:
        root = nptdms.RootObject(properties=properties)
        writer.write_segment([root, nptdms.GroupObject("Measurement"), *channels])
    raw = bytearray(path.read_bytes())
    (flags,) = struct.unpack_from("<I", raw, 4)
    struct.pack_into("<I", raw, 4, flags | _INTERLEAVED)  # nptdms writes channel after channel
    path.write_bytes(raw[: -data.nbytes] + data.T.tobytes())


def _view(raw: np.ndarray, layout: Layout, chunk: Chunk) -> np.ndarray:
    """Return a view of the samples of a chunk, (time, channel)."""
    size = chunk.count * layout.channels * layout.dtype.itemsize
    samples = raw[chunk.offset : chunk.offset + size].view(layout.dtype)
    if chunk.interleaved:
        return samples.reshape(chunk.count, layout.channels)
    return samples.reshape(layout.channels, chunk.count).T


def _layout(path: Path) -> Layout:
    with nptdms.TdmsFile.open(str(path)) as file:
        channels = [channel for group in file.groups() for channel in group.channels()]
        dtypes = {np.dtype(channel.dtype) for channel in channels}
        if len(dtypes) != 1 or len({len(channel) for channel in channels}) != 1:
            raise ValueError("its channels differ in length or type")
    segments = list(_segments(path))
    order = ">" if segments[0][2] & _BIG_ENDIAN else "<"
    dtype = dtypes.pop().newbyteorder(order)
    row = len(channels) * dtype.itemsize
    chunks: list[Chunk] = []
    first = 0
    for offset, size, flags in segments:
        count, remainder = divmod(size, row)
        if remainder:
            raise ValueError("a segment ends within a row of samples")
        chunks.append(Chunk(offset, first, count, bool(flags & _INTERLEAVED)))
        first += count
    return Layout(dtype, len(channels), tuple(chunks))


def _segments(path: Path) -> Iterator[tuple[int, int, int]]:
    """Yield the position of the samples of each segment, their size in bytes, and its flags."""
    end = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + _LEAD_IN <= end:
            file.seek(at)
            tag, flags, _, length, start = struct.unpack("<4sIIQQ", file.read(_LEAD_IN))
            if tag != b"TDSm":
                raise ReadError(str(path), f"damaged TDMS: no segment at byte {at}", "Copy it")
            begin = at + _LEAD_IN + start
            at = min(end, at + _LEAD_IN + length)
            if at > begin:
                yield begin, at - begin, flags
