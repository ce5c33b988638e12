"""Each format equals the run, and loads in a process that cannot import Scionwood."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from scionwood import load_run
from scionwood_export import export_run
from scionwood_kit import foreign

X = torch.linspace(-2, 2, 16).reshape(2, 8)
BLOCKER = f"import runpy, sys; Absent = runpy.run_path({foreign.__file__!r})['Absent']\n"
BLOCKER += "sys.meta_path.insert(0, Absent())\n"


def outside(code: str, *arguments: Path) -> str:
    """Run code in a process that has torch and ONNX, but neither Scionwood nor peft."""
    words = [sys.executable, "-P", "-c", BLOCKER + code, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(run: Path) -> torch.Tensor:
    with torch.no_grad():
        return load_run(run).backbone(X)


def test_the_process_outside_has_no_scionwood():
    code = "try:\n    import scionwood\nexcept ModuleNotFoundError as error: print(error.name)"
    assert outside(code).strip() == "scionwood"


@pytest.mark.slow
def test_pt2_runs_outside(run, tmp_path):
    verified = export_run(run, tmp_path / "toy.pt2")
    assert verified.reached <= 1e-5
    save_file({"x": X}, tmp_path / "x.safetensors")
    code = """
import torch
from safetensors.torch import load_file, save_file
model = torch.export.load(sys.argv[1]).module()
save_file({"y": model(load_file(sys.argv[2])["x"]).detach()}, sys.argv[3])
assert not any(name.partition(".")[0] in ("scionwood", "peft") for name in sys.modules)
"""
    outside(code, tmp_path / "toy.pt2", tmp_path / "x.safetensors", tmp_path / "y.safetensors")
    assert torch.allclose(load_file(tmp_path / "y.safetensors")["y"], expected(run), atol=1e-6)


@pytest.mark.slow
def test_onnx_runs_outside(run, tmp_path):
    pytest.importorskip("onnxscript")
    verified = export_run(run, tmp_path / "toy.onnx", format="onnx")
    assert verified.reached <= 1e-4
    code = """
import json, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
x = numpy.linspace(-2, 2, 16, dtype=numpy.float32).reshape(2, 8)
print(json.dumps(session.run(None, {session.get_inputs()[0].name: x})[0].tolist()))
assert "torch" not in sys.modules
"""
    given = torch.tensor(json.loads(outside(code, tmp_path / "toy.onnx")))
    assert torch.allclose(given, expected(run), atol=1e-4)


def test_merged_holds_the_weights_of_the_bare_backbone(run, tmp_path):
    export_run(run, tmp_path / "toy.safetensors", format="merged")
    from scionwood_toy.parts import mlp

    bare = mlp()
    bare.load_state_dict(load_file(tmp_path / "toy.safetensors"))
    with torch.no_grad():
        assert torch.allclose(bare(X), expected(run), atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="AOTInductor needs a C++ compiler")
def test_aoti_runs_outside(run, tmp_path):
    verified = export_run(run, tmp_path / "toy.pt2", format="aoti")
    assert verified.reached <= 1e-5
    code = """
import json, torch
model = torch._inductor.aoti_load_package(sys.argv[1])
print(json.dumps(model(torch.linspace(-2, 2, 16).reshape(2, 8)).tolist()))
"""
    given = torch.tensor(json.loads(outside(code, tmp_path / "toy.pt2")))
    assert torch.allclose(given, expected(run), atol=1e-6)
