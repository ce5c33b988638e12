"""The command line: exit codes, words after `--`, progress, a scheduler, signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scionwood.cli import main
from scionwood_batch import Row, read_manifest
from scionwood_batch.progress import Progress

MAP = [sys.executable, "-m", "scionwood.cli", "map"]


@pytest.fixture
def scheduler(client):
    return client.scheduler.address


@pytest.mark.slow
def test_a_map_in_a_process_of_its_own(here):
    (here / "in/2.txt").write_text("damaged")
    words = ["many/copy", "in", "--target", "out/{stem}.up", "--workers", "2", "--", "--upper"]
    done = subprocess.run([*MAP, *words], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert done.stderr == "0 done before, 6 to do\n"
    *table, last = done.stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["file", "status"], ["in/2.txt", "failed"]]
    assert last == f"5 done, 1 failed; {Path('out/manifest.jsonl')}"
    assert (here / "out/3.up").read_text() == "TEXT 3"


def test_exit_codes_of_a_scheduler_that_runs_already(here, scheduler, capsys):
    words = ["map", "many/copy", "in", "--target", "out/{name}", "--scheduler", scheduler]
    (here / "in/2.txt").write_text("damaged")
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 1
    (here / "in/2.txt").write_text("mended")
    assert main([*words, "--retry-failed"]) == 0
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "6 done before, 0 to do" in err
    assert "1 done, 0 failed" in out


def test_values_of_an_option(here, scheduler):
    words = ["map", "many/draw", "--over", "seed=3:5", "--target", "d/{seed:02}.txt"]
    assert main([*words, "--scheduler", scheduler]) == 0
    assert (here / "d/04.txt").read_text().startswith("4 ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["many/copy", "in", "--target", "out/{foo}"], "no field {foo}"),
        (["many/copy", "in", "--target", "in/{name}"], "a source and a target"),
        (["many/copy", "--target", "out/{name}"], "it needs sources, or --over"),
        (["many/draw", "in", "--target", "a", "--over", "seed=0:2"], "without sources"),
        (["many/show", "in", "--target", "out/{name}"], "it takes (source)"),
        (["many", "in", "--target", "out/{name}"], "plugin/name"),
        (
            ["many/copy", "in", "--target", "{name}", "--workers", "2", "--scheduler", "a"],
            "Give one of the two",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(here, capsys, words, message):
    assert main(["map", *words]) == 2
    assert message in capsys.readouterr().err
    assert {path.name for path in here.iterdir()} == {"in"}


def test_a_refusal_imports_neither_the_engine_nor_torch(here):
    code = "import sys; from scionwood.cli import main; code = main(sys.argv[1:]);"
    code += "print(code, 'torch' in sys.modules, 'distributed' in sys.modules)"
    words = ["map", "many/copy", "in", "--target", "in/{name}"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.stdout == "2 False False\n"


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "file.json"])
def test_a_scheduler_that_is_not_there_is_named(here, capsys, monkeypatch, address):
    monkeypatch.setattr("scionwood_batch.cluster.PATIENCE", 1)
    words = ["map", "many/copy", "in", "--target", "out/{name}", "--scheduler", address]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert f"scheduler {address}: no scheduler answers within 1 s" in err
    assert "dask scheduler" in err
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_map_that_is_stopped_leaves_no_process(here, number):
    for path in (here / "in").iterdir():
        path.write_text("sleep 60")
    words = ["many/copy", "in", "--target", "out/{name}", "--workers", "2"]
    process = subprocess.Popen([*MAP, *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert process.stderr.readline() == "0 done before, 6 to do\n"
    children = _wait(lambda: _workers(process.pid))
    process.send_signal(number)
    expected = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}
    assert process.wait(timeout=60) == expected[number]
    process.stderr.close()
    _wait(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert {row.status for row in read_manifest(here / "out").values()} == {"queued"}
    assert not list((here / "out").glob("*.txt"))


@pytest.mark.slow
def test_a_scheduler_that_ends_in_the_middle_leaves_rows(here):
    for path in (here / "in").iterdir():
        path.write_text("sleep 2")
    dask = [sys.executable, "-m", "dask"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    file = ["--scheduler-file", "scheduler.json"]
    scheduler = subprocess.Popen([*dask, "scheduler", *options, *file], stderr=subprocess.DEVNULL)
    _wait(Path("scheduler.json").exists)
    worker = subprocess.Popen(
        [*dask, "worker", *file, "--nthreads", "1", "--no-dashboard"], stderr=subprocess.DEVNULL
    )
    words = ["many/copy", "in", "--target", "out/{name}", "--scheduler", "scheduler.json"]
    process = subprocess.Popen([*MAP, *words], stderr=subprocess.PIPE, text=True)
    try:
        _wait(lambda: "done" in {row.status for row in read_manifest("out").values()})
        scheduler.kill()
        _, err = process.communicate(timeout=120)
    finally:
        for each in (scheduler, worker, process):
            each.kill()
            each.wait()
    assert process.returncode == 1
    assert "Traceback" not in err
    rows = read_manifest(here / "out").values()
    assert {row.status for row in rows} == {"done", "died"}
    assert {row.error for row in rows} == {"", "the scheduler ended before the job did"}


def _workers(parent: int) -> list[int]:
    """The processes below another one that work on a job."""
    if not Path("out/manifest.jsonl").exists():
        return []
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()[1:]]
    children = [pid for pid, above in pairs if above == parent]
    return children if len(children) >= 2 else []


def _wait(condition):
    while not (value := condition()):
        time.sleep(0.1)
    return value


def test_lines_where_stderr_is_no_terminal(capsys):
    with Progress(4, every=0.01) as progress:
        progress.add(Row("a", status="done"))
        progress.add(Row("b", status="died"))
        _wait(lambda: (line := capsys.readouterr().err) and "2 of 4, 1 failed, 0:00:00" in line)
    assert progress.line().endswith("left")
    assert Progress(4).line() == "0 of 4, 0:00:00, ? left"


def test_a_bar_on_a_terminal(here, scheduler):
    words = ["many/copy", "in", "--target", "out/{name}", "--scheduler", scheduler]
    parent, child = pty.openpty()
    done = subprocess.run([*MAP, *words], stderr=child, stdout=subprocess.PIPE, text=True)
    os.close(child)
    shown = os.read(parent, 100_000).decode()
    os.close(parent)
    assert done.returncode == 0, shown
    assert "6/6" in shown
    assert "0 failed, left" in shown
