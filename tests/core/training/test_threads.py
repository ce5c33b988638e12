"""The number of threads beside other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from case_table import table

from scionwood.training import threads


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Let torch use all cores, and restore its number of threads after the test."""
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    before, number = torch.get_num_threads(), os.cpu_count() or 1
    if number < 2:
        pytest.skip("one core")
    torch.set_num_threads(number)
    yield number
    torch.set_num_threads(before)


def test_beside_busy_processes_fewer_threads_are_used_and_it_is_said(cores, capfd) -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(cores)]
    try:
        assert threads.use_free_cores() < cores
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert f"of {cores} threads, since other processes use" in capfd.readouterr().err


def test_whoever_sets_the_variable_decides(cores, monkeypatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, str(cores))
    monkeypatch.setattr(threads, "free_cores", lambda: pytest.fail("it measured"))
    assert threads.use_free_cores() == cores


def test_a_run_goes_on_with_the_threads_of_its_checkpoint(cores) -> None:
    threads.use_threads(1)
    assert torch.get_num_threads() == 1
    for wrong in (0, -1, 10**9, "2", None, True + 0.5):
        threads.use_threads(wrong)
        assert torch.get_num_threads() == 1


@table(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, float("inf")),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_the_quota_of_a_container_bounds_the_cores(files, quota, tmp_path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "ascii")
    assert threads._quota(tmp_path) == quota
