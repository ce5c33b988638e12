"""Audits of runs that are trained here: the corruption that they state, and a base that moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import scionwood
from scionwood_audit import audit_adapter, audit_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `pde/dynamics` whose training adds noise."""
    recipe = scionwood.resolve("pde/dynamics", ["task.noise=0.1"], smoke=True)
    return scionwood.fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "noisy")


def source_row(run: Path) -> tuple[str, str]:
    rows = audit_run(run).rows
    (row,) = [each for each in rows if each.name == "source of the corruption"]
    return row.status, row.value


def test_a_trained_run_states_the_source_of_its_corruption(noisy, tmp_path):
    stated = json.loads((noisy / "adapter" / "scionwood.json").read_text())["corruption"]
    own = scionwood.load_run(noisy).corruption()
    assert own is not None
    assert stated == own.record()
    assert source_row(noisy) == ("kept", f"noise on the input: {own.sha256[:12]}")
    run = shutil.copytree(noisy, tmp_path / "other")
    path = run / "adapter" / "scionwood.json"
    record = json.loads(path.read_text())
    record["corruption"]["sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    (run / "files.json").unlink()
    status, value = source_row(run)
    assert status == "broken"
    assert "000000000000 trained it" in value


def test_a_run_whose_base_moved_is_audited_whole(tmp_path):
    pretraining = scionwood.resolve("crash/pretrain", smoke=True)
    first = scionwood.fit(pretraining, run_dir=tmp_path / "a" / "first")
    change = {"backbone.weights": str(first)}
    recipe = scionwood.resolve("crash/transfer_lora", change, smoke=True)
    run = scionwood.fit(recipe, run_dir=tmp_path / "a" / "adapted")
    (tmp_path / "a").rename(tmp_path / "b")
    moved = tmp_path / "b" / "adapted"
    audit = audit_run(moved)
    broken = [row for row in audit.rows if row.part == "structure" and row.status == "broken"]
    assert not broken
    assert audit.counts()["behaviour"]
    (tmp_path / "recipe.yaml").write_text((moved / "recipe.yaml").read_text())
    assert run.name == moved.name
    probed = audit_adapter(moved / "adapter", probe=str(tmp_path / "recipe.yaml"))
    assert probed.counts()["behaviour"] == audit.counts()["behaviour"]
