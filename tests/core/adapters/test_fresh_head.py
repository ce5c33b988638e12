"""A new last layer trains if it is named, and is reported if it stays frozen."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import timm
import torch
import torch.nn as nn
import torchvision
from adapter_nets import Net, language_model
from case_table import table
from peft import LoraConfig
from safetensors.torch import load_file

from scionwood.adapters import (
    attach,
    base_hash,
    load_adapter,
    load_head,
    report,
    save_adapter,
    save_head,
)
from scionwood.authoring import FrozenHeadWarning
from scionwood.errors import AdapterError, AdapterFileError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit, load_run

QKV = r"blocks\.\d+\.attn\.qkv"


def vit(classes: int = 1000) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=1, embed_dim=48, num_classes=classes
    )


def trained(model: nn.Module) -> nn.Module:
    """Move every value a little, as training does; stands for pretrained weights."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point():
                value += 1e-3 * torch.randn(value.shape, generator=generator).to(value.dtype)
    return model


@contextmanager
def silence() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_named_head_trains_and_is_restored_with_the_adapter(tmp_path):
    model = attach(vit(10), LoraConfig(r=2), targets=QKV, head=("head",))
    assert report(model).trainable_head == 48 * 10 + 10
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1
    save_adapter(model, tmp_path / "adapter")
    save_head(model, tmp_path / "head.safetensors")
    assert set(load_file(tmp_path / "head.safetensors")) == {"head.weight", "head.bias"}

    again = load_adapter(vit(10), tmp_path / "adapter", trainable=True)
    load_head(again, tmp_path / "head.safetensors")
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(again.eval()(images), model.eval()(images))
    assert report(again) == report(model)

    alone = vit(10)  # the head may be loaded first
    load_head(alone, tmp_path / "head.safetensors")
    assert base_hash(alone) == base_hash(model)
    assert report(load_adapter(alone, tmp_path / "adapter", trainable=True)) == report(model)


def test_a_head_adds_to_that_of_the_backbone():
    model = attach(Net(), LoraConfig(r=2), head="stem.0")
    inner = model.get_base_model()
    assert inner.stem[0].weight.requires_grad
    assert inner.decoder[0].weight.requires_grad
    assert not inner.stem[1].weight.requires_grad


def test_a_refused_head_leaves_the_model_as_it_was():
    net = Net()
    before = sorted(vars(net))
    with pytest.raises(AdapterError, match="head 'decodr' of Net: it has no such module"):
        attach(net, LoraConfig(r=2), head=("decodr",))
    with pytest.raises(AdapterError, match="the whole model is no head"):
        attach(net, LoraConfig(r=2), head=("",))
    with pytest.raises(AdapterError, match="no module of Net has such a name"):
        attach(net, LoraConfig(r=2), targets="nothing", head=("embed",))
    assert sorted(vars(net)) == before


def test_a_second_adapter_cannot_take_a_module_out_of_the_base():
    model = attach(Net(), LoraConfig(r=2))
    with pytest.raises(AdapterError, match="Name the head when the first adapter is attached"):
        attach(model, LoraConfig(r=2), head=("stem",), name="second")
    attach(model, LoraConfig(r=2), head=("decoder",), name="third")


@table("head", [[""], ["blocks"], "decoder", [3], ["absent"]])
def test_a_hostile_list_of_heads_changes_nothing(head, tmp_path):
    save_adapter(attach(Net(), LoraConfig(r=2)), tmp_path)
    record = json.loads((tmp_path / "scionwood.json").read_text())
    (tmp_path / "scionwood.json").write_text(json.dumps({**record, "head": head}))
    net = Net()
    before = sorted(vars(net))
    if head in ([""], "decoder"):  # names nothing that is not the head of the backbone already
        load_adapter(net, tmp_path)
        return
    with pytest.raises(AdapterFileError):
        load_adapter(net, tmp_path)
    assert sorted(vars(net)) == before


def test_both_classifiers_of_a_distilled_model_are_reported():
    model = timm.create_model("deit_tiny_distilled_patch16_224", depth=1, num_classes=10)
    with pytest.warns(FrozenHeadWarning, match=r"head=\('head', 'head_dist'\)"):
        attach(model, LoraConfig(r=2), targets=QKV)


def test_a_new_classifier_is_reported():
    with pytest.warns(FrozenHeadWarning) as caught:
        attach(vit(10), LoraConfig(r=2), targets=QKV)
    (warning,) = caught
    text = str(warning.message)
    assert "'head' of VisionTransformer: it was never trained" in text
    assert "it has 10 classes, and the pretrained weights have 1000" in text
    assert "attach(..., head=('head',))" in text
    assert warning.filename == __file__
    for bias in (True, False):
        net = trained(torchvision.models.resnet18())
        net.fc = nn.Linear(512, 10, bias=bias)
        with pytest.warns(FrozenHeadWarning, match=r"'fc' of ResNet: .* initial values"):
            attach(net, LoraConfig(r=2), targets=r"layer\d\.0\.conv1")
    head = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8))
    net = nn.ModuleDict({"body": trained(vit()), "head": head})
    with pytest.warns(FrozenHeadWarning, match="'head' of ModuleDict"):
        attach(net, LoraConfig(r=2), targets=r"body\.blocks\.0\.attn\.qkv")


@pytest.mark.filterwarnings("ignore")
def test_a_new_head_of_transformers_is_reported(tmp_path):
    from transformers import LlamaForSequenceClassification

    language_model().save_pretrained(tmp_path)
    model = LlamaForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    with pytest.warns(FrozenHeadWarning, match="'score' .* checkpoint is of LlamaForCausalLM"):
        attach(model, LoraConfig(r=2), targets=r".*\.q_proj")
    model.save_pretrained(tmp_path / "whole")
    again = LlamaForSequenceClassification.from_pretrained(tmp_path / "whole")
    with silence():
        attach(again, LoraConfig(r=2), targets=r".*\.q_proj")


@table(
    ("model", "targets"),
    [
        (lambda: trained(vit(10)), QKV),  # its own fine-tuned weights
        (lambda: trained(vit()), QKV),
        (lambda: vit(), QKV),  # random everywhere
        (lambda: vit(0), QKV),
        (lambda: torchvision.models.resnet18(), r"layer\d\.0\.conv1"),
        (lambda: trained(torchvision.models.resnet18()).half(), r"layer\d\.0\.conv1"),
        (language_model, r".*\.q_proj"),
        (lambda: trained(language_model()), r".*\.q_proj"),
        (lambda: nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(8, 8)}), "a"),
    ],
)
def test_a_trained_head_or_a_random_model_is_not_reported(model, targets):
    with silence():
        attach(model(), LoraConfig(r=2), targets=targets)


@table(
    ("config", "targets", "head"),
    [
        (LoraConfig(r=2), QKV, ("head",)),
        (LoraConfig(r=2), QKV, ()),
        (LoraConfig(r=2), rf"{QKV}|head", None),
        (LoraConfig(r=2, modules_to_save=["head"]), QKV, None),
    ],
)
def test_a_head_that_trains_is_not_reported(config, targets, head):
    with silence():
        attach(vit(10), config, targets=targets, head=head)


def test_a_run_restores_a_head_that_its_backbone_does_not_declare(tmp_path):
    recipe = resolve("toy/regress", ["trainer.max_steps=2"])
    tuned = attach(recipe.backbone.build(), LoraConfig(r=2), targets="blocks", head=("stem",))
    run = fit(recipe, run_dir=tmp_path / "run", backbone=tuned)
    saved = load_file(run / "head.safetensors")
    assert set(saved) == {"stem.weight", "stem.bias", "readout.weight", "readout.bias"}
    again = load_run(run).backbone.get_base_model().state_dict()
    assert all(torch.equal(again[name], value) for name, value in saved.items())
    fresh = recipe.backbone.build().state_dict()
    assert not torch.equal(again["stem.weight"], fresh["stem.weight"])
