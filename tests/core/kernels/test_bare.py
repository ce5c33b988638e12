"""`make test-gpu` and its like start in an environment of torch, triton, peft and pytest only."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "benchmarks" / "lora" / "device.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs a checkout")


@pytest.fixture
def bare(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python where torch, triton, peft, pytest and what they require are all there is."""
    device = runpy.run_path(str(SCRIPT))
    site = tmp_path / "site"
    site.mkdir()
    for name in device["closure"](device["NEEDS"]):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(found.locate_file(top))
    sources = [ROOT / each for each in (*device["SOURCES"], "benchmarks")]
    paths = os.pathsep.join(map(str, (site, *sources)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)

    return run


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_the_tests_are_collected_and_skip_with_one_reason(bare):
    folders = [ROOT / "tests" / room / "kernels" for room in ("core", "seismic")]
    words = ["-c", folders[0] / "gpu.ini", "--rootdir", ROOT, *(f / "test_gpu.py" for f in folders)]
    done = bare("-m", "pytest", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert {line.split(": ", 1)[1] for line in lines} == {"needs a CUDA device"}
    assert sum(int(line.split("[")[1].split("]")[0]) for line in lines) > 40


@pytest.mark.slow
def test_the_benchmark_of_layers_imports_nothing_else(bare, tmp_path):
    """It runs on the CPU here."""
    words = ["--only", "layer", "--rounds", "2", "--output", tmp_path]
    done = bare(ROOT / "benchmarks" / "lora_kernels.py", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lora_layer.csv").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
@pytest.mark.parametrize("task", ["test", "bench"])
def test_says_in_one_line_why_nothing_ran(capsys, task):
    assert runpy.run_path(str(SCRIPT))["main"](task) == 0
    said = f"{task}-gpu: nothing ran, since torch sees no CUDA device.\n"
    assert capsys.readouterr().out == said


def test_the_kit_names_the_wheels_with_their_versions(python):
    lines = python(str(SCRIPT), "kit").splitlines()
    names = {line.split("==")[0] for line in lines if not line.startswith("#")}
    assert {"peft", "pytest", "transformers", "accelerate"} <= names
    assert not {"torch", "triton", "lightning", "timm"} & names
