"""`make test-gpu` and its like start in an environment of torch, triton, peft and pytest only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "benchmarks" / "lora" / "device.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs a checkout")

BARE = f"""
import runpy, sys
from importlib.metadata import packages_distributions
closure = runpy.run_path({str(SCRIPT)!r})["closure"]
allowed = closure(("torch", "triton", "peft", "pytest"))
known = packages_distributions()

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        owners = {{each.lower().replace("_", "-") for each in known.get(top, ())}}
        if owners and not owners & allowed and not top.startswith("scionwood"):
            raise ModuleNotFoundError(f"{{name}} is not in a bare environment", name=name)

sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
"""


def bare(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run code where every other distribution is hidden, and only the sources are on the path."""
    paths = [ROOT / "core", ROOT / "plugins/seismic", ROOT / "plugins/crash", ROOT / "benchmarks"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", BARE + code, "x", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_the_tests_are_collected_and_skip_with_one_reason(tmp_path):
    folders = [ROOT / "tests" / room / "kernels" for room in ("core", "seismic", "crash")]
    words = ["-c", folders[0] / "gpu.ini", "--rootdir", ROOT, *(f / "test_gpu.py" for f in folders)]
    done = bare("import pytest; sys.exit(pytest.main(sys.argv[1:]))", "pytest", *map(str, words))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert {line.split(": ", 1)[1] for line in lines} == {"needs a CUDA device"}
    assert sum(int(line.split("[")[1].split("]")[0]) for line in lines) > 70


@pytest.mark.slow
def test_the_benchmark_of_layers_imports_nothing_else(tmp_path):
    """It runs on the CPU here, with tiny layers."""
    code = "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    script = str(ROOT / "benchmarks" / "lora_kernels.py")
    words = ["--quick", "--only", "layer", "--rounds", "2", "--output", str(tmp_path)]
    done = bare(code, script, *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lora_layer.csv").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
@pytest.mark.parametrize("task", ["test", "bench"])
def test_says_in_one_line_why_nothing_ran(python, task):
    said = python(str(SCRIPT), task)
    assert said == f"{task}-gpu: nothing ran, since torch sees no CUDA device.\n"


def test_the_kit_names_the_wheels_with_their_versions(python):
    lines = python(str(SCRIPT), "kit").splitlines()
    names = {line.split("==")[0] for line in lines if not line.startswith("#")}
    assert {"peft", "pytest", "transformers", "accelerate"} <= names
    assert not {"torch", "triton", "lightning", "timm"} & names
