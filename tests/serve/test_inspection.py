"""The plugin audit is asked before a version goes live, where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import scionwood
from scionwood_serve import ServingError
from scionwood_serve.web.inspection import STRUCTURE, inspect_version

SHIPPED = "seismic/denoise"


def test_without_audit_the_verdict_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIONWOOD_DISABLE", "audit")
    scionwood.authoring.refresh()
    try:
        assert inspect_version(scionwood.find_run(SHIPPED, quiet=True)) == STRUCTURE
    finally:
        monkeypatch.undo()
        scionwood.authoring.refresh()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_refused_run_does_not_go_live(tmp_path: Path) -> None:
    if scionwood.find("audit").plugin is None:
        pytest.skip("the plugin audit is not installed")
    run = tmp_path / "run"
    shutil.copytree(scionwood.find_run(SHIPPED, quiet=True), run)
    assert inspect_version(run) != STRUCTURE
    weights = run / "adapter" / "adapter_model.safetensors"
    tensors = load_file(weights)
    first = next(iter(tensors))
    tensors[first] = tensors[first] * float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    (run / "files.json").unlink()
    with pytest.raises(ServingError, match="the audit"):
        inspect_version(run)
