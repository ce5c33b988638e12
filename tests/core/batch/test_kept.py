"""A kept run is, bit for bit, the run that would be loaded."""

from __future__ import annotations

from shutil import copytree

import pytest
import torch
from case_table import table

from scionwood import fit, load_run
from scionwood.adapters.content import restate
from scionwood.recipes.recipe import resolve
from scionwood.runs.manifest import write_manifest
from scionwood.training import loaded_run
from scionwood.training import run as run_module
from scionwood.training.loaded_run import keep_runs


@pytest.fixture(scope="module")
def run(toy_plugin, blank_pictures, tmp_path_factory):
    return fit(resolve("toy/regress", smoke=True), run_dir=tmp_path_factory.mktemp("kept") / "run")


@pytest.fixture(autouse=True)
def _empty():
    loaded_run._cache.clear()


def loaded(run, **options):
    with keep_runs():
        return load_run(run, **options)


def weights(task):
    return {name: value.clone() for name, value in task.state_dict().items()}


@pytest.fixture
def loads(monkeypatch):
    """Return a list of the run folders that are loaded, one entry a time."""
    folders, plain = [], run_module._load
    monkeypatch.setattr(run_module, "_load", lambda *a: (folders.append(a[0]), plain(*a))[1])
    return folders


def test_a_run_is_kept_from_block_to_block_and_nowhere_else(run, loads):
    task = loaded(run)
    assert loaded(run) is not task
    assert len(loads) == 1
    assert load_run(run) is not load_run(run)
    assert len(loads) == 3


def test_a_block_that_loads_a_run_twice_gets_two(run):
    with keep_runs():
        assert load_run(run) is not load_run(run)


def _weight(task):
    next(task.parameters()).data += 1e-3


def _mode(task):
    task.backbone.train()


def _flag(task):
    next(task.parameters()).requires_grad_(True)


def _layer(task):
    task.extra = torch.nn.Linear(1, 1)


@table("change", [_weight, _mode, _flag, _layer])
def test_a_change_in_one_block_reaches_no_other(run, change):
    before = weights(loaded(run))
    with keep_runs():
        change(task := load_run(run))
    again = loaded(run)
    assert again is not task
    assert not again.backbone.training
    after = weights(again)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert before.keys() == after.keys()


def test_a_run_that_was_trained_again_is_another(run, loads, tmp_path):
    copy = copytree(run, tmp_path / "copy")
    loaded(copy)
    path = next((copy / "adapter").glob("*.safetensors"))
    before = path.read_bytes()
    other = fit(resolve("toy/regress", ["seed=5"], smoke=True), run_dir=tmp_path / "other")
    path.write_bytes((other / "adapter" / path.name).read_bytes())
    assert path.read_bytes() != before
    restate(copy)
    write_manifest(copy)
    loaded(copy)
    assert len(loads) == 2


def test_only_the_last_runs_are_kept(run, loads, tmp_path):
    copies = [copytree(run, tmp_path / str(i)) for i in range(loaded_run.CAPACITY + 1)]
    for copy in (*copies, copies[-1], copies[0]):
        loaded(copy)
    assert len(loads) == len(copies) + 1
