"""A recipe of any field can name a method; runs resume exactly, also in several processes."""

import multiprocessing

import pytest
import torch
from case_table import table
from method_layers import METHODS, trainable
from safetensors.torch import load_file
from two_processes import gradient, model_and_batch

from scionwood import fit
from scionwood.recipes.recipe import resolve
from scionwood_methods import plugin


def recipe(method, steps):
    options = "".join(f", {key}: {value}" for key, value in METHODS.get(method, {}).items())
    every = "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]"
    chosen = f"adapter={{name: methods/{method}, targets: blocks{options}}}"
    return resolve("toy/regress", [chosen, every, f"trainer.max_steps={steps}"])


FEW = {"gpart"}  # its vector is shared by all layers
EVERY = [
    pytest.param(name, marks=[] if name in FEW else [pytest.mark.slow]) for name in plugin.adapters
]


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("method", EVERY)
def test_an_interrupted_run_continues_exactly(method, tmp_path):
    whole = fit(recipe(method, 3), run_dir=tmp_path / "whole")
    cut = fit(recipe(method, 2), run_dir=tmp_path / "cut")
    two = tensors(cut)
    fit(recipe(method, 3), resume=cut)
    assert any(not torch.equal(a, b) for a, b in zip(two, tensors(cut), strict=True))
    for left, right in zip(tensors(whole), tensors(cut), strict=True):
        assert torch.equal(left, right)


def tensors(run):
    state = load_file(run / "adapter" / "adapter_model.safetensors")
    return [state[key] for key in sorted(state)]


@table("method", plugin.adapters)
def test_two_processes_give_the_gradients_of_one(method, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["two_processes"])  # what takes long is imported once
    out = str(tmp_path / "gradient.pt")
    pair = [context.Process(target=gradient, args=(r, method, out), daemon=True) for r in range(2)]
    for process in pair:
        process.start()
    for process in pair:
        process.join(120)
    assert [process.exitcode for process in pair] == [0, 0]
    model, x = model_and_batch(method)
    model(x).square().mean().backward()
    gradients = torch.load(out, weights_only=True)
    assert gradients.keys() == trainable(model).keys()
    for name, parameter in trainable(model).items():
        torch.testing.assert_close(gradients[name], parameter.grad)
