"""Hostile files that claim gigabytes or nest endlessly, opened in a process with little memory.

`python hostile.py FOLDER` reads every file of a folder and prints the outcomes as JSON.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from scionwood import ReadError
from scionwood_biomed.readers.dicom import DicomReader
from scionwood_biomed.readers.medmnist import SPLITS, MedMnistReader
from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.pictures import PictureReader
from scionwood_biomed.readers.shards import ShardReader
from scionwood_biomed.readers.slides import SlideReader

READERS = {
    ".dcm": DicomReader,
    ".nii": NiftiReader,
    ".gz": NiftiReader,
    ".png": PictureReader,
    ".npz": MedMnistReader,
    ".tar": ShardReader,
    ".svs": SlideReader,
}
MORE = 1 << 30
"""Bytes of address space beyond those of the libraries."""


def zeros(megabytes, head=b""):
    """Return a raw deflate stream of `head` and megabytes of zeros, each in a kilobyte."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = engine.compress(head) + engine.flush(zlib.Z_FULL_FLUSH)
    block = engine.compress(bytes(1 << 20)) + engine.flush(zlib.Z_FULL_FLUSH)
    return first + megabytes * block


def write_all(folder):
    """Write one hostile file of each kind."""
    for name, write in WRITERS.items():
        write(folder / name)


def _deflated(path):
    _changed(path, syntax=DeflatedExplicitVRLittleEndian)
    meta = pydicom.filereader.read_file_meta_info(path)
    path.write_bytes(path.read_bytes()[: 144 + meta.FileMetaInformationGroupLength] + zeros(600))


def _declared(path):
    _changed(path, Rows=65535, Columns=65535, NumberOfFrames=65535)


def _compressed(path):
    _changed(path, syntax=RLELossless, Rows=60000, Columns=60000)


def _nested(path):
    DicomReader.write_sample(path)
    whole = path.read_bytes()
    tag = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(whole[: whole.index(b"\x08\x00\x60\x00CS")] + 3000 * tag)


def _changed(path, syntax=None, **fields):
    DicomReader.write_sample(path)
    dataset = pydicom.dcmread(path)
    for name, value in fields.items():
        setattr(dataset, name, value)
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == RLELossless:
        dataset.PixelData = pydicom.encaps.encapsulate([struct.pack("<16I", 1, 64, *[0] * 14)])
    dataset.save_as(path)


def _volume(path):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((900, 900, 300))
    head = io.BytesIO()
    header.write_to(head)
    gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    path.write_bytes(gzip + zeros(1000, head.getvalue() + bytes(4)))


def _declared_volume(path):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), "f4"), np.eye(4)), path)
    whole = bytearray(path.read_bytes())
    whole[42:48] = np.array([30000] * 3, "<i2").tobytes()
    path.write_bytes(whole)


def png(width, height):
    """Return a PNG that claims a size and holds a few bytes of pixels."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _archive(path):
    """Write an archive of a few kilobytes that consistently claims four gigabytes per split."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for split in SPLITS:
            head = io.BytesIO()
            shape = {"descr": "|u1", "fortran_order": False, "shape": (4000, 1000, 1000)}
            np.lib.format.write_array_header_1_0(head, shape)
            archive.writestr(f"{split}_images.npy", head.getvalue() + bytes(1 << 20))
            labels = io.BytesIO()
            np.save(labels, np.zeros(4000, np.uint8))
            archive.writestr(f"{split}_labels.npy", labels.getvalue())
    whole, start = bytearray(path.read_bytes()), 0
    while (start := whole.find(b"PK\x01\x02", start + 1)) > 0:
        if whole[start + 46 :].startswith(tuple(f"{s}_images".encode() for s in SPLITS)):
            (stored,) = struct.unpack_from("<I", whole, start + 24)
            struct.pack_into("<I", whole, start + 24, stored - (1 << 20) + 4_000_000_000)
    path.write_bytes(whole)


def _extended(path):
    info = tarfile.TarInfo("1.png")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    with path.open("wb") as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(2 << 30)  # sparse on the disk


def _long_names(path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 5
    block = info.tobuf(tarfile.GNU_FORMAT) + b"1.png".ljust(512, b"\0")
    path.write_bytes(3000 * block + bytes(1024))


def _shard(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def _tiles(path):
    import tifffile

    options = {"tile": (256, 256), "resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}
    pixels = np.full((256, 256, 3), (180, 90, 150), np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("TileWidth", "TileLength", "ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(1 << 15)


WRITERS = {
    "deflated.dcm": _deflated,
    "declared.dcm": _declared,
    "compressed.dcm": _compressed,
    "nested.dcm": _nested,
    "bomb.nii.gz": _volume,
    "declared.nii": _declared_volume,
    "wide.png": lambda path: path.write_bytes(png(50000, 50000)),
    "large.png": lambda path: path.write_bytes(png(13000, 13000)),
    "archive.npz": _archive,
    "extended.tar": _extended,
    "names.tar": _long_names,
    "picture.tar": lambda path: _shard(path, {"1.png": png(50000, 50000)}),
    "json.tar": lambda path: _shard(path, {"1.png": png(8, 8), "1.json": 100_000 * b"["}),
    "tiles.svs": _tiles,
}


def _outcome(path):
    try:
        with READERS[path.suffix](path) as reader:
            for _ in reader:
                pass
    except ReadError as error:
        return str(error)
    except BaseException as error:
        return f"{type(error).__name__} instead of a ReadError"
    return "it was read"


def main(folder):
    for suffix, reader in READERS.items():  # load all libraries and their buffers first
        sample = folder / f"sample{'.nii.gz' if suffix == '.gz' else suffix}"
        reader.write_sample(sample)
        with reader(sample) as opened:
            list(opened)
        sample.unlink()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    taken = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MORE, taken + MORE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {path.name: _outcome(path) for path in sorted(folder.iterdir())}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"outcomes": outcomes, "kilobytes": peak}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
