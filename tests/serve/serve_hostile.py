"""Requests that a server must refuse: in words, soon, and without much memory."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

GIGABYTE = 1 << 30
MEGABYTE = bytes(1 << 20)


@dataclass(frozen=True)
class Hostile:
    """A request; `body` is made when it is sent."""

    name: str
    service: str
    file: str
    body: Callable[[], bytes | Iterator[bytes]]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def requests(line: bytes, states: bytes) -> list[Hostile]:
    """Return all of them; `line` is a good SEG-Y file, `states` a good NetCDF file."""
    sgy, pde, med, text = "seismic/denoise", "pde/rollout", "biomed/classify", "bangla/check"
    good = lambda: line  # noqa: E731
    return [
        Hostile("SEG-Y cut in a trace", sgy, "a.sgy", lambda: line[: len(line) - 100]),
        Hostile("SEG-Y cut in its header", sgy, "a.sgy", lambda: line[:3000]),
        Hostile("SEG-Y that claims 65,535 samples", sgy, "a.sgy", lambda: _claims(line)),
        Hostile("SEG-Y of an unknown number format", sgy, "a.sgy", lambda: _format(line)),
        Hostile("zeros named SEG-Y", sgy, "a.sgy", lambda: bytes(10_000)),
        Hostile("noise named SEG-Y", sgy, "a.sgy", _noise),
        Hostile("a picture named SEG-Y", sgy, "a.sgy", _picture),
        Hostile("miniSEED of noise", sgy, "a.mseed", _noise),
        Hostile("an unknown ending", sgy, "a.exe", lambda: b"MZ" + bytes(500)),
        Hostile("a pickle", sgy, "a.pkl", lambda: pickle.dumps({"a": 1})),
        Hostile("an empty body", sgy, "a.sgy", lambda: b""),
        Hostile("a name with folders", sgy, "../../etc/passwd", good),
        Hostile("a name with a zero byte", sgy, "a\0.sgy", good),
        Hostile("a name of 4,000 letters", sgy, "a" * 4000 + ".sgy", good),
        Hostile("no name", sgy, "", good),
        Hostile("an unknown option", sgy, "a.sgy", good, {"gaet": "off"}),
        Hostile("an option of another type", sgy, "a.sgy", good, {"samples": "many"}),
        Hostile("a number that is not finite", sgy, "a.sgy", good, {"dt": "nan"}),
        Hostile("a path as an option", sgy, "a.sgy", good, {"run": "/etc"}),
        Hostile("10^9 samples as an option", sgy, "a.sgy", good, {"samples": "1000000000"}),
        Hostile("an unknown adapter", sgy, "a.sgy", good, {"adapter": "none"}),
        Hostile("an unknown version", sgy, "a.sgy", good, {"adapter": "clean@0"}),
        Hostile("an adapter of another field", sgy, "a.sgy", good, {"adapter": "dynamics"}),
        Hostile("1 GB, as it says", sgy, "a.sgy", _endless, headers=_length(GIGABYTE)),
        Hostile("1 GB in chunks", sgy, "a.sgy", _endless),
        Hostile("a zip bomb", pde, "a.zip", zip_bomb),
        Hostile("a zip archive with ../", pde, "a.zip", _zip_climbs),
        Hostile("NetCDF with NaN", pde, "a.nc", lambda: _nan_states(states)),
        Hostile("noise named NetCDF", pde, "a.nc", _noise),
        Hostile("HDF5 that ends after its signature", pde, "a.hdf5", lambda: b"\x89HDF\r\n\x1a\n"),
        Hostile("NIfTI of 10^9 voxels", med, "a.nii", _nifti),
        Hostile("a gzip bomb", med, "a.nii.gz", lambda: _packed(_nifti() + bytes(64 << 20))),
        Hostile("a PNG of 60,000 x 60,000", med, "a.png", _png_bomb),
        Hostile("noise named DICOM", med, "a.dcm", lambda: bytes(128) + b"DICM" + _noise()),
        Hostile("text that is not UTF-8", text, "a.txt", lambda: b"\xff\xfe\xfd" * 99),
        Hostile("text that is not Bangla", text, "a.txt", lambda: b"Dear Sir, " * 99),
        Hostile("JSON nested 100,000 deep", text, "", lambda: b"[" * 100_000, headers=_json()),
        Hostile("JSON without the key", text, "", lambda: b'{"path": "/etc/passwd"}', {}, _json()),
        Hostile("an array with NaN", sgy, "", lambda: b'{"array": [[1, NaN]]}', {}, _json()),
        Hostile("an array of ragged lists", sgy, "", lambda: b'{"array": [[1], []]}', {}, _json()),
        Hostile("an array of 10^5 axes", sgy, "", _deep, {}, _json()),
        Hostile("a pickle named .npy", sgy, "a.npy", _pickled),
        Hostile("a .npy file of 10^12 numbers", pde, "a.npy", _long),
        Hostile("a mesh of 10^9 points", "crash/predict", "a.vtk", _mesh),
        Hostile("another host", sgy, "a.sgy", good, headers={"Host": "evil.example"}),
        Hostile("another origin", sgy, "a.sgy", good, headers={"Origin": "http://evil.example"}),
        Hostile("a wrong token", sgy, "a.sgy", good, headers={"Authorization": "Bearer no"}),
    ]


def _json() -> dict[str, str]:
    return {"Content-Type": "application/json"}


def _length(number: int) -> dict[str, str]:
    return {"Content-Length": str(number)}


def _deep() -> bytes:
    return b'{"array": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    return buffer.getvalue()


def _long() -> bytes:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    head = head.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(80)


def _noise() -> bytes:
    return np.random.default_rng(0).bytes(20_000)


def _endless() -> Iterator[bytes]:
    for _ in range(GIGABYTE // len(MEGABYTE)):
        yield MEGABYTE


def _claims(line: bytes) -> bytes:
    most = struct.pack(">H", 65535)
    return line[:3220] + most + line[3222:3714] + most + line[3716:]


def _format(line: bytes) -> bytes:
    return line[:3224] + struct.pack(">H", 99) + line[3226:]


def nan_line(line: bytes) -> bytes:
    """Return a SEG-Y file whose samples are NaN; the command passes it through unchanged."""
    samples = struct.unpack(">H", line[3220:3222])[0]
    size, head = 240 + 4 * samples, line[:3600]
    traces = [line[at : at + 240] for at in range(3600, len(line), size)]
    bad = np.full(samples, np.nan, ">f4").tobytes()
    return head + b"".join(trace + bad for trace in traces)


def _nan_states(states: bytes) -> bytes:
    import h5py

    buffer = io.BytesIO(states)
    with h5py.File(buffer, "r+") as file:
        fields = [item for item in file.values() if getattr(item, "ndim", 0) >= 4]
        assert fields
        for item in fields:
            item[...] = np.nan
    return buffer.getvalue()


def _picture() -> bytes:
    rows = zlib.compress(b"".join(b"\0" + bytes(64) for _ in range(64)))
    return _png(64, 64, rows)


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sum_

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _png_bomb() -> bytes:
    engine = zlib.compressobj(9)
    rows = b"".join(engine.compress(MEGABYTE) for _ in range(200))
    return _png(60_000, 60_000, rows + engine.flush())


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 6)


def _nifti() -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, 1000, 1000, 1000, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 16, 32)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", head, 108, 352.0)
    head[344:348] = b"n+1\0"
    return bytes(head)


def zip_bomb() -> bytes:
    """Return a small archive that holds 200 MB of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", b'{"zarr_format": 3, "node_type": "group"}')
        with archive.open("u/c/0", "w", force_zip64=True) as member:
            for _ in range(200):
                member.write(MEGABYTE)
    return buffer.getvalue()


def _zip_climbs() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped.txt", b"x")
    return buffer.getvalue()


def _mesh() -> bytes:
    head = "# vtk DataFile Version 3.0\nx\nASCII\nDATASET UNSTRUCTURED_GRID\n"
    return f"{head}POINTS 1000000000 float\n0 0 0\n".encode()


def write_line(path: Path, traces: int = 24, samples: int = 128) -> bytes:
    """Write a small shot with one event, and return its bytes."""
    from scionwood_seismic.readers.create import write_segy

    draw = np.random.default_rng(3)
    t, x = np.arange(samples) * 0.004, np.arange(traces)[:, None]
    event = np.exp(-(((t - 0.1 - 0.004 * x) / 0.008) ** 2))
    gather = (event + 0.2 * draw.standard_normal((traces, samples))).astype(np.float32)
    write_segy(path, gather[None], dt=0.004, overwrite=True)
    return path.read_bytes()


def write_states(path: Path) -> bytes:
    """Write states of Burgers' equation as NetCDF, and return its bytes."""
    import scionwood_pde as pde

    pde.write_states(pde.simulate(n=1, n_steps=2), path, overwrite=True)
    return path.read_bytes()
