"""The frame of the benchmarks: rows, jobs that are missing, and two writers of one table."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import runner

    return runner


def test_two_tables_of_one_file_lose_no_row(runner, tmp_path):
    """Each table has its own lock of the folder, as in two processes."""
    path = tmp_path / "results" / "x.csv"
    names = ("LoRA", "full")

    def add_rows(name: str) -> None:
        table = runner.Table(path, dict)
        for seed in range(10):
            table.add({"method": name, "seed": seed})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add_rows, names))
    rows = [(row["method"], row["seed"]) for row in runner.read(path)]
    assert sorted(rows) == sorted((name, str(seed)) for name in names for seed in range(10))


def test_only_jobs_without_a_row_are_yielded_and_a_new_column_is_empty_above(
    runner, tmp_path, capsys
):
    path = tmp_path / "x.csv"
    path.write_text("method,seed,note\nLoRA,0,as it was\n")
    table = runner.Table(path, lambda: {"torch": "2"})
    jobs = [{"method": name, "seed": seed} for name in ("LoRA", "full") for seed in (0, 1)]
    for job in table.missing(jobs):
        table.add(job | {"score": 0.5})
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [line.split("] ")[1] for line in shown] == ["LoRA, 1", "full, 0", "full, 1"]
    with path.open(newline="") as file:
        first, *others = csv.DictReader(file)
    assert first == {"method": "LoRA", "seed": "0", "note": "as it was", "score": "", "torch": ""}
    assert [row["note"] for row in others] == ["", "", ""]
    assert not list(runner.Table(path).missing(jobs))


def test_new_rows_replace_those_that_are_equal_in_some_columns(runner, tmp_path):
    """They stand where those stood, and rows that are new stand at the end."""
    path = tmp_path / "x.csv"
    runner.write(path, [{"device": "cpu", "ms": 9}, {"device": "cuda", "ms": 1}])
    new = [{"device": "tpu", "ms": 3}, {"device": "cpu", "ms": 8}, {"device": "cpu", "ms": 7}]
    runner.replace_rows(path, new, ["device"])
    assert [(row["device"], row["ms"]) for row in runner.read(path)] == [
        ("cpu", "8"),
        ("cpu", "7"),
        ("cuda", "1"),
        ("tpu", "3"),
    ]


def test_jobs_with_a_file_are_not_run_again(runner, tmp_path):
    runs: list[str] = []

    def job(name: str) -> list[dict[str, object]]:
        runs.append(name)
        return [{"job": name, "cpu_seconds": 7}] if name == "b" else [{"job": name}]

    jobs = {name: partial(job, name) for name in "ab"}
    for words in (("b",), ("",)):
        rows = runner.job_rows(jobs, tmp_path, words)
    assert runs == ["b", "a"]
    assert [row["job"] for row in rows] == ["a", "b"]
    assert rows[1]["cpu_seconds"] == 7
    assert all(row["machine"] for row in rows)
