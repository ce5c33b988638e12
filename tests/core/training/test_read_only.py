"""On a read-only file system every command that writes says so, and reading goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scionwood import WriteError, fit, load_run, resolve
from scionwood.training.run import test as measure
from scionwood_export import export_run
from scionwood_kit import new

ONE = ["trainer.logger=csv", "trainer.max_steps=1"]
READ_ONLY = r"cannot be written \(Read-only file system\).*choose another folder"


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def test_a_run_is_read_but_not_written(disk: Callable[[str], Path], toy_plugin: None) -> None:
    place = disk("8m")
    run = Path(fit(resolve("toy/regress", ONE), run_dir=place / "run"))
    with read_only(place):
        assert load_run(run).backbone is not None
        assert measure(run)
        for where in ({"run_dir": place / "new"}, {"resume": run}):
            with pytest.raises(WriteError, match=READ_ONLY):
                fit(resolve("toy/regress", ["trainer.logger=csv", "trainer.max_steps=2"]), **where)
        with pytest.raises(WriteError, match=READ_ONLY):
            export_run(run, place / "a.pt2")
        with pytest.raises(WriteError, match=READ_ONLY):
            new("oceans", place)
