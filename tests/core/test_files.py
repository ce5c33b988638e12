"""Errors of files name the remedy; a file holds the old content or the new, never half."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from case_table import table

from scionwood.errors import OutputExistsError, ReadError, WriteError
from scionwood.files.texts import read_utf8
from scionwood_sandbox.files import atomic_folder, atomic_path, reading, writing


def test_a_file_appears_whole_with_ordinary_permissions(tmp_path):
    target = tmp_path / "deep" / "result.txt"
    with atomic_path(target) as part:
        assert part.parent == target.parent
        assert part.suffix == ".txt"
        part.write_text("new")
        assert not target.exists()
    mask = os.umask(0)
    os.umask(mask)
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask
    assert os.listdir(target.parent) == ["result.txt"]


def test_no_descriptor_stays_open(tmp_path):
    def lowest_free() -> int:
        number = os.dup(0)
        os.close(number)
        return number

    before = lowest_free()
    with atomic_path(tmp_path / "result.txt") as part:
        part.write_text("new")
    assert lowest_free() == before


@pytest.mark.parametrize("writer", [atomic_path, atomic_folder])
def test_a_result_that_another_process_wrote_meanwhile_is_kept(tmp_path, writer):
    target = tmp_path / "result"
    with pytest.raises(OutputExistsError), writer(target, overwrite=False):
        target.write_text("of the other process")
    assert target.read_text() == "of the other process"
    assert os.listdir(tmp_path) == ["result"]


def test_an_error_leaves_the_old_file_and_no_debris(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")

    def fail_halfway() -> None:
        with atomic_path(target) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_an_existing_file_is_not_replaced_without_permission(tmp_path):
    (tmp_path / "result.txt").write_text("old")
    with (
        pytest.raises(OutputExistsError, match=r"result\.txt"),
        atomic_path(tmp_path / "result.txt", overwrite=False),
    ):
        pytest.fail("the block must not run")


def test_a_killed_writer_leaves_old_or_new(tmp_path):
    target = tmp_path / "result.bin"
    code = (
        "import sys; from pathlib import Path; from scionwood_sandbox.files import atomic_path\n"
        "for i in range(10**9):\n"
        "    with atomic_path(Path(sys.argv[1])) as part:\n"
        "        part.write_bytes(bytes([i % 256]) * 10**5)"
    )
    for pause in (0.05, 0.11, 0.23):
        writer = subprocess.Popen([sys.executable, "-c", code, str(target)])
        while not target.exists():
            time.sleep(0.01)
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        data = target.read_bytes()
        assert len(data) == 10**5
        assert len(set(data)) == 1


@table(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free space"),
        (errno.EDQUOT, "quota"),
        (errno.ENOTDIR, "A part of the path is a file"),
        (errno.EACCES, "may write"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.EISDIR, "folder has this name"),
        (errno.ENOENT, "does not exist"),
        (errno.EMFILE, "ulimit"),
        (errno.EXDEV, "Check the path and the disk"),
    ],
)
def test_each_kind_of_write_error_has_its_own_remedy(number, remedy):
    with (
        pytest.raises(WriteError, match=rf"a\.h5.*cannot be written \(.*\)\. .*{remedy}"),
        writing("a.h5"),
    ):
        raise OSError(number, os.strerror(number))


def test_recognises_a_full_disk_by_the_text_that_a_library_repeats():
    with pytest.raises(WriteError, match="Free space"), writing("a.h5"):
        raise OSError("Can't write data (error message = 'No space left on device')")


def test_a_parent_that_is_a_file_is_not_answered_with_free_space(tmp_path):
    (tmp_path / "taken").write_text("a file")
    target = tmp_path / "taken" / "out.txt"
    with pytest.raises(WriteError, match="file") as caught, writing(target), atomic_path(target):
        pytest.fail("the block must not run")
    assert "Free" not in str(caught.value)


def test_writing_lets_errors_of_scionwood_pass_and_adds_the_next_step():
    with pytest.raises(OutputExistsError, match=r"^a: b$"), writing("x"):
        raise OutputExistsError("a", "b")
    with pytest.raises(WriteError, match=r"Resume\.$"), writing("x", then="Resume."):
        raise OSError(errno.ENOSPC, "full")


@table(
    ("error", "text"),
    [
        (ValueError("bad\n  magic"), r"not a readable HDF5 file \(bad magic\)"),
        (KeyError("velocity"), "it has no 'velocity'"),
        (SystemExit(1), "not a readable HDF5 file"),
        (RecursionError("deep"), "nested too deeply"),
        (MemoryError(), "more data than memory holds"),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), "it is a folder.*Name a file"),
        (PermissionError(errno.EACCES, "denied"), "may not be read.*permission"),
        (OSError(errno.EMFILE, "many"), "ulimit"),
    ],
)
def test_any_error_while_reading_names_file_reason_and_remedy(error, text, tmp_path):
    path = tmp_path / "a.h5"
    path.touch()
    with pytest.raises(ReadError, match=rf"a\.h5: .*{text}"), reading(path, "HDF5"):
        raise error


def test_a_missing_file_is_told_from_a_missing_companion(tmp_path):
    path = tmp_path / "a.pvd"
    with pytest.raises(ReadError, match="there is no such file"), reading(path, "PVD"):
        path.open()
    path.touch()
    with pytest.raises(ReadError, match="a file that it refers to"), reading(path, "PVD"):
        (tmp_path / "b.vtu").open()


def test_reading_lets_known_errors_pass():
    with pytest.raises(IndexError), reading("a", "HDF5", passing=(IndexError,)):
        raise IndexError
    with pytest.raises(ImportError), reading("a", "HDF5"):
        raise ImportError
    with pytest.raises(ReadError, match=r"^b$"), reading("a", "HDF5"):
        raise ReadError("b")


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path):
    target = tmp_path / "deep" / "run"
    for text in ("old", "new"):
        with atomic_folder(target, overwrite=True) as part:
            (part / "inner").mkdir()
            (part / "inner" / "a.txt").write_text(text)
        assert (target / "inner" / "a.txt").read_text() == text
    assert os.listdir(target.parent) == ["run"]


def test_an_error_leaves_the_old_folder_and_no_debris(tmp_path):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old").touch()

    def fail_halfway() -> None:
        with atomic_folder(target, overwrite=True) as part:
            (part / "half").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    with pytest.raises(OutputExistsError, match="--force"), atomic_folder(target):
        pytest.fail("the block must not run")
    assert os.listdir(tmp_path) == ["run"]
    assert os.listdir(target) == ["old"]


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path):
    target = tmp_path / ("n" * 250)
    with atomic_path(target) as part:
        part.write_text("whole")
    assert target.read_text() == "whole"


def test_a_text_without_its_mark_and_the_line_of_a_byte_that_is_not_utf8(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\ntwo".encode())
    assert read_utf8(path) == "one\ntwo"
    path.write_bytes(b"one\nt\xffo")
    with pytest.raises(ReadError, match=r"line 2: byte 5 is not UTF-8\. Convert it"):
        read_utf8(path, "Convert it")
    path.write_bytes("one".encode("utf-16"))
    with pytest.raises(ReadError, match="it is UTF-16"):
        read_utf8(path)
