"""A run folder has one writer: a second process is refused, and a dead one holds nothing."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from scionwood.errors import TrainingError
from scionwood.training.checkpoint import LAST, read_checkpoint
from scionwood.training.run_folder import LOCK, only_writer

Start = Callable[..., ForkServerProcess]
ENDLESS = (
    "trainer.max_epochs=-1",
    "trainer.max_steps=100000",
    "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]",
)


def test_a_second_process_cannot_resume_a_run_that_trains(
    start: Start, toy_fit: Callable[..., Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start("data.n=80", "trainer.logger=csv", *ENDLESS, run_dir=run)
    deadline = time.monotonic() + 60
    while not (run / LAST).exists():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    recipe = (run / "recipe.yaml").stat().st_mtime_ns
    with pytest.raises(TrainingError, match=f"{re.escape(str(run))}: process {process.pid} on "):
        toy_fit("trainer.max_steps=1", resume=run)
    assert (run / "recipe.yaml").stat().st_mtime_ns == recipe, "nothing was written"
    assert process.is_alive()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    step = read_checkpoint(run / LAST)["global_step"]
    toy_fit("data.n=80", *ENDLESS, f"trainer.max_steps={step + 2}", resume=run)
    assert read_checkpoint(run / LAST)["global_step"] == step + 2
    assert not (run / LOCK).exists(), "a finished run names no writer"


@pytest.mark.skipif(sys.platform == "win32", reason="sleep and close_fds of Unix")
def test_the_lock_of_a_killed_process_is_free_though_its_children_live(
    warm: ForkServerContext, tmp_path: Path
) -> None:
    from scionwood_toy.child import hold

    here, there = warm.Pipe()
    writer = warm.Process(target=hold, args=(tmp_path, there))
    writer.start()
    there.close()
    child = here.recv()
    try:
        with pytest.raises(TrainingError, match=f"process {writer.pid} on "), only_writer(tmp_path):
            pass
        writer.kill()
        writer.join()
        os.kill(child, 0)
        assert (tmp_path / LOCK).exists()
        with only_writer(tmp_path):
            assert f"process {os.getpid()} on" in (tmp_path / LOCK).read_text()
    finally:
        os.kill(child, signal.SIGKILL)


def test_two_processes_that_take_turns_are_never_inside_together(
    warm: ForkServerContext, tmp_path: Path
) -> None:
    from scionwood_toy.child import take_turns

    racers = [warm.Process(target=take_turns, args=(tmp_path,)) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0, 0]
    assert not (tmp_path / LOCK).exists()


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="cannot be written"), only_writer(tmp_path / "run"):
        pass
    assert (tmp_path / "precious").read_text() == "kept"
