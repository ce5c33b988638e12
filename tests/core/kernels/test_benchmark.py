"""The benchmark of the kernels runs, checks its gradients, and writes finite ratios."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[3] / "benchmarks" / "lora_kernels.py"
ABOUT = {"device", "form", "times_ours", "machine", "threads", "load", "torch", "peft", "date"}
COLUMNS = {
    "layer": {"dtype", "layer", "rank", "pass", "median_ms", "ci_low", "ci_high", "of_limit"}
    | {"error", "error_over_eager", "rounds", "note"},
    "step": {"model", "regime", "targets", "pass", "median_ms", "ci_low", "ci_high", "rounds"}
    | {"gradient_distance"},
    "memory": {"model", "regime", "targets", "dropout", "mib", "over_frozen"},
}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    folder = tmp_path_factory.mktemp("results")
    (folder / "lora_memory.csv").write_text("device,form\ncuda,ours\n")
    command = [sys.executable, "-W", "error", SCRIPT, "--quick", "--output", folder]
    command += ["--rounds", 2, "--step-rounds", 2]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.stem.removeprefix("lora_"): read(path) for path in folder.glob("*.csv")}


def measured(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if row["device"] == "cpu"]


@pytest.mark.parametrize("name", COLUMNS)
def test_every_row_says_what_it_was_measured_with(tables, name):
    assert COLUMNS[name] | ABOUT <= tables[name][0].keys()
    for row in measured(tables[name]):
        assert row["machine"]
        assert row["torch"]
        assert row["threads"] == "1"


@pytest.mark.parametrize("name", COLUMNS)
def test_every_row_has_a_finite_ratio_or_says_why_not(tables, name):
    for row in measured(tables[name]):
        if row.get("note"):
            assert not row["times_ours"]
        else:
            assert 0 < float(row["times_ours"]) < math.inf


def test_ours_is_compared_with_itself_as_one(tables):
    for name in COLUMNS:
        ours = [float(row["times_ours"]) for row in measured(tables[name]) if row["form"] == "ours"]
        assert ours
        assert set(ours) == {1.0}


def test_an_implementation_without_its_device_gives_its_reason(tables):
    (reason,) = {row["note"] for row in tables["layer"] if row["form"] == "ours: triton"}
    assert reason == "triton needs a GPU"


def test_rows_of_another_device_stay(tables):
    others = [row for row in tables["memory"] if row["device"] == "cuda"]
    assert [row["form"] for row in others] == ["ours"]


def test_counting_the_bytes_that_are_kept_keeps_none_of_them(monkeypatch):
    """A hook that returned the tensor itself kept 10 GB of graphs in one process."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from lora.memory import kept_by

    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU(), torch.nn.Linear(8, 8))
    seen = []
    net[0].register_forward_hook(lambda *given: seen.append(weakref.ref(given[2])))
    assert kept_by(net, torch.randn(4, 8)) == 2 * 4 * 8 * 4
    assert seen[0]() is None
