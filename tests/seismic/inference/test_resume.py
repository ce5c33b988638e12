"""A killed run leaves no incomplete output, and a later run completes it byte for byte.

As a program, this file is the run that is killed.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scionwood import Record, WriteError
from scionwood.cli import main
from scionwood_seismic.readers import partial
from scionwood_seismic.readers.partial import partial_path
from scionwood_seismic.readers.segy import SegyReader

Write = Callable[..., Path]
NONE: Mapping[int, float] = {}


class Work:
    """Subtract the mean trace, which depends on the record.

    Wait some seconds in a call: so that a journal is due, or a signal comes before the end.
    """

    def __init__(self, identity: Mapping[str, Any], waits: Mapping[int, float] = NONE) -> None:
        self.identity, self.waits, self.calls = identity, waits, 0

    def __call__(self, record: Record) -> np.ndarray:
        self.calls += 1
        time.sleep(self.waits.get(self.calls, 0.0))
        return record.data - record.data.mean(axis=0)


WORK = {"factor": 2}
SERVICE = os.environ.get("SCIONWOOD_READERS") == "service"
JOURNAL = partial.INTERVAL + 1 if SERVICE else 0.0
"""Seconds until a journal is due: `child` sets 0, but not in the process of the service."""

FIFTH = "waiting in the fifth record"


def start(*command: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = [sys.executable, __file__, *command]
    return subprocess.Popen(child, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def stop_when_begun(child: subprocess.Popen[bytes], target: Path, number: int) -> None:
    """Send a signal when the journal has four records and the child waits in the next one."""
    journal = partial_path(target).with_name(partial_path(target).name + ".json")
    until = time.monotonic() + 240  # imports are slow on a busy machine
    try:
        while not (journal.exists() and json.loads(journal.read_text())["done"] >= 4):
            assert child.poll() is None, "it ended too early"
            assert time.monotonic() < until, "it does not begin"
            time.sleep(0.01)
        child.send_signal(number)
        child.communicate(timeout=120)
    finally:
        child.kill()
        child.communicate()


def finish(source: Path, target: Path, block: int, work: Work, **options: bool) -> None:
    with SegyReader(source, gather="fldr", block=block) as reader:
        reader.rewrite(target, work, **options)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def left_by(number: int, folder: Path) -> list[str]:
    """Return what a stopped run left, but the folder that the service has until the next run."""
    names = left(folder)
    if not (SERVICE and number == signal.SIGKILL):
        return names
    assert sum(name.startswith(".out.sgy.sandbox-") for name in names) <= 1
    return [name for name in names if not name.startswith(".out.sgy.sandbox-")]


@pytest.fixture
def source(segy: Write) -> Path:
    """30 gathers of 12 traces."""
    data = np.random.default_rng(0).standard_normal((30, 12, 40)).astype(np.float32)
    return segy(data=data)


@pytest.mark.parametrize(("number", "block"), [(signal.SIGKILL, 12), (signal.SIGINT, 8)])
def test_completes_a_killed_run_byte_for_byte(source, tmp_path, block, number):
    """Whole gathers, and gathers in parts that are blended."""
    target, whole = tmp_path / "out.sgy", tmp_path / "whole.sgy"
    stop_when_begun(start("rewrite", str(source), str(target), str(block)), target, number)
    assert left_by(number, tmp_path) == [".out.sgy.part", ".out.sgy.part.json", "in.sgy"]
    again, once = Work(WORK), Work(WORK)
    finish(source, target, block, again, resume=True)
    finish(source, whole, block, once)
    assert target.read_bytes() == whole.read_bytes()
    assert 0 < again.calls < once.calls
    assert left(tmp_path) == ["in.sgy", "out.sgy", "whole.sgy"]


@pytest.mark.skipif(SERVICE, reason="in the service the command removes them, not the reader")
def test_removes_the_remains_of_an_interrupted_journal(source, tmp_path):
    """A kill may come while a journal is written under its temporary name."""
    target = tmp_path / "out.sgy"
    journal = partial_path(target).with_name(partial_path(target).name + ".json")
    debris = journal.with_name(f".{journal.stem}-abc123.json")
    debris.write_text("{")
    finish(source, target, 12, Work(WORK))
    assert left(tmp_path) == ["in.sgy", "out.sgy"]


@pytest.mark.parametrize("at", range(1, 6))
def test_resumes_from_any_stopping_point(segy, tmp_path, at):
    """Stopping points include those between and within the parts of a gather."""
    data = np.random.default_rng(0).standard_normal((2, 24, 40)).astype(np.float32)
    source, target, whole = segy(data=data), tmp_path / "out.sgy", tmp_path / "whole.sgy"
    work = Work(WORK)

    class Stops(Work):
        def __call__(self, record: Record) -> np.ndarray:
            if self.calls == at:
                raise KeyboardInterrupt
            return super().__call__(record)

    with pytest.raises(KeyboardInterrupt):
        finish(source, target, 10, Stops(WORK))
    finish(source, target, 10, work, resume=True)
    finish(source, whole, 10, Work(WORK))
    assert target.read_bytes() == whole.read_bytes()


class TestAStalePartial:
    @pytest.fixture
    def target(self, source: Path, tmp_path: Path) -> Path:
        class Fails(Work):
            def __call__(self, record: Record) -> np.ndarray:
                if self.calls == 3:
                    raise RuntimeError("out of memory")
                return super().__call__(record)

        target = tmp_path / "out.sgy"
        with pytest.raises(RuntimeError, match="memory"):
            finish(source, target, 12, Fails(WORK))
        return target

    def test_refuses_to_start_over_an_unfinished_run(self, source, target):
        before = partial_path(target).read_bytes()
        with pytest.raises(WriteError, match=r"unfinished run.*--resume.*--force"):
            finish(source, target, 12, Work(WORK))
        assert partial_path(target).read_bytes() == before

    def test_force_replaces_an_unfinished_run(self, source, target):
        work = Work({"factor": 3})
        finish(source, target, 12, work, overwrite=True)
        assert work.calls == 30
        assert left(target.parent) == ["in.sgy", "out.sgy"]

    def test_refuses_an_unfinished_run_of_other_work(self, source, target):
        with pytest.raises(WriteError, match=r"differs \(factor: then 2, now 3\).*--force"):
            finish(source, target, 12, Work({"factor": 3}), resume=True)
        with pytest.raises(WriteError, match=r"differs \(block: then 12, now 8\)"):
            finish(source, target, 8, Work(WORK), resume=True)

    @pytest.mark.parametrize("change", [b"X", None])
    def test_refuses_an_unfinished_run_of_another_source(self, source, target, change):
        status = source.stat()
        if change:  # one byte of a header, size and date as they were
            source.write_bytes(change + source.read_bytes()[1:])
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + (0 if change else 1)))
        with pytest.raises(WriteError, match=r"differs \(source"):
            finish(source, target, 12, Work(WORK), resume=True)

    @pytest.mark.parametrize("text", ["", "[1]", '{"done": "x", "work": {}}'])
    def test_refuses_a_damaged_journal(self, source, target, text):
        partial_path(target).with_name(".out.sgy.part.json").write_text(text)
        with pytest.raises(WriteError, match=r"not a journal of a run.*--force"):
            finish(source, target, 12, Work(WORK), resume=True)

    def test_refuses_a_truncated_partial_file(self, source, target):
        os.truncate(partial_path(target), 5000)
        with pytest.raises(WriteError, match="reserved size"):
            finish(source, target, 12, Work(WORK), resume=True)

    def test_refuses_a_partial_file_that_is_being_written(self, source, target):
        class Second(Work):
            def __call__(self, record: Record) -> np.ndarray:
                with pytest.raises(WriteError, match="another process is writing"):
                    finish(source, target, 12, Work(WORK), resume=True)
                return super().__call__(record)

        finish(source, target, 12, Second(WORK), resume=True)
        assert target.exists()


def test_leaves_nothing_after_an_error_in_the_data(source, tmp_path):
    class Shortens(Work):
        def __call__(self, record: Record) -> np.ndarray:
            return super().__call__(record)[:-1]

    with pytest.raises(WriteError, match="shape"):
        finish(source, tmp_path / "out.sgy", 12, Shortens(WORK))
    assert left(tmp_path) == ["in.sgy"]


def test_unnamed_work_cannot_be_resumed(source, tmp_path):
    def fail(record: Record) -> np.ndarray:
        raise KeyboardInterrupt

    with SegyReader(source) as reader:
        with pytest.raises(KeyboardInterrupt):
            reader.rewrite(tmp_path / "out.sgy", fail)
        with pytest.raises(WriteError, match="without a name"):
            reader.rewrite(tmp_path / "out.sgy", fail, resume=True)
    assert left(tmp_path) == ["in.sgy"]


@pytest.fixture
def stopped(source: Path, run: Path, tmp_path: Path) -> list[str]:
    """The command of a denoising that received SIGTERM."""
    target = tmp_path / "clean.sgy"
    command = ["seismic", "denoise", str(source), str(target), "--run", str(run)]
    child = start("main", *command)
    assert child.stdout is not None
    assert any(FIFTH.encode() in line for line in child.stdout), "it ended too early"
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=120)
    assert child.returncode == 128 + signal.SIGTERM
    hidden = [".clean.sgy.part", ".clean.sgy.part.json", ".clean.sgy.reports"]
    assert left(tmp_path) == [*hidden, "in.sgy"]
    return command


def wait_at_the_fifth_record() -> None:
    """Wait in the fifth record, so that the signal arrives before the end."""
    from scionwood_seismic.inference.records import Denoiser  # imports torch: only this child does

    work, calls = Denoiser.__call__, itertools.count(1)

    def slowed(self: Denoiser, record: Record) -> np.ndarray:
        if next(calls) == 5:
            print(FIFTH, flush=True)
            time.sleep(120)
        return work(self, record)

    Denoiser.__call__ = slowed


def child(kind: str, *arguments: str) -> None:
    partial.INTERVAL = 0.0
    if kind == "main":
        wait_at_the_fifth_record()
        sys.exit(main(arguments))
    source, target, block = arguments
    waits = {5: JOURNAL, 6: 120.0} if SERVICE else {5: 120.0}
    finish(Path(source), Path(target), int(block), Work(WORK, waits))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    child(*sys.argv[1:])
