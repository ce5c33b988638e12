"""Open a seismic file with the reader of its format."""

from __future__ import annotations

import struct
from pathlib import Path

from scionwood import ReadError
from scionwood.authoring import call_in_child, reading
from scionwood_seismic.readers.axis import Vertical
from scionwood_seismic.readers.base import SeismicReader, refuse_interval, refuse_overrides
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.das_format import HDF5, JULIA, TDMS
from scionwood_seismic.readers.layout import BINARY, TEXT, Endian, read_layout
from scionwood_seismic.readers.samples import FORMATS
from scionwood_seismic.readers.segy import Gather, SegyReader
from scionwood_seismic.readers.streams import StreamReader, stream_format
from scionwood_seismic.readers.xdas import XdasReader, is_xdas

_LETTERS = (b"C", b"\xc3")  # the first letter of a textual header, in ASCII and in EBCDIC
_OTHER_DAS = (".bsl", ".das", ".jld2", ".mtx", ".raw", ".sor")
"""Suffixes of DASCore formats that are neither HDF5 nor TDMS."""

_FORMAT_NAMES = (
    "SEG-Y, miniSEED, SAC, SU, SEG-2, NetCDF of xdas, and the DAS formats of DASCore (HDF5, TDMS "
    "and others)"
)


def open_file(
    path: str | Path,
    *,
    gather: Gather | None = None,
    vertical: Vertical = "time",
    samples: int | None = None,
    dt: float | None = None,
    endian: Endian | None = None,
) -> SeismicReader:
    """Open a seismic file with the reader that matches its content, or otherwise its suffix.

    The options `samples`, `dt` and `endian` overrule headers that are wrong. Only SEG-Y and SU
    files have headers that often are: the other formats refuse them.

    Args:
        path: the file.
        gather: for SEG-Y, the trace header whose value identifies a gather. The other formats
            define their gathers themselves.
        vertical: for SEG-Y, whether the samples are in time or in depth.
        samples: samples per trace.
        dt: the sample interval, s; m if `vertical` is "depth".
        endian: the byte order.

    Returns:
        The reader; iterating yields its gathers. Records have `data`, (trace, time) float32, and
        `coords`.

    Raises:
        ReadError: no reader knows the format, the file is damaged, or an option does not fit it.

    Example:
        >>> simulate("two.sgy", "two_reference.sgy", n=2, n_traces=24, n_samples=48)
        >>> [record.data.shape for record in open_file("two.sgy", gather="fldr")]
        [(24, 48), (24, 48)]
    """
    path = Path(path)
    kind = SegyReader if vertical == "depth" else _class_by_content(path) or _by_suffix(path)
    if kind is None:
        rule = f"neither its content nor its suffix is of a known format: {_FORMAT_NAMES}"
        raise ReadError(str(path), rule, "Convert it to one of these, or correct the suffix")
    if kind is SegyReader:
        return SegyReader(
            path, gather=gather, vertical=vertical, samples=samples, dt=dt, endian=endian
        )
    if kind is StreamReader:
        return StreamReader(path, samples=samples, dt=dt, endian=endian)
    refuse_overrides(path, samples, endian)
    opened = kind(path)
    try:
        refuse_interval(path, opened.dt, dt)
    except ReadError:
        opened.close()
        raise
    return opened


_READERS: dict[str, type[SegyReader | StreamReader | DasReader | XdasReader]] = {
    "das": DasReader,
    "segy": SegyReader,
    "stream": StreamReader,
    "xdas": XdasReader,
}


def _class_by_content(
    path: Path,
) -> type[SegyReader | StreamReader | DasReader | XdasReader] | None:
    return _READERS.get(call_in_child(_by_content, path))


def _by_content(path: Path) -> str:
    """Return the key of `_READERS` for the first bytes of a file; empty if they are unknown."""
    with reading(path, "seismic"):
        with path.open("rb") as file:
            head = file.read(TEXT + BINARY)
        if head.startswith(HDF5):
            return "xdas" if is_xdas(path) else "das"
        if head.startswith((TDMS, *JULIA)):
            return "das"
        if _is_segy(head):
            return "segy"
        if stream_format(path):
            return "stream"
        return "segy" if _fits_segy(path) else ""


def _is_segy(head: bytes) -> bool:
    """Return whether there is a textual header, and a valid format and count in a byte order."""
    if len(head) < TEXT + BINARY or not head.startswith(_LETTERS):
        return False
    for order in "<>":
        samples, code = (struct.unpack_from(order + "H", head, at)[0] for at in (3220, 3224))
        if code in FORMATS and samples > 0:
            return True
    return False


def _fits_segy(path: Path) -> bool:
    """Return whether the headers of SEG-Y fit the file, whatever its textual header contains."""
    try:
        return read_layout(path).traces > 0
    except ReadError:
        return False


def _by_suffix(path: Path) -> type[SegyReader | StreamReader | DasReader | XdasReader] | None:
    """Return the reader of a suffix; it explains what is wrong with content that is unknown."""
    suffix = path.suffix.lower()
    for reader in (SegyReader, StreamReader, DasReader, XdasReader):
        if suffix in reader.suffixes:
            return reader
    return DasReader if suffix in _OTHER_DAS else None
