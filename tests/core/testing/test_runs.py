"""The check of shipped runs reports what is not as the run states, and what it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scionwood.runs.layout import weights_digest
from scionwood.runs.manifest import write_manifest
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.runs import check_shipped_runs


def test_a_shipped_run_is_as_its_manifest_states(sample):
    with pytest.raises(NothingToCheck):
        check_shipped_runs(sample.plugin())


@pytest.fixture
def run(sample: Any) -> Path:
    """The folder of a run that the plugin ships, without a manifest."""
    sample.change(
        "__init__.py", "plugin = Plugin(", f'plugin = Plugin(runs="{sample.package}.runs",'
    )
    run: Path = sample.root / sample.package / "runs/first"
    run.mkdir(parents=True)
    (run.parent / "__init__.py").write_text("")
    (run / "recipe.yaml").write_text("{}")
    return run


def test_a_shipped_run_without_a_manifest_or_with_another_file_is_named(sample, run):
    plugin = sample.plugin()
    with pytest.raises(CheckFailure, match=r"run 'first'.*it has no files.json"):
        check_shipped_runs(plugin)
    write_manifest(run)
    check_shipped_runs(plugin)
    (run / "recipe.yaml").write_text("[]\n")
    with pytest.raises(
        CheckFailure, match=r"recipe.yaml.*3 bytes.*scionwood verify .*/first --write"
    ):
        check_shipped_runs(plugin)


def test_other_weights_and_folders_of_a_machine_and_large_files_are_named(sample, run):
    (run / "adapter").mkdir()
    (run / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    (run / "origin.json").write_text(
        json.dumps({"name": "sample/first", "digest": weights_digest(run)})
    )
    write_manifest(run)
    plugin = sample.plugin()
    assert not check_shipped_runs(plugin)
    (run / "README.md").write_text("Trained in /home/ana/runs/first.\n")
    (run / "adapter" / "adapter_model.safetensors").write_bytes(bytes(3_000_000))
    write_manifest(run)
    with pytest.raises(CheckFailure) as failure:
        check_shipped_runs(plugin)
    weights, place = (problem.value for problem in failure.value.problems)
    assert weights == f"run 'first': {json.loads((run / 'origin.json').read_text())['digest']}"
    assert place == "run 'first': README.md has /home/ana/runs/first."
    (size,) = failure.value.advice
    assert size.rule.endswith("at most 3,000,000 bytes")
