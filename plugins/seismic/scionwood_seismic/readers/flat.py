"""Locate the samples of SU, SAC and SEG-2 files, which are read and overwritten in place.

Sources: the SU trace header is that of SEG-Y revision 1, bytes 109-118; the SAC header is words
of four bytes, see the SAC manual, "Data file format"; SEG-2 is Pullan, 1990, "Recommended
standard for seismic (/radar) data files in the personal computer environment".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from scionwood import ReadError

TRACE_HEADER = 240
SAC_HEADER, SAC_FOOTER, SAC_UNDEFINED = 632, 176, -12345
_SEG2_HEAD = 32  # bytes of the fixed part of a file or trace descriptor block
_SEG2_TYPES = {1: "i2", 2: "i4", 4: "f4", 5: "f8"}


@dataclass(frozen=True)
class Samples:
    """The location of the samples of one trace.

    Attributes:
        offset: position of the first sample, bytes.
        count: number of samples.
        dtype: their type with its byte order; None if NumPy has no such type.
        dt: the sample interval, s; 0 if ObsPy reads it.
        delay: the time of the first sample after the shot, s.
    """

    offset: int
    count: int
    dtype: np.dtype | None
    dt: float = 0.0
    delay: float = 0.0


@dataclass(frozen=True)
class Overrides:
    """What the user gives in place of the headers of an SU file; None: the header is believed.

    Attributes:
        samples: samples per trace.
        dt: the sample interval, s.
        endian: the byte order.
    """

    samples: int | None = None
    dt: float | None = None
    endian: Literal["big", "little"] | None = None


AS_STATED = Overrides()


def su_samples(path: Path, overrides: Overrides = AS_STATED) -> list[Samples]:
    """Locate the traces of an SU file, in the byte order in which they end with the file.

    Raises:
        ReadError: the traces do not end with the file in either byte order, or a trace has no
            sample interval.
    """
    raw = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.empty(0, np.uint8)
    orders = {"big": ">", "little": "<"}
    for order in [orders[overrides.endian]] if overrides.endian else "<>":
        traces = _walk(raw, order, overrides)
        if traces and any(trace.dt <= 0 for trace in traces):
            rule = "SU, but a trace has no sample interval (bytes 117-118)"
            raise ReadError(str(path), rule, "Give it, in seconds: --dt 0.004, or dt=0.004")
        if traces:
            return traces
    rule = "not SU: its trace headers (bytes 115-118) do not lead from trace to trace to the end"
    remedy = "Cut short: copy it again. Stale headers: give --samples N"
    raise ReadError(str(path), rule, remedy)


def is_su(path: Path) -> bool:
    """Return whether the headers of SU lead from trace to trace to the end of the file."""
    try:
        return bool(su_samples(path))
    except ReadError:
        return False


def _walk(raw: np.ndarray, order: str, overrides: Overrides) -> list[Samples]:
    """Return the traces; an empty list if a header is invalid in this byte order."""
    at = 0
    traces: list[Samples] = []
    while at + TRACE_HEADER < len(raw):
        header = raw[at : at + TRACE_HEADER].tobytes()
        (delay,) = struct.unpack_from(order + "h", header, 108)
        count, interval = struct.unpack_from(order + "HH", header, 114)
        count = overrides.samples or count
        if count == 0:
            return []
        start, dt = at + TRACE_HEADER, overrides.dt or interval / 1e6
        traces.append(Samples(start, count, np.dtype(order + "f4"), dt, delay / 1e3))
        at = start + 4 * count
    return traces if at == len(raw) else []


def sac_order(head: bytes) -> str:
    """Return the byte order of a binary SAC header; empty if it is not one."""
    if len(head) < SAC_HEADER:
        return ""
    for order in "<>":
        version, npts = (struct.unpack_from(order + "i", head, 4 * word)[0] for word in (76, 79))
        if version in (6, 7) and npts > 0:
            return order
    return ""


def sac_samples(path: Path) -> list[Samples]:
    """Locate the samples of a binary SAC file, version 6 or 7.

    Raises:
        ReadError: the file is not SAC, is truncated, or is not an evenly sampled time series.
    """
    with path.open("rb") as file:
        head = file.read(SAC_HEADER)
    order = sac_order(head)
    if not order:
        raise ReadError(str(path), "not binary SAC: its header has no version 6 or 7", "Check it")
    version, npts, kind, even = (
        struct.unpack_from(order + "i", head, 4 * word)[0] for word in (76, 79, 85, 105)
    )
    if kind not in (1, SAC_UNDEFINED) or even != 1:
        rule = "SAC, but not an evenly sampled time series (IFTYPE ITIME, LEVEN true)"
        raise ReadError(str(path), rule, "Only time series are denoised")
    expected_size = SAC_HEADER + 4 * npts + (SAC_FOOTER if version == 7 else 0)
    if path.stat().st_size != expected_size:
        rule = f"SAC of {npts} samples has {expected_size} bytes, this has {path.stat().st_size}"
        raise ReadError(str(path), rule, "Cut short? Copy it again")
    return [Samples(SAC_HEADER, npts, np.dtype(order + "f4"))]


def seg2_samples(path: Path) -> list[Samples]:
    """Locate the samples of a SEG-2 file through its trace pointers and descriptor blocks.

    Raises:
        ReadError: a pointer or a length leads past the end of the file.
    """
    with path.open("rb") as file:
        return [samples for samples, _ in _seg2(path, file)]


def seg2_head(path: Path) -> bytes:
    """Return a SEG-2 file with the headers of another, and one sample in each trace.

    Raises:
        ReadError: see `seg2_samples`.
    """
    with path.open("rb") as file:
        traces = _seg2(path, file)
        pointers = [at for _, at in traces]
        file.seek(0)
        head = bytearray(file.read(min(pointers)))
        order = ">" if head[:2] == b"\x3a\x55" else "<"
        for i, (samples, at) in enumerate(traces):
            assert samples.dtype is not None
            file.seek(at)
            block = bytearray(file.read(samples.offset - at))
            struct.pack_into(order + "II", block, 4, samples.dtype.itemsize, 1)
            struct.pack_into(order + "I", head, 32 + 4 * i, len(head))
            head += block + bytes(samples.dtype.itemsize)
    return bytes(head)


def _seg2(path: Path, file: BinaryIO) -> list[tuple[Samples, int]]:
    """Return the samples of each trace, and where its descriptor block begins."""
    head = file.read(_SEG2_HEAD)
    order = ">" if head[:2] == b"\x3a\x55" else "<"
    try:
        (count,) = struct.unpack_from(order + "H", head, 6)
        file.seek(32)
        pointers = struct.unpack(f"{order}{count}I", file.read(4 * count))
        return [(_descriptor(file, order, pointer), pointer) for pointer in pointers]
    except (struct.error, ValueError) as error:
        raise ReadError(str(path), f"damaged SEG-2 ({error})", "Copy it again") from error


def _descriptor(file: BinaryIO, order: str, at: int) -> Samples:
    file.seek(at)
    block = file.read(_SEG2_HEAD)
    mark, size = struct.unpack_from(order + "HH", block)
    length, count, code = struct.unpack_from(order + "IIB", block, 4)
    if mark != 0x4422:
        raise ValueError(f"no trace descriptor block at byte {at}")
    dtype = np.dtype(order + _SEG2_TYPES[code]) if code in _SEG2_TYPES else None
    end = at + size + (count * dtype.itemsize if dtype else length)
    file_size = file.seek(0, 2)
    if end > file_size:
        raise ValueError(f"it ends at byte {file_size}, a trace at {end}")
    return Samples(at + size, count, dtype)
