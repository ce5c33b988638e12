"""Layers that share a tensor: no merge and no training changes a layer that has no adapter."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from adapter_nets import unsettle
from case_table import table
from peft import LoraConfig, PeftModel
from tied_models import HEADS, Tied, TiedByView, Twice, model, scores, seeded

from scionwood.adapters import (
    attach,
    base_hash,
    load_adapter,
    load_head,
    merge,
    report,
    save_adapter,
    save_head,
    unmerge,
)
from scionwood.errors import AdapterError

IDS = torch.arange(10).reshape(2, 5)


def lora(**options: Any) -> LoraConfig:
    return LoraConfig(r=2, **options)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
@table("name", HEADS)
def test_all_linear_leaves_out_the_output_layer_of_a_tied_model(name):
    tuned = unsettle(attach(model(name), lora(), targets="all-linear", head=()))
    peer = PeftModel(model(name), lora(target_modules="all-linear"))
    assert tuned.targeted_module_names == peer.targeted_module_names
    assert HEADS[name] not in tuned.targeted_module_names
    before, frozen = scores(name, tuned), base_hash(tuned)
    merge(tuned)
    assert torch.allclose(scores(name, tuned), before, atol=1e-5)
    unmerge(tuned)
    assert torch.equal(scores(name, tuned), before)
    assert base_hash(tuned) == frozen


@table(
    ("build", "target", "names"),
    [
        (Tied, "all-linear", ("out.weight", "emb.weight")),
        (TiedByView, "out", ("out.weight", "emb.weight")),
        (Tied, "emb", ("emb.weight", "out.weight")),
        (Twice, "first", ("first.weight", "second.weight")),
    ],
)
def test_attach_refuses_a_shared_tensor_and_names_both_layers(build, target, names):
    net = seeded(build)
    before = {name: (id(value), value.clone()) for name, value in net.state_dict().items()}
    with pytest.raises(
        AdapterError, match=r"{}: .*shares its memory with {}.*untie=True".format(*names)
    ):
        attach(net, lora(), targets=target, head=())
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name][1]) for name, value in net.state_dict().items())


@table(("build", "target"), [(Tied, "out"), (TiedByView, "out"), (Twice, "first")])
def test_an_untied_layer_merges_exactly_and_is_untied_again_when_it_is_loaded(
    build, target, tmp_path
):
    x = torch.ones(2, 8) if build is Twice else IDS
    tuned = unsettle(attach(seeded(build), lora(), targets=target, head=(), untie=True))
    assert report(tuned).untied_bytes == sum(
        value.nbytes
        for name, value in tuned.base_model.model.get_submodule(
            target
        ).base_layer.named_parameters()
    )
    assert "untied copies of" in str(report(tuned))
    before = tuned(x)
    save_adapter(tuned, tmp_path)
    for each in (tuned, load_adapter(seeded(build), tmp_path), copy.deepcopy(tuned)):
        merge(each)
        assert torch.allclose(each(x), before, atol=1e-5)
        unmerge(each)
        assert torch.equal(each(x), before)
    assert torch.equal(PeftModel.from_pretrained(seeded(build), tmp_path)(x), before)


@pytest.mark.parametrize("build", [Tied, TiedByView])
def test_a_tied_layer_that_was_adapted_before_loads_and_merges_on_request_alone(build, tmp_path):
    peer = unsettle(PeftModel(seeded(build), lora(target_modules=["out"])))
    peer.save_pretrained(tmp_path)
    before = peer(IDS)
    with pytest.warns(UserWarning, match=r"no scionwood\.json"):
        tuned = load_adapter(seeded(build), tmp_path)
    assert torch.equal(tuned(IDS), before)
    with pytest.raises(AdapterError, match=r"out\.weight: .*with emb\.weight"):
        merge(tuned)
    assert torch.equal(tuned(IDS), before)
    merge(tuned, untie=True)
    assert torch.allclose(tuned(IDS), before, atol=1e-5)
    unmerge(tuned)
    assert torch.equal(tuned(IDS), before)
    inner = tuned.get_base_model()
    shared = inner.out.base_layer.weight.data_ptr()
    assert shared == inner.emb.weight.data_ptr(), "the two are tied again"


def test_a_head_that_shares_a_tensor_with_the_base_would_train_it(tmp_path):
    with pytest.raises(AdapterError, match=r"out\.weight: .*with emb\.weight"):
        attach(seeded(Tied), lora(), targets="hidden", head=("out",))
    tuned = attach(seeded(Tied), lora(), targets="hidden", head=("out",), untie=True)
    assert not tuned.get_base_model().emb.weight.requires_grad
    unsettle(tuned)
    save_adapter(tuned, tmp_path)
    save_head(tuned, tmp_path / "head.safetensors")
    again = load_adapter(seeded(Tied), tmp_path)
    load_head(again, tmp_path / "head.safetensors")
    assert torch.equal(again(IDS), tuned(IDS))


def test_a_module_of_the_head_that_occurs_twice_is_named():
    net = Twice()
    net.hidden = torch.nn.Linear(8, 8)
    with pytest.raises(AdapterError, match=r"first\.weight: .*with second\.weight"):
        attach(net, lora(), targets="hidden", head=("first",))


def test_tied_layers_with_one_adapter_for_both_are_merged_once():
    options = {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True}
    tuned = unsettle(attach(model("llama"), lora(**options), head=()))
    before = scores("llama", tuned)
    merge(tuned)
    assert torch.allclose(scores("llama", tuned), before, atol=1e-5)
    unmerge(tuned)
    assert torch.equal(scores("llama", tuned), before)
    inner = tuned.get_base_model()
    assert inner.lm_head.base_layer.weight is inner.model.embed_tokens.base_layer.weight


def test_parts_of_one_buffer_are_not_shared():
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    flat = torch.randn(32)
    net[0].weight = torch.nn.Parameter(flat[:16].view(4, 4))
    net[1].weight = torch.nn.Parameter(flat[16:].view(4, 4))
    merge(attach(net, lora(), targets="0", head=()))
