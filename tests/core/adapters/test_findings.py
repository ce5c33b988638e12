"""All faults of a folder are listed, where loading stops at the first one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from adapter_nets import Net
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from scionwood.adapters import attach, inspect_folder, load_adapter, save_adapter, save_head
from scionwood.errors import AdapterFileError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tuned = attach(Net(), LoraConfig(r=2), targets="mlp")
    save_adapter(tuned, tmp_path / "adapter")
    save_head(tuned, tmp_path / "head.safetensors")
    return tmp_path / "adapter"


def other_base(folder: Path) -> None:
    record = json.loads((folder / "scionwood.json").read_text())
    record["base"]["sha256"] = "0" * 64
    del record["base_sketch"]
    (folder / "scionwood.json").write_text(json.dumps(record))


def test_a_sound_folder_keeps_every_rule_and_the_model_stays_bare(folder):
    model = Net()
    found = {finding.rule: finding for finding in inspect_folder(folder, model)}
    assert not [rule for rule, finding in found.items() if finding.faults]
    assert [rule for rule, finding in found.items() if finding.skipped] == ["files.json"]
    assert {"tensors: hash", "head: hash", "model: base", "model: names and shapes"} <= set(found)
    assert not any("lora" in name for name, _ in model.named_modules())


def test_every_fault_is_listed_where_loading_names_one(folder):
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {"megatron_config": {"a": 1}, "lora_alpha": 1e30, "surprise": 1}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    other_base(folder)
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    first, second, *_ = tensors
    tensors[first].view(-1)[0], tensors[second].view(-1)[0] = torch.nan, 1e30
    save_file(tensors, path)
    head = folder.parent / "head.safetensors"
    save_file({name: value * 2 for name, value in load_file(head).items()}, head)
    faults = {f.rule: len(f.faults) for f in inspect_folder(folder, Net()) if f.faults}
    wanted = {"config: options": 3, "tensors: values": 2, "tensors: hash": 1, "head: hash": 1}
    assert faults == wanted
    with pytest.raises(AdapterFileError, match="surprise"):
        load_adapter(Net(), folder)


def test_faults_against_a_model_are_listed_too(folder):
    other_base(folder)
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    tensors["foreign"] = torch.ones(2)
    tensors.pop(next(iter(tensors)))
    save_file(tensors, path)
    found = {f.rule: len(f.faults) for f in inspect_folder(folder, Net()) if f.faults}
    assert found == {"tensors: hash": 1, "model: base": 1, "model: names and shapes": 2}
