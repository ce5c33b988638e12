"""Files that kill a library, or keep it busy for ever: samples of the readers with a few changes.

Each was found by mutation. What a comment says of a library was seen with its release of 2026.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import scionwood


@dataclass(frozen=True)
class Killer:
    """A file that kills.

    Attributes:
        reader: its reader.
        name: the name of the file, whose suffix chooses the format.
        spoil: changes a sample at a path.
        cause: what the error says.
        options: options of the reader.
    """

    reader: str
    name: str
    spoil: Callable[[Path], None]
    cause: str
    options: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        scionwood.load("readers", self.reader).write_sample(path)
        self.spoil(path)
        return path


def patched(at: int, new: bytes) -> Callable[[Path], None]:
    """Return a function that puts bytes at a place of a file."""

    def spoil(path: Path) -> None:
        whole = bytearray(path.read_bytes())
        whole[at : at + len(new)] = new
        path.write_bytes(whole)

    return spoil


def records_of(dtype: str) -> Callable[[Path], None]:
    """Return a function that writes miniSEED whose second record of 512 bytes is too short."""

    def spoil(path: Path) -> None:
        import obspy

        values = np.arange(900).astype(dtype)
        trace = obspy.Trace(values, {"sampling_rate": 100.0, "channel": "HHZ"})
        trace.write(str(path), format="MSEED", reclen=512)
        patched(512 + 30, b"\xf4\xf4")(path)  # the number of samples

    return spoil


def blosc(size: int) -> Callable[[Path], None]:
    """Return a function that changes the stated size and the first block of a chunk."""

    def spoil(path: Path) -> None:
        patched(12, struct.pack("<II", size, 0x70000000))(path / "mesh_pos" / "1.0.0")

    return spoil


def bulk(path: Path) -> None:
    """Cut a Nastran file behind BEGIN BULK."""
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"BEGIN BULK") + 11])


def attribute(path: Path) -> None:
    """Give an attribute a name that is not UTF-8."""
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"PYTABLES_FORMAT_V", b"PYTABLES_F\xccRMAT_V", 1))


def png(width: int, height: int, bits: int = 8) -> bytes:
    """Return a valid PNG whose header declares a size, and which holds one row of 8 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(9))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def picture(kind: str) -> Callable[[Path], None]:
    """Return a function that writes a picture whose header declares 80 million pixels."""

    def spoil(path: Path) -> None:
        from PIL import Image

        held = io.BytesIO()
        Image.new("L", (8, 8)).save(held, kind)
        whole = bytearray(held.getvalue())
        if kind == "PNG":
            whole[:] = png(10_000, 8_000)
        elif kind == "JPEG":
            at = whole.index(b"\xff\xc0") + 5  # height, then width
            whole[at : at + 4] = struct.pack(">HH", 8_000, 10_000)
        else:
            entry = {256: 10_000, 257: 8_000, 278: 8_000}  # width, height, rows of a strip
            (start,) = struct.unpack_from("<I", whole, 4)
            (count,) = struct.unpack_from("<H", whole, start)
            for at in range(start + 2, start + 2 + 12 * count, 12):
                (tag,) = struct.unpack_from("<H", whole, at)
                if tag in entry:
                    struct.pack_into("<HII", whole, at + 2, 4, 1, entry[tag])
        path.write_bytes(whole)

    return spoil


def shard(path: Path) -> None:
    """Write a shard with such a picture."""
    import tarfile

    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in (("a.png", png(10_000, 8_000)), ("a.json", json.dumps({}).encode())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def jpeg_dicom(change: Callable[[bytearray], None]) -> Callable[[Path], None]:
    """Return a function that compresses a DICOM sample by JPEG and then changes the JPEG."""

    def spoil(path: Path) -> None:
        import pydicom
        from PIL import Image
        from pydicom.encaps import encapsulate
        from pydicom.uid import JPEGBaseline8Bit

        dataset, held = pydicom.dcmread(path), io.BytesIO()
        Image.fromarray((dataset.pixel_array // 16).astype("u1")).save(held, "JPEG")
        jpeg = bytearray(held.getvalue())
        change(jpeg)
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.PixelData = encapsulate([bytes(jpeg)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(path)

    return spoil


def no_marker(jpeg: bytearray) -> None:
    """Spoil the first marker behind the start of the image."""
    jpeg[3] = 0


def precision(jpeg: bytearray) -> None:
    """Declare 72 bits a sample."""
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 72


REFUSED = {
    # libmseed copies more samples than a record holds, and reads past the end of the file.
    "miniseed-int16": Killer(
        "seismic/stream", "a.mseed", records_of("i2"), "declares 62708 samples in 512 bytes"
    ),
    "miniseed-float64": Killer(
        "seismic/stream", "a.mseed", records_of("f8"), "declares 62708 samples in 512 bytes"
    ),
    "das-attribute": Killer(
        "seismic/das",
        "a.h5",
        attribute,
        "attribute of / has the name b'PYTABLES_F.xccRMAT_VERSION', .* not UTF-8",
    ),
    # c-blosc reads at an offset that the chunk names, if it lies below the size that it names.
    "zarr-blosc": Killer(
        "crash/zarr", "a.zarr", blosc(0x7FFFFFFF), "a Blosc chunk of 125 bytes states 2147483647"
    ),
    "nastran-cut": Killer(
        "crash/mesh", "a.bdf", bulk, "without a card after BEGIN BULK", {"thickness": 1.0}
    ),
    "png-pixels": Killer("biomed/picture", "a.png", picture("PNG"), "cannot hold the 10000 x 8000"),
    "jpeg-pixels": Killer(
        "biomed/picture", "a.jpg", picture("JPEG"), "cannot hold the 10000 x 8000"
    ),
    "tiff-pixels": Killer(
        "biomed/picture", "a.tif", picture("TIFF"), "cannot hold the 10000 x 8000"
    ),
    "shard-pixels": Killer("biomed/shard", "a.tar", shard, "cannot hold the 10000 x 8000"),
    "slide-pixels": Killer(
        "biomed/slide", "a.svs", patched(76, b"\x7f\xff\xff\xff"), "need .* tiles, and it lists 4"
    ),
}
"""Files that a rule of the reader refuses before a library dies."""

DEADLY = {
    # gdcm ends by an uncaught exception, or reads past a table.
    "dicom-marker": Killer("biomed/dicom", "a.dcm", jpeg_dicom(no_marker), "died of SIGABRT"),
    "dicom-precision": Killer("biomed/dicom", "a.dcm", jpeg_dicom(precision), "died of SIG"),
}
"""Files on which a library dies, so that only a child survives them."""
