"""torchrun and srun: one folder for a job, one voice, and a job that is started again goes on."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from case_table import table

from scionwood.errors import OutputExistsError, TrainingError
from scionwood.training import run_folder as run_folder_module
from scionwood.training.checkpoint import LAST, read_checkpoint
from scionwood.training.launch import is_first, job
from scionwood.training.run_folder import run_folder

TOY = "toy/regress"
SAME = ("metrics.csv", "adapter/adapter_model.safetensors", "head.safetensors")
STEP = {"SLURM_JOB_ID": "4321", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "train"}
Environment = Callable[..., None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """Set variables of a launcher, as in a process that has just started."""
    monkeypatch.chdir(tmp_path)

    def place(**variables: str) -> None:
        run_folder_module._fits.clear()
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return place


def test_a_process_without_a_launcher_has_no_job(given: Environment) -> None:
    assert job() is None
    assert is_first()


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"TORCHELASTIC_RUN_ID": "night/7"}, "torchrun-night-7"),
        ({"TORCHELASTIC_RUN_ID": "1501f18a-c794-46b0-b3b3-ab2117691d18"}, "torchrun-1501f18a"),
        (STEP, "slurm-4321.0"),
        ({**STEP, "SLURM_STEP_ID": "2"}, "slurm-4321.2"),
        ({**STEP, "TORCHELASTIC_RUN_ID": "4321"}, "torchrun-4321"),
    ],
    ids=str,
)
def test_a_job_has_the_name_that_its_launcher_gives(
    given: Environment, variables: dict[str, str], name: str
) -> None:
    given(**variables)
    launched = job()
    assert launched is not None
    assert (launched.name, launched.restarted) == (name, False)


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_JOB_ID": "4321"},  # a batch script without srun
        {**STEP, "SLURM_STEP_ID": "4294967290"},  # the shell of salloc
        {**STEP, "SLURM_JOB_NAME": "interactive"},
        {**STEP, "SLURM_JOB_NAME": "bash"},  # srun --pty bash
    ],
    ids=str,
)
def test_a_shell_inside_of_a_job_starts_runs_of_its_own(
    given: Environment, variables: dict[str, str]
) -> None:
    given(**variables)
    assert job() is None


def test_all_processes_of_a_job_take_one_folder(given: Environment, tmp_path: Path) -> None:
    given(**STEP, SLURM_NTASKS="2", SLURM_PROCID="0")
    first, again = run_folder(TOY, None, None)
    assert first == tmp_path / "runs" / "toy-regress-slurm-4321.0"
    assert not again
    (first / "recipe.yaml").touch()
    given(SLURM_PROCID="1")  # it comes when the first one has written its recipe already
    assert not is_first()
    assert run_folder(TOY, None, None) == (first, False)


def test_a_second_fit_of_one_process_takes_another_folder(given: Environment) -> None:
    given(**STEP)
    names = [run_folder(TOY, None, None)[0].name for _ in range(2)]
    assert names == ["toy-regress-slurm-4321.0", "toy-regress-slurm-4321.0-2"]


def test_another_start_under_the_same_name_is_refused(given: Environment) -> None:
    given(TORCHELASTIC_RUN_ID="night")
    first, _ = run_folder(TOY, None, None)
    (first / "recipe.yaml").touch()
    given()
    with pytest.raises(OutputExistsError, match=r"toy-regress-torchrun-night.*--resume"):
        run_folder(TOY, None, None)


@pytest.mark.parametrize("count", ["SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT"])
def test_a_restarted_job_continues_from_its_checkpoint(given: Environment, count: str) -> None:
    given(**STEP, **{count: "0"})
    first, again = run_folder(TOY, None, None)
    assert not again
    (first / "recipe.yaml").touch()
    given(**{count: "1"})
    assert run_folder(TOY, None, None) == (first, False), "there is no checkpoint yet"
    (first / LAST).parent.mkdir()
    (first / LAST).touch()
    given()
    assert run_folder(TOY, None, None) == (first, True)


def test_processes_of_another_launcher_need_the_name_of_the_folder(given: Environment) -> None:
    given(WORLD_SIZE="2", RANK="0")
    with pytest.raises(TrainingError, match="--run FOLDER"):
        run_folder(TOY, None, None)


@table(("code", "requeued"), [(138, True), (0, False), (2, False)])
def test_the_batch_file_of_the_page_requeues_a_job_whose_time_is_up(
    tmp_path: Path, code: int, requeued: bool
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "cluster.md").read_text("utf-8")
    (batch,) = re.findall(r"^```bash\n(#!/bin/bash\n.*?)^```$", page, re.M | re.S)
    (tmp_path / "train.sh").write_text(batch)
    for name, body in {"srun": f'echo "$@"; exit {code}', "scontrol": "echo scontrol $@"}.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"SLURM_JOB_ID": "7", "SLURM_NTASKS_PER_NODE": "4", "SLURM_NNODES": "2"}
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "8"}
    out, err = finished(start(["bash", "train.sh"], tmp_path, variables | path), code)
    assert err == ""
    fit, *rest = out.splitlines()
    assert "--trainer.devices 4 --trainer.num_nodes 2 --trainer.strategy ddp" in fit
    assert rest == (["scontrol requeue 7"] if requeued else [])


# Below, real processes on the command line train together over gloo.

TWO = ("--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.logger=csv")
FIT = ("-m", "scionwood.cli", "fit", TOY, *TWO)
Start = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture
def srun(tmp_path: Path) -> Start:
    """Start two processes with the variables that srun sets."""

    def begin(*options: str, **variables: str) -> list[subprocess.Popen[str]]:
        common = {**STEP, "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1"}
        place = {"SLURM_NODEID": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        ranks = [{"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in "01"]
        return [
            start([sys.executable, *FIT, *options], tmp_path, common | place | own | variables)
            for own in ranks
        ]

    return begin


def start(
    command: list[str], place: Path, variables: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(variables or {})}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=place, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def torchrun(place: Path, *options: str, more: tuple[str, ...] = ()) -> tuple[str, str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", *options]
    return finished(start([*launcher, *FIT, *more], place))


def finished(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    return out, err


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def assert_one_voice(out: str, err: str, run: Path) -> None:
    assert out.splitlines() == [str(run)]
    words = [re.split("[ :]", line)[0] for line in err.splitlines()]
    own = [word for word in words if word in {"trainable", "fit"}]  # torchrun adds lines of its own
    assert own == ["trainable", "fit", "fit"]


@pytest.mark.slow
def test_torchrun_and_srun_train_the_same_and_speak_once(srun: Start, tmp_path: Path) -> None:
    out, err = torchrun(tmp_path, "--rdzv-id=night", "--rdzv-backend=c10d")
    by_torchrun = tmp_path / "runs" / "toy-regress-torchrun-night"
    assert_one_voice(out, err, by_torchrun)

    (first, second) = map(finished, srun())
    by_srun = tmp_path / "runs" / "toy-regress-slurm-4321.0"
    assert_one_voice(*first, by_srun)
    assert second == ("", ""), "the second process says nothing"
    for file in SAME:
        assert (by_srun / file).read_bytes() == (by_torchrun / file).read_bytes(), file


@pytest.mark.slow
def test_torchrun_without_a_name_agrees_on_the_time(tmp_path: Path) -> None:
    place = ("--master-addr=127.0.0.1", f"--master-port={free_port()}", "--rdzv-backend=static")
    torchrun(tmp_path, *place, "--nnodes=1", "--node-rank=0", more=("--trainer.max_steps=1",))
    (run,) = (tmp_path / "runs").glob("toy-regress-torchrun-20??????-??????")
    assert (run / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_a_job_that_slurm_requeues_ends_like_one_that_was_never_stopped(
    srun: Start, tmp_path: Path
) -> None:
    steps = ("--trainer.max_steps=400", "--trainer.max_epochs=-1", "--backbone.dropout=0.2")
    for process in srun(*steps, SLURM_JOB_ID="1"):
        finished(process)
    pair = srun(*steps, "--trainer.log_every_n_steps=1")
    run = tmp_path / "runs" / "toy-regress-slurm-4321.0"
    limit = time.monotonic() + 120
    while not (run / "metrics.csv").exists() or len((run / "metrics.csv").read_text()) < 500:
        assert time.monotonic() < limit
        time.sleep(0.01)
    pair[1].send_signal(signal.SIGUSR1)  # to one alone: the other must stop at the same step
    for process in pair:
        finished(process, 128 + signal.SIGUSR1)
    assert 0 < read_checkpoint(run / LAST)["global_step"] < 400

    refused, waiting = srun(*steps)
    assert "it holds a run already" in finished(refused, 2)[1], "the job was not restarted"
    waiting.kill()
    waiting.communicate()
    for process in srun(*steps, SLURM_RESTART_COUNT="1"):
        finished(process)
    whole = tmp_path / "runs" / "toy-regress-slurm-1.0"
    for file in SAME:
        assert (run / file).read_bytes() == (whole / file).read_bytes(), file
