"""The search for PEML's prefix network: two splits, two optimisers, one operation at the end."""

from itertools import pairwise

import pytest
import torch
from attention_model import numbers
from case_table import table
from method_layers import adapted, trainable, unsettle
from peft import PeftModel
from prefix_models import base, config, prefixed
from safetensors.torch import load_file

from scionwood import AdapterError
from scionwood_methods.peml.prefix import OPERATIONS
from scionwood_methods.peml.search import discretise, search


def batches(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 5, 12, generator=generator) for _ in range(count)]


def loss(model, x):
    return (model(x) - x.sum(-1, keepdim=True)).square().mean()


@torch.no_grad()
def mean(model, split):
    return sum(float(loss(model, x)) for x in split) / len(split)


def network_of(model):
    return model.base_model.model.layers[0].o_proj.peml_network["default"]


def test_alpha_uses_the_validation_split_and_weights_the_training_split():
    model = unsettle(prefixed("plain", network="search"))
    network, seen = network_of(model), []

    def noting(tuned, x):
        before = network.alpha.detach().clone(), network.embeddings.detach().clone()
        seen.append((float(x[0, 0, 0]), *before))
        return loss(tuned, x)

    train, valid = batches(3, 0), batches(3, 1)
    steps = list(search(model, train, valid, noting))
    first = [float(x[0, 0, 0]) for pair in zip(valid, train, strict=True) for x in pair]
    assert [each[0] for each in seen] == first
    for number, (before, after) in enumerate(pairwise(seen)):
        of_alpha = number % 2 == 0
        assert torch.equal(before[1], after[1]) != of_alpha
        assert torch.equal(before[2], after[2]) == of_alpha
    assert len(steps) == 3
    assert steps[-1].keys() == OPERATIONS.keys()
    assert sum(steps[-1].values()) == pytest.approx(1)
    assert len(set(steps[-1].values())) > 1


@table("chosen", OPERATIONS)
def test_the_chosen_operation_is_kept_and_loads_without_a_search(chosen, tmp_path):
    model, x = unsettle(prefixed("plain", network="search")).eval(), numbers()
    with torch.no_grad():
        network_of(model).alpha.fill_(-1e3)[list(OPERATIONS).index(chosen)] = 0.0
    before = model(x)
    assert discretise(model, restart=False) == chosen
    assert torch.equal(model(x), before)
    assert model.peft_config["default"].network == chosen
    model.save_pretrained(tmp_path)
    keys = load_file(tmp_path / "adapter_model.safetensors")
    assert not any("alpha" in key for key in keys)
    assert {key.split("operations.")[1].split(".")[0] for key in keys if "operations" in key} <= {
        chosen
    }
    assert torch.equal(PeftModel.from_pretrained(base("plain"), tmp_path).eval()(x), before)


def test_restarted_training_begins_at_the_identity():
    model, x = prefixed("plain", network="search"), numbers()
    for _ in search(model, batches(2, 0), batches(2, 1), loss):
        pass
    assert not torch.equal(model(x), base("plain")(x))
    discretise(model)
    assert torch.equal(model.eval()(x), base("plain")(x))
    unsettle(model).train()(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in trainable(model).values())


def test_an_interrupted_search_is_saved_with_its_weights(tmp_path):
    model, x = unsettle(prefixed("plain", network="search")).eval(), numbers()
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(base("plain"), tmp_path, is_trainable=True).eval()
    assert torch.equal(again(x), model(x))
    assert network_of(again).shares() == network_of(model).shares()
    discretise(again)


@pytest.mark.parametrize("run", [discretise, lambda m: next(search(m, [0], [0], loss))])
def test_refuses_adapters_without_a_search(run):
    for model in (prefixed("plain"), adapted("peml", "Linear"), adapted("disel", "Linear")):
        with pytest.raises(AdapterError, match="no prefix network with"):
            run(model)
    assert config("plain").network == "mlp"
