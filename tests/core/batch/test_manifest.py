"""The manifest keeps whole rows, whatever happens to the disk or to the process."""

from contextlib import closing

import pytest
from case_table import table

from scionwood import ReadError, WriteError
from scionwood_batch import Row, read_manifest
from scionwood_batch.errors import BatchError
from scionwood_batch.manifest import MANIFEST, Manifest


def rows(n, **fields):
    return [Row(f"{i}.sgy", stamp=(i, i), **fields) for i in range(n)]


def test_the_latest_row_of_a_target_counts(tmp_path):
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        manifest.append(rows(2))
        manifest.append(rows(1, status="done", seconds=0.5, error="ü\n"))
    assert read_manifest(tmp_path) == {
        "0.sgy": rows(1, status="done", seconds=0.5, error="ü\n")[0]
    } | {"1.sgy": rows(2)[1]}


def test_an_incomplete_last_line_does_not_count_and_is_replaced(tmp_path):
    path = tmp_path / MANIFEST
    with closing(Manifest(path)) as manifest:
        manifest.append(rows(2))
    path.write_bytes(path.read_bytes()[:-9])
    assert list(read_manifest(path)) == ["0.sgy"]
    with closing(Manifest(path)) as manifest:
        manifest.append(rows(2)[1:])
    assert list(read_manifest(path)) == ["0.sgy", "1.sgy"]
    assert path.read_bytes().count(b"\n") == 2


@table("line", ["{", "[]", '{"status": "done"}', '{"target": "a", "stamp": 3}'])
def test_another_damaged_line_is_named(tmp_path, line):
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        manifest.append(rows(1))
    with (tmp_path / MANIFEST).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ReadError, match="line 2 is not a row"):
        read_manifest(tmp_path)


def test_rows_of_a_later_version_are_read(tmp_path):
    (tmp_path / MANIFEST).write_text('{"target": "a", "status": "done", "node": 3}\n')
    assert read_manifest(tmp_path)["a"].good


def test_two_maps_do_not_write_one_manifest(tmp_path):
    with closing(Manifest(tmp_path / MANIFEST)), pytest.raises(BatchError, match="another map"):
        Manifest(tmp_path / MANIFEST)
    Manifest(tmp_path / MANIFEST).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="A part of the path is a file"):
        Manifest(tmp_path / "file/out" / MANIFEST)


def test_rows_wait_until_a_full_disk_has_room(disk):
    place = disk("64k")
    (place / "filler").write_bytes(bytes(40_000))
    with closing(Manifest(place / MANIFEST)) as manifest:
        while not manifest._waiting:
            manifest.append(rows(10))
        text = (place / MANIFEST).read_text()
        assert text.endswith("\n")
        with pytest.raises(WriteError, match="Free space"):
            manifest.flush()
        assert (place / MANIFEST).read_text() == text  # nothing half written
        (place / "filler").unlink()
        manifest.append([Row("last")])
        assert not manifest._waiting
    assert set(read_manifest(place)) == {*(f"{i}.sgy" for i in range(10)), "last"}


def test_another_fault_of_the_disk_is_not_kept_quiet(tmp_path):
    with closing(Manifest(tmp_path / MANIFEST)) as manifest:
        (tmp_path / MANIFEST).mkdir()
        with pytest.raises(IsADirectoryError):
            manifest.append(rows(1))
        with pytest.raises(WriteError, match="A folder has this name"):
            manifest.flush()
