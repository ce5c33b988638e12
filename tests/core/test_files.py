"""A file holds the old content or the new, never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scionwood.errors import OutputExistsError
from scionwood.files import atomic_path


def test_a_file_appears_whole_with_ordinary_permissions(tmp_path: Path) -> None:
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


def test_an_error_leaves_the_old_file_and_no_debris(tmp_path: Path) -> None:
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


def test_an_existing_file_is_kept_on_demand(tmp_path: Path) -> None:
    (tmp_path / "result.txt").write_text("old")
    with (
        pytest.raises(OutputExistsError, match=r"result\.txt"),
        atomic_path(tmp_path / "result.txt", overwrite=False),
    ):
        pytest.fail("the block must not run")


def test_a_killed_writer_leaves_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "result.bin"
    code = (
        "import sys; from pathlib import Path; from scionwood.files import atomic_path\n"
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
