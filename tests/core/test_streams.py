"""Compressed streams and tar archives from strangers: bombs, links and damage are refused."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import pytest
from case_table import table

from scionwood import ReadError
from scionwood_sandbox.archives.streams import GZIP, check_inflated
from scionwood_sandbox.archives.tars import HEADER, tar_members

MIB = 1 << 20


@table(
    ("encode", "options"),
    [
        (gzip.compress, {"window": GZIP}),
        (lambda data: b"head" + zlib.compress(data, wbits=-15), {"skip": 4, "window": -15}),
        (lambda data: gzip.compress(b"") + bytes(9) + gzip.compress(data), {"window": GZIP}),
    ],
)
def test_a_stream_that_inflates_too_far_is_refused(encode, options, tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(encode(bytes(5 * MIB)))
    check_inflated(path, "NIfTI", **options)
    with pytest.raises(ReadError, match="NIfTI: it inflates to more than 1,048,576 bytes"):
        check_inflated(path, "NIfTI", largest=MIB, **options)


def test_a_damaged_stream_is_refused(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"text")[:10] + b"\xff" * 50)
    with pytest.raises(ReadError, match="not a readable NIfTI file"):
        check_inflated(tmp_path / "a.gz", "NIfTI", window=GZIP)


def tarred(path: Path, *members: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info in members:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return path


def test_the_members_of_a_tar_archive_are_found_in_place(tmp_path):
    path = tarred(tmp_path / "a.tar", tarfile.TarInfo("a.png"), content=b"pixels")
    (member,) = tar_members(path, "shard", largest=100)
    assert member.name == "a.png"
    assert path.read_bytes()[member.offset :][: member.size] == b"pixels"


def test_tar_members_that_are_not_small_plain_files_are_refused(tmp_path):
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for info, text in (
        (link, "is a link"),
        (tarfile.TarInfo("../up"), "leaves the folder"),
        (tarfile.TarInfo("large"), "more than `largest`"),
    ):
        path = tarred(tmp_path / "a.tar", info, content=bytes(200))
        with pytest.raises(ReadError, match=f"shard: member .*{text}"):
            list(tar_members(path, "shard", largest=100))


def test_a_tar_archive_that_is_cut_or_has_a_huge_header_is_refused(tmp_path):
    path = tarred(tmp_path / "a.tar", tarfile.TarInfo("a"), content=bytes(600))
    path.write_bytes(path.read_bytes()[: 512 + 1024])
    with pytest.raises(ReadError, match="neither a header nor the end"):
        list(tar_members(path, "shard", largest=1000))
    path = tarred(tmp_path / "b.tar", tarfile.TarInfo("n" * (HEADER + 1)))
    with pytest.raises(tarfile.ReadError, match="claims"):
        list(tar_members(path, "shard", largest=1000))
