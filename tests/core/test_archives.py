"""Zip archives from strangers: bombs, links and names that leave the folder are refused."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from case_table import table

from scionwood import OutputExistsError, ReadError
from scionwood_sandbox.archives import zips
from scionwood_sandbox.archives.packing import atomic_folder_or_zip, pack, unpacked
from scionwood_sandbox.archives.zips import check_zip

MIB = 1 << 20
Entry = tuple[str | zipfile.ZipInfo, bytes]


def written(path: Path, *entries: Entry, deflate: bool = True) -> Path:
    kind = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in entries:
            archive.writestr(name, content, kind)
    return path


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of less than 0.2 MB that inflates to 150 MiB."""
    path = tmp_path_factory.mktemp("bomb") / "waves.zarr.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            with archive.open(f"pressure/c/{number}", "w") as file:
                for _ in range(15):
                    file.write(bytes(MIB))
    assert path.stat().st_size < 200_000
    return path


def patched(path: Path, *, claim: int) -> Path:
    """Write another uncompressed size into both headers of the first entry."""
    data = bytearray(path.read_bytes())
    data[22:26] = struct.pack("<I", claim)
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", claim)
    path.write_bytes(data)
    return path


OPEN = """
import sys, tempfile
from pathlib import Path
from scionwood_sandbox import ReadError, {name}

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

import zipfile
before = peak()
try:
    {call}
except ReadError as error:
    print(peak() - before, error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
@table(
    ("name", "call"),
    [
        ("check_zip", "check_zip(sys.argv[1], 'Zarr')"),
        ("unpacked", "unpacked(sys.argv[1], sys.argv[2]).__enter__()"),
    ],
)
@table("lying", [False, True])
def test_a_bomb_is_refused_before_64_mb_are_in_memory_or_on_disk(name, call, lying, bomb, tmp_path):
    path = Path(shutil.copy(bomb, tmp_path))
    if lying:
        patched(path, claim=100)
    beside = tmp_path / "beside"
    beside.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", OPEN.format(name=name, call=call), str(path), str(beside)],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, _, message = run.stdout.partition(" ")
    assert int(growth) < 64 * MIB
    assert "waves.zarr.zip" in message
    assert list(beside.iterdir()) == []


def test_a_bomb_says_its_size_and_the_remedy(bomb):
    with pytest.raises(ReadError, match=r"inflate to 157,286,400, more than 200 times.*trust"):
        check_zip(bomb, "Zarr")


def test_content_that_is_more_or_less_than_its_header_claims_is_refused(tmp_path):
    for claim, text in (
        (10, "claims 10 bytes and inflates to more"),
        (10_000, "inflates to 5,000"),
    ):
        path = patched(written(tmp_path / "a.zip", ("a", bytes(5000))), claim=claim)
        with pytest.raises(ReadError, match=text):
            check_zip(path, "Zarr")


def test_sizes_of_entries_are_not_counted_on_request(tmp_path):
    path = patched(written(tmp_path / "a.zip", ("a", bytes(5000))), claim=10)
    check_zip(path, "npz", inflate=False)
    with pytest.raises(ReadError, match="inflates to more"):
        check_zip(path, "npz")


def test_large_archives_of_data_that_do_not_compress_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "FREE", 1000)
    noise = os.urandom(100_000)
    check_zip(written(tmp_path / "a.zip", ("a", noise)), "Zarr")
    check_zip(written(tmp_path / "b.zip", ("a", bytes(MIB)), deflate=False), "Zarr")


def linked() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@table(
    ("entries", "text"),
    [
        ([("../up", b"")], "leaves the folder"),
        ([("a/../../up", b"")], "leaves the folder"),
        ([("/etc/passwd", b"")], "leaves the folder"),
        ([("C:/boot.ini", b"")], "leaves the folder"),
        ([("a\\b", b"")], "a backslash"),
        ([(linked(), b"/etc/passwd")], "is a link"),
        ([("a", b"1"), ("./a", b"2")], "is there twice"),
        ([("a", b"1"), ("a/b", b"2")], "a parent of entry 'a/b' is a file"),
    ],
)
def test_names_that_leave_the_folder_links_and_repeats_are_refused(entries, text, tmp_path):
    path = written(tmp_path / "a.zip", *entries)
    with pytest.raises(ReadError, match=rf"a\.zip: Zarr: .*{text}"), unpacked(path, kind="Zarr"):
        pytest.fail("the block must not run")


def test_encrypted_entries_and_other_compressions_are_refused(tmp_path):
    path = written(tmp_path / "a.zip", ("a", b"text"), deflate=False)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ReadError, match="is encrypted"):
        check_zip(path, "npz")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"text")
    with pytest.raises(ReadError, match="by method 12"):
        check_zip(tmp_path / "b.zip", "npz")


def test_entries_that_share_bytes_are_refused(tmp_path):
    path = written(tmp_path / "a.zip", ("a", b"1" * 99), ("b", b"2" * 99), deflate=False)
    data = bytearray(path.read_bytes())
    last = data.rindex(b"PK\x01\x02")
    data[last + 42 : last + 46] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(ReadError, match="overlaps"):
        check_zip(path, "Zarr")


def test_the_number_of_entries_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "ENTRIES", 1)
    with pytest.raises(ReadError, match="2 entries, more than 1"):
        check_zip(written(tmp_path / "a.zip", ("a", b""), ("b", b"")), "Zarr")


def test_a_file_that_is_not_an_archive_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK nonsense")
    with pytest.raises(ReadError, match=r"a\.zip: it is not a readable Zarr file"):
        check_zip(tmp_path / "a.zip", "Zarr")
    with pytest.raises(ReadError, match="there is no such file"):
        check_zip(tmp_path / "b.zip", "Zarr")


def test_zarr_may_repeat_an_entry_and_the_last_one_counts(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = written(tmp_path / "a.zip", ("a", b"1"), ("a", b"2"))
    with unpacked(path, allow_repeats=True) as folder:
        assert (folder / "a").read_bytes() == b"2"


def test_an_archive_that_changed_is_checked_again(tmp_path):
    path = written(tmp_path / "a.zip", ("a", b"1"))
    check_zip(path, "Zarr")
    written(path, ("../a", b"12345"))
    with pytest.raises(ReadError, match="leaves the folder"):
        check_zip(path, "Zarr")


def test_a_packed_folder_unpacks_to_the_same_files_and_bytes(tmp_path):
    with atomic_folder_or_zip(tmp_path / "a.zip") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a").write_bytes(b"1" * 1000)
        (folder / "b").write_bytes(b"")
    with unpacked(tmp_path / "a.zip", tmp_path) as folder:
        assert folder.parent.parent == tmp_path
        assert (folder / "deep" / "a").read_bytes() == b"1" * 1000
        pack(folder, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with pytest.raises(OutputExistsError), atomic_folder_or_zip(tmp_path / "a.zip"):
        pytest.fail("the block must not run")
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "b.zip"]


def test_packing_like_another_archive_keeps_order_and_compression(tmp_path):
    path = written(tmp_path / "a.zip", ("z", b"1" * 1000), ("a", b"2"))
    with unpacked(path) as folder:
        pack(folder, tmp_path / "b.zip", like=path)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.namelist() == ["z", "a"]
        assert archive.getinfo("z").compress_size < 100


def test_a_folder_is_copied_and_its_links_are_refused(tmp_path):
    source = tmp_path / "a.zarr"
    source.mkdir()
    (source / "a").write_text("1")
    with unpacked(source) as folder:
        (folder / "a").write_text("2")
    assert (source / "a").read_text() == "1"
    (source / "b").symlink_to(tmp_path)
    with pytest.raises(ReadError, match="b is a link"), unpacked(source):
        pytest.fail("the block must not run")
