"""Methods by name, and methods of third parties: registered, trained, saved and loaded."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import peft
import pytest
import torch
from adapter_nets import Net, answer, unsettle
from peft import LoraConfig, PeftConfig, PeftType

from scionwood.adapters import (
    attach,
    load_adapter,
    load_head,
    merge,
    parameter_groups,
    save_adapter,
    save_head,
)
from scionwood.adapters.methods import BUILT_IN, config_class, extend_enum, methods, origin
from scionwood.authoring import peft_method
from scionwood.errors import AdapterError, AdapterFileError
from scionwood.plugins import discovery

CHILD = """
import sys, torch
from pathlib import Path
from adapter_nets import Net, answer
from scionwood.adapters import load_adapter, load_head
folder = Path(sys.argv[1])
net = Net()
load_head(net, folder / "head.safetensors")
torch.save(answer("gated", load_adapter(net, folder)), folder / "answer.pt")
"""


@pytest.fixture
def folder(gated: str, tmp_path: Path) -> Path:
    model = unsettle(attach(Net(), config_class(gated)(r=3), targets="mlp")).eval()
    save_adapter(model, tmp_path / "adapter")
    save_head(model, tmp_path / "adapter" / "head.safetensors")
    torch.save(answer("gated", model), tmp_path / "wanted.pt")
    return tmp_path / "adapter"


def test_peft_methods_are_named_in_lower_case():
    assert config_class("lora") is LoraConfig
    assert {"lora", "vera", "oft"} <= set(methods())
    assert "prompt_tuning" not in methods(), "prompts need a language model"
    assert config_class("prompt_tuning") is peft.PromptTuningConfig
    with pytest.raises(AdapterError, match="Did you mean 'lora'"):
        config_class("lorra")
    with pytest.raises(AdapterError, match="plugin 'nowhere'"):
        config_class("nowhere/method")


def test_lists_the_method_of_a_plugin_with_its_origin(gated):
    assert gated in methods()
    source = origin(config_class(gated)())
    assert (source.method, source.plugin) == ("gated/lowrank", "gated")
    assert source.distribution == "gated-peft 1.0"


def test_refuses_a_plugin_entry_that_is_not_a_method(distribution):
    code = "from scionwood import Plugin\nplugin = Plugin(name='odd', adapters={'x': 'json:dumps'})"
    distribution("odd", code)
    with pytest.raises(AdapterError, match="is not a config class"):
        config_class("odd/x")


def test_a_third_party_adapter_loads_with_the_same_output(folder):
    net = Net()
    load_head(net, folder / "head.safetensors")
    wanted = torch.load(folder.parent / "wanted.pt", weights_only=True)
    assert torch.equal(answer("gated", load_adapter(net, folder)), wanted)


@pytest.mark.slow
def test_a_fresh_process_loads_a_third_party_adapter(folder):
    command = [sys.executable, "-c", CHILD, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = torch.load(folder.parent / "wanted.pt", weights_only=True)
    assert torch.equal(torch.load(folder / "answer.pt", weights_only=True), wanted)
    manifest = json.loads((folder / "scionwood.json").read_text())
    assert manifest["method"] == "gated/lowrank"
    assert manifest["requires_plugin"] == "gated"


def test_a_missing_plugin_is_named_with_its_pip_command_unless_that_is_hostile(folder, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_DISABLE", "gated")
    discovery.refresh()
    with pytest.raises(AdapterFileError, match=r"plugin 'gated'.*pip install gated-peft"):
        load_adapter(Net(), folder)
    manifest = json.loads((folder / "scionwood.json").read_text())
    manifest["distribution"] = "x; rm -rf / #"
    (folder / "scionwood.json").write_text(json.dumps(manifest))
    with pytest.raises(AdapterFileError) as caught:
        load_adapter(Net(), folder)
    assert "rm -rf" not in str(caught.value)


def test_refuses_a_method_with_the_type_of_another(folder):
    for name in ("scionwood.json", "adapter_config.json"):
        record = {**json.loads((folder / name).read_text()), "peft_type": "EVIL"}
        (folder / name).write_text(json.dumps(record))
    with pytest.raises(AdapterFileError, match="'EVIL': belongs to another method"):
        load_adapter(Net(), folder)


def test_a_method_can_set_its_own_learning_rate(gated):
    model = attach(Net(), config_class(gated)(gate_lr_scale=5.0))
    groups = {g["name"]: g for g in parameter_groups(model, lr=0.1, weight_decay=0.01)}
    assert list(groups) == ["gated_gate", "adapter", "head"]
    assert (groups["gated_gate"]["lr"], groups["gated_gate"]["weight_decay"]) == (0.5, 0.0)
    assert (groups["adapter"]["lr"], groups["head"]["weight_decay"]) == (0.1, 0.01)
    grouped = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    torch.optim.AdamW(list(groups.values()))


def test_refuses_to_merge_an_input_dependent_adapter(gated):
    model = unsettle(attach(Net(), config_class(gated)())).eval()
    before = answer("gated", model)
    with pytest.raises(AdapterError, match="'gated': cannot be merged"):
        merge(model)
    assert torch.equal(answer("gated", model), before)


def test_names_a_layer_that_a_third_party_does_not_support(gated):
    with pytest.raises(AdapterError, match=r"blocks\.0\.norm \(LayerNorm\)"):
        attach(Net(), config_class(gated)(), targets="norms")


def test_an_added_enum_member_behaves_like_those_of_peft():
    first = extend_enum("SCION_TEST")
    assert extend_enum("SCION_TEST") is first is PeftType.SCION_TEST is PeftType("SCION_TEST")
    assert list(PeftType).count(first) == 1
    assert first == "SCION_TEST"
    assert pickle.loads(pickle.dumps(first)) is first
    assert json.loads(json.dumps(first)) == "SCION_TEST"
    assert {"SCION_TEST": 1}[first] == 1
    assert repr(first) == "<PeftType.SCION_TEST: 'SCION_TEST'>"
    assert set(PeftType.__members__) >= BUILT_IN
    assert PeftType("LORA") is PeftType.LORA


def test_a_method_can_be_registered_again_but_not_replaced(gated):
    cls = config_class(gated)
    tuner = type("Other", (), {"prefix": "other_"})
    assert peft_method("gated", tuner=type("Same", (), {"prefix": "gated_"}))(cls) is cls
    with pytest.raises(AdapterError, match="has this name already"):
        peft_method("gated", tuner=tuner)(another())
    with pytest.raises(AdapterError, match="peft has one of this name"):
        peft_method("lora", tuner=tuner)(another())
    with pytest.raises(AdapterError, match="prefix 'lora_'"):
        peft_method("fresh", tuner=type("Clash", (), {"prefix": "lora_"}))(another())
    with pytest.raises(AdapterError, match="lower case"):
        peft_method("Fresh", tuner=tuner)(another())
    bare = type("Bare", (PeftConfig,), {"target_modules": None})
    with pytest.raises(AdapterError, match="Put @dataclass below @peft_method"):
        peft_method("bare", tuner=tuner)(bare)


def another() -> type[PeftConfig]:
    @dataclass
    class AnotherConfig(PeftConfig):
        target_modules: list[str] | str | None = None

    return AnotherConfig
