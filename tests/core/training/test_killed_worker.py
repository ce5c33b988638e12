"""The death of a process that reads data ahead is an error that names the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scionwood import TrainingError
from scionwood.training.loader import named_workers

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
