"""A run that is killed at any moment leaves a whole checkpoint and resumes to the same result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from scionwood import TrainingError
from scionwood.training.checkpoint import LAST, read_checkpoint
from scionwood.training.loader import named_workers

Start = Callable[..., ForkServerProcess]
STEPS = 240
LONG = (
    "data.n=80",
    "backbone.dropout=0.2",
    f"trainer.max_steps={STEPS}",
    "trainer.max_epochs=-1",
    "trainer.logger=csv",
    "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]",
)


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_sigkills_leave_whole_checkpoints_and_the_same_result(
    start: Start, tmp_path: Path, kills: int
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed = start(*LONG, run_dir=whole)
    dice = random.Random(0)
    steps = [0]
    for attempt in range(kills):
        folder = {"resume": killed} if (killed / "recipe.yaml").exists() else {"run_dir": killed}
        process = start(*LONG, **folder)
        # Some kills at any moment after the start, the others while it trains and writes.
        if attempt in (2, 5, 8):
            time.sleep(dice.uniform(0.0, 0.4))
        else:
            _wait_for_progress(killed / LAST, process)
            time.sleep(dice.uniform(0.0, 0.05))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it was still training"
        if (killed / LAST).exists():
            steps.append(read_checkpoint(killed / LAST)["global_step"])
    assert steps == sorted(steps)
    assert 0 < steps[-1] < STEPS

    last = start(*LONG, resume=killed)
    last.join()
    undisturbed.join()
    assert (last.exitcode, undisturbed.exitcode) == (0, 0)
    assert list((killed / "checkpoints").glob(".*")) == []
    for file in ("metrics.csv", "adapter/adapter_model.safetensors", "head.safetensors"):
        assert (killed / file).read_bytes() == (whole / file).read_bytes(), file


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_saves_exports_and_exits(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    rare = [*LONG[:-1], "trainer.callbacks=[{name: checkpoint, every_n_steps: 100000}]"]
    run = tmp_path / "run"
    process = start(*rare, "data.n=80000", run_dir=run)
    _wait_for_progress(run / "metrics.csv", process)
    os.kill(process.pid or 0, number)
    process.join(30)
    assert process.exitcode == 128 + number
    step = read_checkpoint(run / LAST)["global_step"]
    rows = (run / "metrics.csv").read_text().splitlines()
    assert step == len(rows) - 1 > 0, "the checkpoint is of the step that was the last"
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    assert (run / "head.safetensors").is_file()


def _wait_for_progress(path: Path, process: ForkServerProcess) -> None:
    before, limit = _stamp(path), time.monotonic() + 60
    while _stamp(path) == before:
        assert process.is_alive(), "it ended before it made progress"
        assert time.monotonic() < limit, "no progress in a minute"
        time.sleep(0.002)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (state.st_mtime_ns, state.st_size)


READING = """
import os, signal, sys
import torch
import scionwood
from scionwood_sandbox import Session, open_in_child
from scionwood.training.loader import named_workers

sys.path.append({helpers!r})
from hostile_readers import HostileReader


class Files(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        with Session({folder!r}), open_in_child(HostileReader, {path!r}) as reader:
            record = next(iter(reader))
            if index == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return torch.as_tensor(record.data)


try:
    with named_workers():
        for batch in scionwood.authoring.DataLoader(Files(), num_workers=2, seed=0):
            assert batch.tolist() == [[0, 1, 2, 3]]
except scionwood.TrainingError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the reader service needs Linux")
@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_reads_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.hostile"
    path.write_text("good", "utf-8")
    helpers = Path(__file__).parent.parent / "decoding"
    code = READING.format(helpers=str(helpers), folder=str(tmp_path), path=str(path))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=200
    )
    assert "DataLoader worker (pid" in done.stdout, done.stderr
    assert "it read data ahead and " in done.stdout
    assert "resume the run" in done.stdout


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("DataLoader worker (pid 7)", "is killed by signal: Killed"),
        ("DataLoader worker (pid(s) 7, 8)", "exited unexpectedly"),
    ],
)
def test_both_texts_of_torch_are_understood_and_other_errors_pass(value: str, end: str) -> None:
    with pytest.raises(TrainingError) as caught, named_workers():
        raise RuntimeError(f"{value} {end}. ".removesuffix(". " * end.startswith("exited")))
    assert (caught.value.value, caught.value.rule) == (value, f"it read data ahead and {end}")
    for other in (RuntimeError("an error (pid 7)"), TrainingError("run x", "it is not finished")):
        with pytest.raises(type(other), match=r"an error \(pid 7\)|run x"), named_workers():
            raise other
