"""The head trains and is saved beside the adapter; baselines train it alone or train everything."""

from __future__ import annotations

from typing import ClassVar

import pytest
import timm
import torch
import torch.nn as nn
from adapter_nets import Net
from peft import LoraConfig
from safetensors.torch import load_file

from scionwood.adapters import (
    attach,
    base_hash,
    eval_frozen_norms,
    freeze,
    load_head,
    parameter_groups,
    report,
    save_head,
    unfreeze,
)
from scionwood.errors import AdapterError

HEAD = 16 * 8 + 8 + 8 + 8 + 8 * 4 + 4
BASE = 12 * 16 + 16 * 17 + 32 + 2 * (32 + 16 * 32 + 32 + 32 * 16 + 16)
LORA = 4 * 4 * (16 + 32)


def test_a_saved_head_includes_the_buffers_of_its_norms(tmp_path):
    model = attach(Net(), LoraConfig(r=2))
    model.get_base_model().decoder[1].running_mean += 1
    save_head(model, tmp_path / "head.safetensors")
    assert set(load_file(tmp_path / "head.safetensors")) == {
        name for name in Net().state_dict() if name.startswith("decoder.")
    }
    other = Net(seed=1)
    load_head(other, tmp_path / "head.safetensors")
    wanted = model.get_base_model().decoder.state_dict()
    assert all(torch.equal(v, wanted[k]) for k, v in other.decoder.state_dict().items())


def test_freeze_trains_only_the_head():
    net = Net()
    freeze(net)
    counts = report(net)
    assert (counts.trainable_adapter, counts.trainable_head) == (0, HEAD)
    assert (counts.base, counts.total) == (BASE, BASE + HEAD)
    assert [group["name"] for group in parameter_groups(net, 0.1)] == ["head"]


def test_unfreeze_trains_everything_and_saves_it_as_the_head(tmp_path):
    net = Net()
    unfreeze(net)
    assert report(net).trainable_head == report(net).total == BASE + HEAD
    save_head(net, tmp_path / "head.safetensors")
    assert set(load_file(tmp_path / "head.safetensors")) == set(net.state_dict())
    other = Net(seed=1)
    unfreeze(other)
    load_head(other, tmp_path / "head.safetensors")
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in net.state_dict().items())


def test_the_report_states_its_denominator():
    counts = report(attach(Net(), LoraConfig(r=4)))
    assert (counts.trainable_adapter, counts.trainable_head) == (LORA, HEAD)
    assert (counts.base, counts.total) == (BASE, BASE + LORA + HEAD)
    assert counts.share == (LORA + HEAD) / (BASE + LORA + HEAD)
    text = f"trainable {LORA + HEAD:,} (adapter {LORA:,}, head {HEAD:,}) of {counts.total:,} = "
    assert str(counts) == f"{text}{counts.share:.2%} of base {BASE:,} + adapter + head"


def test_running_statistics_change_in_the_head_only_or_in_full_fine_tuning():
    model, whole = attach(Net(), LoraConfig(r=2)).train(), Net().train()
    unfreeze(whole)
    for each in (model, whole):
        eval_frozen_norms(each)
        each(torch.randn(8, 16))
    net = model.get_base_model()
    assert base_hash(model) == base_hash(Net())
    assert not torch.equal(net.decoder[1].running_mean, Net().decoder[1].running_mean)
    assert not torch.equal(whole.stem[1].running_mean, Net().stem[1].running_mean)


def test_a_module_named_head_does_not_declare_a_head():
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=1)
    model = attach(vit, LoraConfig(r=2), targets=r"blocks\.0\.attn\.qkv")
    assert report(model).trainable_head == 0


def test_refuses_to_save_a_head_if_there_is_none(tmp_path):
    with pytest.raises(AdapterError, match="declares none"):
        save_head(nn.Linear(2, 2), tmp_path / "head.safetensors")
    assert not list(tmp_path.iterdir())


def test_refuses_wrong_parameter_groups():
    class Odd(LoraConfig):
        groups: ClassVar[dict] = {}

        def parameter_groups(self) -> dict:
            return self.groups

    model = attach(Net(), Odd(r=2))
    Odd.groups = {"lora_C": {"lr_scale": 2.0}}
    with pytest.raises(AdapterError, match="no parameter is below an attribute of this name"):
        parameter_groups(model, 0.1)
    Odd.groups = {"lora_B": {"lr": 2.0}}
    with pytest.raises(AdapterError, match=r"unknown option lr\. Known: lr_scale, weight_decay"):
        parameter_groups(model, 0.1)
