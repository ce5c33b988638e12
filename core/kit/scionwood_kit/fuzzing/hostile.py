"""Turn a sample into well-formed files that want more than to be read.

Their lengths and checksums are right. They name code, other files, places outside of a folder, or
sizes that no machine has. A reader may refuse such a file, or ignore what is hostile in it.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from scionwood_kit.fuzzing import containers
from scionwood_kit.fuzzing.edits import Edit, Tree
from scionwood_kit.fuzzing.pickles import hostile_pickle
from scionwood_kit.fuzzing.reading import Reading

HOSTILE = " (hostile)"
"""The end of the name of a sample whose hostile variants are read."""

_OTHER = "other"  # a file beside the sample, which must not be read
_HUGE = 1 << 40
_BOMB = bytes(64 << 20)
_DEEP = b"[" * 100_000 + b"]" * 100_000
_LAUGH = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))

Variant = tuple[bytes, bytes]
"""The content of a hostile file, and that of the file beside it; empty means none."""


def variants(tree: Tree) -> list[list[Edit]]:
    """Return the hostile variants of a sample, each as edits of whole files.

    Args:
        tree: the files of the sample.
    """
    return [
        [Edit(name, remove=len(tree.get(name, b"")), insert=new.hex()) for name, new in files]
        for files in _trees(tree)
    ]


def verdict_of(reading: Reading, tree: Tree, edits: Sequence[Edit]) -> Reading:
    """Return a reading of a hostile variant as `escaped` if it ran code, or read another file."""
    leaked = reading.kind in ("values", "shapes") and any(edit.file not in tree for edit in edits)
    escaped = leaked or reading.kind in ("died", "death")
    return Reading("escaped", f"{reading.kind} {reading.detail}".strip()) if escaped else reading


def _trees(tree: Tree) -> Iterator[list[tuple[str, bytes]]]:
    for name, data in tree.items():
        other_path = (PurePosixPath(name).parent / _OTHER).as_posix()
        for content, other in _files(data):
            yield [(name, content), *([(other_path, other)] if other else [])]
        if name.endswith((".zarray", "zarr.json")) and b'"shape"' in data:
            facts = json.loads(data)
            yield [(name, json.dumps({**facts, "shape": [_HUGE] * len(facts["shape"])}).encode())]
            facts |= {"zarr_format": 2, "compressor": None, "dtype": "|O", "fill_value": ""}
            facts["filters"] = [{"id": "vlen-utf8"}, {"id": "pickle"}]
            folder = name[: name.rfind("/") + 1]
            chunks = [
                (member, hostile_pickle(member)) for member in tree if member.startswith(folder)
            ]
            yield [*chunks, (name, json.dumps(facts).encode())]


def _files(data: bytes) -> Iterator[Variant]:
    """Yield the variants of a file, and of each member inside it."""
    for start, kind in _KINDS.items():
        if data.startswith(start):
            yield from kind(data)
    if data[257:262] == b"ustar":
        yield from _tar(data)
    for member in containers.members(data):
        if member.startswith(("zip:", "tar:", "gzip:")):
            for content, other in _files(containers.member(data, member)):
                yield containers.replaced(data, member, content), other


def _hdf5(data: bytes) -> Iterator[Variant]:
    import h5py
    import numpy as np

    def changed(change: Callable[..., object], *args: object) -> bytes:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            change(file, *args)
        return buffer.getvalue()

    def pickled(file: Any, name: str) -> None:
        for object_name in objects:
            if name in file[object_name].attrs:
                file[object_name].attrs[name] = np.bytes_(hostile_pickle(f"{object_name} {name}"))

    def pickled_objects(file: Any) -> None:
        node = file.create_dataset("notes", (1,), h5py.vlen_dtype("u1"))
        node[0] = list(hostile_pickle("notes"))
        node.attrs.update({"CLASS": np.bytes_("VLARRAY"), "PSEUDOATOM": np.bytes_("object")})

    def other(file: Any) -> None:
        for dataset_name in sizes:
            if file[dataset_name].size and file[dataset_name].dtype.kind in "iuf":
                file[dataset_name][...] = file[dataset_name][...] + 1

    def swapped(file: Any, make: Callable[[Any], Any]) -> None:
        old = file[largest]
        del file[largest]
        new = make(old)
        for key in old.attrs.keys() - {"REFERENCE_LIST", "DIMENSION_LIST", "CLASS"}:
            new.attrs[key] = old.attrs[key]

    def virtual(old: Any) -> Any:
        layout = h5py.VirtualLayout(old.shape, old.dtype)
        layout[...] = h5py.VirtualSource(_OTHER, largest, old.shape)
        return old.file.create_virtual_dataset(largest, layout)

    def raw(old: Any) -> Any:
        outside = [(_OTHER, 0, h5py.h5f.UNLIMITED)]
        return old.file.create_dataset(largest, old.shape, old.dtype, external=outside)

    def huge(old: Any) -> Any:
        return old.file.create_dataset(largest, (_HUGE, *old.shape[1:]), old.dtype, chunks=True)

    def link(file: Any) -> None:
        del file[largest]
        file[largest] = h5py.ExternalLink(_OTHER, largest)

    objects: list[str] = ["/"]
    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(lambda name, _: objects.append(name))
        names = sorted({str(key) for object_name in objects for key in file[object_name].attrs})
        sizes = {
            object_name: file[object_name].size
            for object_name in objects
            if isinstance(file[object_name], h5py.Dataset)
        }
    largest = max(sizes, key=lambda dataset_name: sizes[dataset_name] or 0)
    for name in names:
        yield changed(pickled, name), b""
    yield changed(pickled_objects), b""
    yield changed(swapped, huge), b""
    yield changed(lambda file: file.create_group("/".join(["a"] * 2000))), b""
    other_file = changed(other)
    yield changed(link), other_file
    yield changed(swapped, virtual), other_file
    yield changed(swapped, raw), other_file


def _npy(data: bytes) -> Iterator[Variant]:
    for kind, shape, content in (("|O", (1,), hostile_pickle("npy")), ("<f4", (_HUGE,) * 2, b"")):
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
        yield data[:6] + b"\1\0" + struct.pack("<H", len(head)) + head + content, b""


def _zip(data: bytes) -> Iterator[Variant]:
    name = zipfile.ZipFile(io.BytesIO(data)).infolist()[0].filename
    slip, link = (f"../../{name}", b"x", stat.S_IFREG), (f"a{name}", b"/etc/hostname", stat.S_IFLNK)
    for member, content, mode in (slip, link, (f"b{name}", _BOMB, stat.S_IFREG)):
        target = io.BytesIO()
        target.write(data)
        with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            info = zipfile.ZipInfo(member)
            info.external_attr, info.compress_type = (mode | 0o644) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
        yield target.getvalue(), b""


def _tar(data: bytes) -> Iterator[Variant]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        ending = archive.getnames()[0].partition(".")[2]
    for name, kind in (
        ("../../a", tarfile.REGTYPE),
        ("a", tarfile.SYMTYPE),
        ("a", tarfile.LNKTYPE),
    ):
        info = tarfile.TarInfo(f"{name}.{ending}")
        info.type, info.linkname = kind, "" if kind == tarfile.REGTYPE else "/etc/hostname"
        yield info.tobuf(tarfile.USTAR_FORMAT) + data, b""


def _gzip(data: bytes) -> Iterator[Variant]:
    yield gzip.compress(gzip.decompress(data) + _BOMB, 1), b""


def _json(data: bytes) -> Iterator[Variant]:
    yield _DEEP, b""
    yield b'{"a": ' + _DEEP + b", " + data.lstrip()[1:], b""


def _xml(data: bytes) -> Iterator[Variant]:
    root = re.search(rb"<[^?!][^>]*>", data)
    if root:
        for entities in (f'<!ENTITY e0 "ha">{_LAUGH}', f'<!ENTITY e9 SYSTEM "{_OTHER}">'):
            kinds = f"DOCTYPE x [{entities}]".encode()
            yield (
                data[: root.start()]
                + b"<!"
                + kinds
                + b">"
                + root[0]
                + b"&e9;"
                + data[root.end() :],
                b"1 2 3",
            )


def _parquet(data: bytes) -> Iterator[Variant]:
    from pyarrow import schema
    from pyarrow.parquet import read_table, write_table

    table, target = read_table(io.BytesIO(data)), io.BytesIO()
    name, code = b"arrow.py_extension_type", hostile_pickle("parquet")
    facts = {b"ARROW:extension:name": name, b"ARROW:extension:metadata": code}
    fields = [table.schema.field(0).with_metadata(facts), *list(table.schema)[1:]]
    write_table(table.cast(schema(fields)), target)
    yield target.getvalue(), b""


_KINDS: dict[bytes, Callable[[bytes], Iterator[Variant]]] = {
    b"\x89HDF": _hdf5,
    b"\x93NUMPY": _npy,
    b"PK\x03\x04": _zip,
    b"\x1f\x8b": _gzip,
    b"{": _json,
    b"[": _json,
    b"<": _xml,
    b"PAR1": _parquet,
}
