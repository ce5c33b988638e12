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
COLUMNS = {"device", "dtype", "form", "median_us", "over_peft", "over_hand", "error_over_peft"}
COLUMNS |= {"machine", "threads", "load", "torch", "peft", "date"}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    folder = tmp_path_factory.mktemp("results")
    (folder / "lora_step.csv").write_text("device,form\ncuda,ours\n")
    command = [sys.executable, "-W", "error", SCRIPT, "--quick", "--rounds", 2, "--output", folder]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.stem.removeprefix("lora_"): read(path) for path in folder.glob("*.csv")}


@pytest.mark.parametrize("name", ["layer", "step"])
def test_every_row_has_finite_ratios_and_says_what_it_was_measured_with(tables, name):
    rows = [row for row in tables[name] if row["device"] == "cpu"]
    assert rows
    for row in rows:
        assert row.keys() >= COLUMNS
        assert row["machine"]
        assert row["threads"] == "1"
        assert all(0 < float(row[ratio]) < math.inf for ratio in ("over_peft", "over_hand"))
        assert row["form"] != "peft" or float(row["over_peft"]) == 1


def test_rows_of_another_device_stay(tables):
    assert [row["form"] for row in tables["step"] if row["device"] == "cuda"] == ["ours"]


def test_counting_the_bytes_that_are_kept_keeps_none_of_them(monkeypatch):
    """A hook that returned the tensor itself kept 10 GB of graphs in one process."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from lora.memory import kept_by

    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.GELU(), torch.nn.Linear(8, 8))
    seen = []
    net[0].register_forward_hook(lambda *given: seen.append(weakref.ref(given[2])))
    assert kept_by(net, torch.randn(4, 8)) == 2 * 4 * 8 * 4
    assert seen[0]() is None
