"""A kept run is, bit for bit, the run that would be loaded."""

import pytest
import torch
from case_table import table

from scionwood import fit, load_run
from scionwood.adapters.content import restate
from scionwood.recipes.recipe import resolve
from scionwood.runs.manifest import write_manifest
from scionwood.training import loaded_run
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


def test_a_run_is_kept_from_block_to_block_and_nowhere_else(run):
    task = loaded(run)
    assert loaded(run) is task
    assert load_run(run) is not task
    assert load_run(run) is not load_run(run)


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
def test_a_run_that_was_changed_is_loaded_again(run, change):
    before = weights(loaded(run))
    with keep_runs():
        change(task := load_run(run))
    again = loaded(run)
    assert again is not task
    assert not again.backbone.training
    after = weights(again)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert before.keys() == after.keys()


def test_a_run_that_was_restored_is_kept(run):
    with keep_runs():
        weight = next((task := load_run(run)).parameters())
        before = weight.detach().clone()
        weight.add_(1)
        weight.copy_(before)
    assert loaded(run) is task


def test_a_run_is_not_kept_after_an_error(run):
    with pytest.raises(ValueError, match="middle"), keep_runs():  # noqa: PT012
        task = load_run(run)
        raise ValueError("in the middle")
    assert loaded(run) is not task


def test_a_run_that_was_trained_again_is_another(run, tmp_path):
    from shutil import copytree

    copy = copytree(run, tmp_path / "copy")
    task = loaded(copy)
    path = next((copy / "adapter").glob("*.safetensors"))
    before = path.read_bytes()
    other = fit(resolve("toy/regress", ["seed=5"], smoke=True), run_dir=tmp_path / "other")
    path.write_bytes((other / "adapter" / path.name).read_bytes())
    assert path.read_bytes() != before
    restate(copy)
    write_manifest(copy)
    assert loaded(copy) is not task


def test_only_the_last_runs_are_kept(run, tmp_path):
    from shutil import copytree

    copies = [copytree(run, tmp_path / str(i)) for i in range(loaded_run.CAPACITY + 1)]
    tasks = [loaded(copy) for copy in copies]
    assert loaded(copies[-1]) is tasks[-1]
    assert loaded(copies[0]) is not tasks[0]
