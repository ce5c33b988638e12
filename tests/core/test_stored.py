"""Modules without values: what they keep, where their weights lie, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from case_table import table
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from scionwood import WeightsError, load_weights
from scionwood.adapters import base_hash, stored
from scionwood.adapters.stored import chunks, deferring, noted
from scionwood.authoring import empty_weights


class Tied(nn.Module):
    """An embedding that is the output layer too, running statistics, and a buffer of no file."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norm = nn.BatchNorm1d(8)
        self.register_buffer("steps", torch.arange(8.0), persistent=False)
        self.out = nn.Linear(8, 11, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (batch,) to logits (batch, 11)."""
        return self.out(self.norm(self.layers[1](self.layers[0](self.embed(x)))) * self.steps)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    model = Tied()
    model.norm.running_mean += 3
    save_model(model, str(tmp_path / "model.safetensors"))
    return tmp_path / "model.safetensors"


def empty(path: Path) -> Tied:
    with deferring(), empty_weights() as is_empty:
        model = Tied()
    assert is_empty
    load_weights(model, path)
    return model


def whole(path: Path) -> Tied:
    model = Tied()
    load_weights(model, path)
    return model


def test_a_module_without_values_has_the_hash_ties_and_buffers_of_the_ordinary_one(
    file, monkeypatch
):
    monkeypatch.setattr(stored, "CHUNK", 24)  # three rows of the embedding at a time
    ordinary, model = whole(file), empty(file)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.out.weight is model.embed.weight
    assert torch.equal(model.norm.running_mean, ordinary.norm.running_mean)
    assert torch.equal(model.steps, ordinary.steps)
    assert [len(part) for part in chunks(model.embed.weight)] == [3, 3, 3, 2]
    assert base_hash(model) == base_hash(ordinary)


def test_the_hash_is_that_of_the_dtype_of_the_module(file):
    assert base_hash(empty(file).bfloat16()) == base_hash(whole(file).bfloat16())


def test_outside_a_sharded_run_nothing_changes(file):
    with empty_weights() as is_empty:
        model = Tied()
    assert not is_empty
    assert not any(parameter.is_meta for parameter in model.parameters())
    with deferring(), empty_weights():
        pass
    assert not nn.Linear(2, 2).weight.is_meta  # the hook of torch is gone


def test_a_parameter_that_two_modules_register_stays_one():
    shared = nn.Parameter(torch.zeros(3))
    with deferring(), empty_weights():
        one, two = nn.Module(), nn.Module()
        one.weight, two.weight = shared, shared
    assert one.weight is two.weight
    assert one.weight.is_meta


def test_an_index_names_the_files_of_a_model(file):
    state = whole(file).state_dict()
    state.pop("out.weight")
    names = sorted(state)
    table = {}
    for number, keys in enumerate((names[:4], names[4:])):
        save_file({key: state[key] for key in keys}, file.parent / f"part-{number}.safetensors")
        table |= dict.fromkeys(keys, f"part-{number}.safetensors")
    index = file.parent / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": table}))
    assert base_hash(empty(index)) == base_hash(whole(index)) == base_hash(whole(file))


@table(
    ("text", "rule"),
    [
        ("[]", "no map from tensors to files"),
        ('{"weight_map": {"a": 1}}', "no map from tensors to files"),
        ('{"weight_map": {"a": "../other.safetensors"}}', "no file of its folder"),
        ('{"weight_map": {"a": "gone.safetensors"}}', "no file of its folder"),
        ("{", "not a readable safetensors file"),
    ],
)
def test_a_wrong_index_is_refused(tmp_path, text, rule):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(text)
    with pytest.raises(WeightsError, match=rule):
        load_weights(Tied(), index)


def test_a_parameter_whose_file_nobody_named_is_refused(file):
    with deferring(), empty_weights():
        model = Tied()
    with pytest.raises(WeightsError, match=r"shape \(11, 8\): it has no values"):
        noted(model.embed.weight)
    with pytest.raises(WeightsError, match="no file was named for it"):
        base_hash(model)


def test_a_file_of_another_model_is_refused_without_values_too(file):
    with deferring(), empty_weights():
        model = nn.Linear(8, 8)
    with pytest.raises(WeightsError, match="of another model or size"):
        load_weights(model, file)
