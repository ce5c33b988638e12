"""The check of shipped runs reports a file that is not as the run's manifest states."""

from __future__ import annotations

from typing import Any

import pytest

from scionwood.runs.manifest import write_manifest
from scionwood_kit import CheckFailure, NothingToCheck
from scionwood_kit.checks.runs import check_shipped_runs


def test_a_shipped_run_is_as_its_manifest_states(sample: Any) -> None:
    with pytest.raises(NothingToCheck):
        check_shipped_runs(sample.plugin())


def test_a_shipped_run_without_a_manifest_or_with_another_file_is_named(sample: Any) -> None:
    sample.change(
        "__init__.py", "plugin = Plugin(", f'plugin = Plugin(runs="{sample.package}.runs",'
    )
    run = sample.root / sample.package / "runs/first"
    run.mkdir(parents=True)
    (run.parent / "__init__.py").write_text("")
    (run / "recipe.yaml").write_text("{}")
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
