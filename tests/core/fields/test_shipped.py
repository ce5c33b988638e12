"""The runs that the fields ship can be trained again, and they work in other programs."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest

from scionwood import find_run
from scionwood.authoring import read_origin
from scionwood_export import export_run

TRAINED = {
    "bangla/register_tiny": 0.1,
    "crash/transfer_lora": 1.0,
    "pde/burgers": 0.02,
    "pde/dynamics": 0.02,
    "seismic/denoise": 0.5,
}
"""Run -> how far its scores may be from those that it states, trained on another machine."""

EXPORTED: dict[str, dict[str, Any]] = {
    "bangla/register_tiny": {},
    "crash/transfer_lora": {},
    "pde/dynamics": {},
    "seismic/denoise": {"shape": (1, 64, 96)},
}
"""Run -> options of its export."""


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", score)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("run", TRAINED)
def test_training_again_gives_the_shipped_run(run, tmp_path):
    plugin, _, name = run.partition("/")
    pytest.importorskip(f"scionwood_{plugin}")
    train, target = import_module(f"scionwood_{plugin}.ship").train, tmp_path / name
    made = train(name, target) if plugin == "pde" else train(target)
    folder = find_run(run, quiet=True)
    shipped = read_origin(folder)
    assert shipped is not None
    if made.machine == shipped.machine:
        assert made.digest == shipped.digest
    assert numbers(made.score) == pytest.approx(numbers(shipped.score), abs=TRAINED[run])
    assert {path.name for path in target.iterdir()} == {path.name for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("run", EXPORTED.keys() - {"bangla/register_tiny"})
def test_onnx_equals_the_run(run, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip(f"scionwood_{run.partition('/')[0]}")
    made = export_run(run, tmp_path / "run.onnx", format="onnx", **EXPORTED[run])
    assert made.reached <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("run", EXPORTED)
def test_merged_weights_equal_the_run(run, tmp_path):
    pytest.importorskip(f"scionwood_{run.partition('/')[0]}")
    made = export_run(run, tmp_path / "run.safetensors", format="merged", **EXPORTED[run])
    assert made.reached <= 1e-5
