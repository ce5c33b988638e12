"""Merge and unmerge are exact; compose runs several adapters with weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn as nn
from adapter_nets import Net, answer, unsettle
from case_table import table
from peft import HRAConfig, IA3Config, LoHaConfig, LoraConfig, OSFConfig, PeftConfig

from scionwood.adapters import attach, base_hash, compose, merge, unmerge
from scionwood.adapters.methods import config_class
from scionwood.errors import AdapterError

CONFIGS: dict[str, Callable[[], PeftConfig]] = {
    "lora": lambda: LoraConfig(r=4),
    "dora": lambda: LoraConfig(r=4, use_dora=True),
    "loha": lambda: LoHaConfig(r=2),
    "hra": lambda: HRAConfig(r=2),
    "osf": lambda: OSFConfig(effective_rank=4),
    "ia3": lambda: IA3Config(feedforward_modules=["fc2"]),
}


def two(make: Callable[[], PeftConfig]) -> nn.Module:
    """Return a model with the adapters a and b and an unchanged head."""
    model = attach(Net(), make(), targets="mlp", name="a")
    attach(model, make(), targets="mlp", name="b")
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".a" in name or ".b" in name:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


@table("method", CONFIGS)
def test_merge_keeps_the_output_and_unmerge_restores_the_base_exactly(method):
    model = unsettle(attach(Net(), CONFIGS[method](), targets="mlp")).eval()
    wanted = answer(method, model)
    merge(model)
    assert torch.allclose(answer(method, model), wanted, atol=1e-5)
    unmerge(model)
    assert base_hash(model) == base_hash(Net())
    assert torch.equal(answer(method, model), wanted)


def test_refuses_to_merge_twice_or_to_unmerge_nothing():
    model = attach(Net(), LoraConfig(r=2))
    with pytest.raises(AdapterError, match="no adapter is merged"):
        unmerge(model)
    merge(model)
    with pytest.raises(AdapterError, match="merged already"):
        merge(model)


def test_a_merge_that_is_not_finite_does_not_change_the_base():
    model = attach(Net(), LoraConfig(r=2))
    layer = model.get_base_model().blocks[1].fc2
    layer.lora_B["default"].weight.data.fill_(float("nan"))
    with pytest.raises(AdapterError, match="cannot be merged"):
        merge(model)
    assert base_hash(model) == base_hash(Net())


def test_composed_lora_equals_cat_of_peft():
    model = two(CONFIGS["lora"])
    with compose(model, {"a": 1.0, "b": 0.5}):
        ours = answer("lora", model)
    model.add_weighted_adapter(["a", "b"], [1.0, 0.5], "both", combination_type="cat")
    model.set_adapter("both")
    assert torch.allclose(ours, answer("lora", model), atol=1e-6)


@table("method", CONFIGS)
def test_one_adapter_of_weight_one_equals_this_adapter(method):
    model = two(CONFIGS[method])
    model.set_adapter("a")
    wanted = answer(method, model)
    model.set_adapter("b")
    with compose(model, {"a": 1.0}):
        assert torch.allclose(answer(method, model), wanted, atol=1e-6)


def test_input_dependent_adapters_compose_layer_by_layer(gated):
    model = two(config_class(gated))
    layer = model.get_base_model().blocks[0].fc1
    x = torch.randn(5, 16)
    alone = {}
    for name in ("a", "b"):
        model.set_adapter(name)
        alone[name] = layer(x) - layer.base_layer(x)
    with compose(model, {"a": 1.0, "b": 0.5}):
        composed = layer(x) - layer.base_layer(x)
    assert torch.allclose(composed, alone["a"] + 0.5 * alone["b"], atol=1e-6)
    assert alone["b"].abs().max() > 1e-3


def test_a_mean_divides_by_the_weights_and_zero_weights_give_the_base():
    model = two(CONFIGS["lora"])
    with compose(model, {"a": 2.0, "b": 2.0}, mode="mean"):
        mean = answer("lora", model)
    with compose(model, {"a": 0.5, "b": 0.5}):
        assert torch.allclose(answer("lora", model), mean, atol=1e-6)
    with compose(model, {"a": 0.0, "b": 0.0}):
        zero = answer("lora", model)
    with model.disable_adapter():
        assert torch.equal(answer("lora", model), zero)


def test_restores_the_model_after_an_error_in_the_block():
    model = two(CONFIGS["lora"])
    before = answer("lora", model)
    flags = [p.requires_grad for p in model.parameters()]
    with pytest.raises(KeyError), compose(model, {"a": 1.0, "b": 1.0}):
        raise KeyError("inside")
    assert torch.equal(answer("lora", model), before)
    assert [p.requires_grad for p in model.parameters()] == flags


@table(
    ("weights", "mode", "message"),
    [
        ({"a": 1.0, "c": 1.0}, "sum", "Loaded: a, b"),
        ({}, "sum", "must not be empty"),
        ({"a": 1.0, "b": -1.0}, "mean", "add up to zero"),
    ],
)
def test_refuses_wrong_weights(weights, mode, message):
    refused = pytest.raises(AdapterError, match=message)
    with refused, compose(two(CONFIGS["lora"]), weights, mode=mode):
        pass
    model = attach(Net(), LoraConfig(r=2, modules_to_save=["stem"]))
    with pytest.raises(AdapterError, match="cannot be added"), compose(model, {"default": 1.0}):
        pass
