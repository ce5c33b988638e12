"""Hostile adapters: each is refused with a typed error before the model changes."""

from __future__ import annotations

import copy
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from adapter_nets import Net
from case_table import table
from harms import TENSORS, option, plain, whole_stem
from hostile_cases import CASES, REDOS
from peft import (
    FrodConfig,
    LoraConfig,
    ShiraConfig,
    SupertuningConfig,
    VBLoRAConfig,
    get_peft_model,
)
from safetensors.torch import load_file, save_file

from scionwood.adapters import attach, load_adapter, load_head, save_adapter, save_head
from scionwood.adapters.content import restate
from scionwood.adapters.untrusted import raw_tensors, read_header
from scionwood.errors import AdapterFileError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "adapter"
    save_adapter(attach(Net(), LoraConfig(r=4), targets="mlp"), folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "adapter"))


@pytest.fixture
def net() -> Net:
    return Net()


def everything(model: torch.nn.Module) -> list[Any]:
    modules = [(name, type(module), module.training) for name, module in model.named_modules()]
    flags = [(name, p.requires_grad, id(p)) for name, p in model.named_parameters()]
    return [modules, flags, sorted(vars(model))]


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
@table("case", CASES, parts=6)
def test_refuses_a_hostile_folder_before_the_model_changes(case, sound, tmp_path, monkeypatch):
    folder, net = Path(shutil.copytree(sound, tmp_path / "adapter")), Net()
    CASES[case](folder)
    before = everything(net)
    imported = set(sys.modules)
    (folder.parent / "evil_module.py").write_text("raise SystemExit('imported')")
    started = time.monotonic()
    monkeypatch.syspath_prepend(folder.parent)
    with pytest.raises(AdapterFileError) as caught:
        load_adapter(net, folder)
    assert time.monotonic() - started < 5
    assert not {name for name in set(sys.modules) - imported if "evil" in name}
    assert everything(net) == before
    wanted = Net().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in net.state_dict().items())
    assert str(caught.value).count("\n") < 5
    assert len(str(caught.value)) < 1500


HARMLESS = {
    "an exclusion": plain(exclude_modules=REDOS),
    "a rank pattern": option(rank_pattern={REDOS: 4}),
    "many rank patterns": option(rank_pattern={f"({n}+)+X": 4 for n in range(60)}),
    "many names": plain(target_modules="|".join(["no"] * 200_000 + [r"blocks\.0\.fc1"])),
}


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
@table("case", HARMLESS)
def test_no_pattern_of_others_reaches_the_engine_of_python(case, sound, tmp_path, monkeypatch):
    """Each of these patterns would keep `re` busy for years; in linear time it matches nothing."""
    folder, net = Path(shutil.copytree(sound, tmp_path / "adapter")), Net()
    if case == "many names":
        save_adapter(attach(Net(), LoraConfig(r=4), targets="blocks.0.fc1"), folder)
    HARMLESS[case](folder)
    given: list[object] = []
    re.purge()
    compile = re._compiler.compile  # type: ignore[attr-defined]  # under every function of `re`
    monkeypatch.setattr(
        re._compiler,
        "compile",
        lambda pattern, *rest: given.append(pattern) or compile(pattern, *rest),
    )
    tuned = load_adapter(net, folder)
    assert any("lora_A" in name for name, _ in tuned.named_parameters())
    re.compile("seen")
    assert "seen" in given
    assert not [pattern for pattern in given if "+)+" in pattern or "no|no" in pattern]


REAL = {
    "names of projections": (r".*\.(fc1|fc2)", 4),
    "one layer": (r"blocks\.0\.(fc1|fc2)", 2),
    "bounded repeats": (r"(?:.*?(?:blocks|layers).*?(?:fc1|attn)){1,}", 2),
    "a class": (r"^blocks\.[\d]{1,}\.fc2$", 2),
}


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
@table("case", REAL)
def test_patterns_of_real_configs_select_the_same_modules_as_peft(case, tmp_path):
    net = Net()
    pattern, count = REAL[case]
    model = get_peft_model(Net(), LoraConfig(r=4, target_modules=pattern))
    model.save_pretrained(str(tmp_path))
    tuned = load_adapter(net, tmp_path)
    wrapped = [name for name, _ in tuned.named_parameters() if "lora_A" in name]
    assert wrapped == [name for name, _ in model.named_parameters() if "lora_A" in name]
    assert len(wrapped) == count
    save_adapter(tuned, tmp_path / "again")
    load_adapter(Net(), tmp_path / "again")


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
def test_patterns_as_keys_and_of_layers_count_as_in_peft(tmp_path, net):
    keys = {r"blocks\.[1-9]\.fc1": 2, "fc2": 3, "fc[1]": 8}
    config = LoraConfig(r=4, target_modules=["fc1", "fc2"], rank_pattern=keys, alpha_pattern=keys)
    for name, layers in (("all", (None, None)), ("one", ([1], ["bl[a-z]+"]))):
        config.layers_to_transform, config.layers_pattern = layers
        model = get_peft_model(Net(), copy.deepcopy(config))
        model.save_pretrained(str(tmp_path / name))
        tuned = load_adapter(Net(), tmp_path / name)
        for key, value in model.named_parameters():
            if "lora_" in key:
                assert tuned.get_parameter(key).shape == value.shape
        save_adapter(tuned, tmp_path / f"{name} again")
        load_adapter(Net(), tmp_path / f"{name} again")
    scalings = [module.scaling for module in tuned.modules() if hasattr(module, "scaling")]
    assert scalings == [{"default": 1.0}] * 2


def test_values_are_read_exactly_for_every_type_and_shape(tmp_path):
    path = tmp_path / TENSORS
    state = {
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.empty(0, 4),
        "half": torch.randn(3, 5, 2).half(),
        "brain": torch.randn(7).bfloat16(),
        "flags": torch.tensor([[True, False]]),
        "long": torch.arange(5),
    }
    save_file(state, path)
    read = raw_tensors(path, read_header(path))
    assert {name: value.dtype for name, value in read.items()} == {
        name: value.dtype for name, value in state.items()
    }
    assert all(torch.equal(read[name], value) for name, value in state.items())


def test_a_file_that_is_swapped_after_its_check_is_refused(folder):
    path = folder / TENSORS
    specs = read_header(path)
    save_file({"other": torch.zeros(2)}, path)
    with pytest.raises(AdapterFileError, match="changed while it was read"):
        raw_tensors(path, specs)
    path.unlink()
    (folder / "elsewhere").write_bytes(b"")
    path.symlink_to(folder / "elsewhere")
    with pytest.raises(AdapterFileError, match="it is a link"):
        raw_tensors(path, specs)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(AdapterFileError, match="not a regular file"):
        raw_tensors(path, specs)


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
def test_loads_the_unchanged_folder_and_a_layers_pattern_of_either_type(folder, net):
    load_adapter(net, folder)
    for number, pattern in enumerate(("blocks", ["blocks"])):
        place = Path(shutil.copytree(folder, folder.parent / str(number)))
        both = {"target_modules": ["fc1", "fc2"], "layers_to_transform": [0, 1]}
        plain(**both, layers_pattern=pattern)(place)
        tuned = load_adapter(Net(), place)
        assert sum("lora_A" in name for name, _ in tuned.named_parameters()) == 4


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
def test_replaces_a_module_that_the_backbone_declares_as_its_head(folder, net):
    whole_stem(folder)
    net.head = ("stem", "decoder")
    tuned = load_adapter(net, folder)
    assert "modules_to_save.default" in " ".join(tuned.state_dict())


def test_does_not_import_a_module_named_by_auto_mapping(folder, net, monkeypatch):
    (folder.parent / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(folder.parent)
    mapping = {"base_model_class": "Evil", "parent_library": "evil_module"}
    option(auto_mapping=mapping, megatron_core="evil_module")(folder)
    load_adapter(net, folder)
    assert "evil_module" not in sys.modules


INDICES = {
    "shira_indices": ShiraConfig(r=2),
    "supertuning_indices": SupertuningConfig(),
    "topk_indices": VBLoRAConfig(
        vector_length=8, num_vectors=300, save_only_topk_weights=True, topk=2
    ),
    "frod_s_indices": FrodConfig(),
    "frod_s_size": FrodConfig(),
}


@pytest.mark.filterwarnings("ignore")  # FRoD and VB-LoRA warn about their options
@table("value", [-1, 10_000])
@table("key", INDICES)
def test_refuses_indices_out_of_range(key, value, tmp_path):
    save_adapter(attach(Net(), INDICES[key], targets="mlp"), tmp_path)
    load_adapter(Net(), tmp_path)
    state = load_file(tmp_path / TENSORS)
    next(tensor for name, tensor in state.items() if key in name).view(-1)[0] = value
    save_file(state, tmp_path / TENSORS)
    restate(tmp_path)
    with pytest.raises(AdapterFileError, match="index that is not in"):
        load_adapter(Net(), tmp_path)


HEADS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "NaN": lambda s: s["decoder.0.weight"].fill_(float("nan")),
    "a weight of the base": lambda s: s.update({"stem.0.weight": torch.ones(16, 16)}),
    "another shape": lambda s: s.update({"decoder.0.weight": torch.ones(4, 16)}),
    "a buffer is missing": lambda s: s.pop("decoder.1.running_mean"),
    "whole numbers": lambda s: s.update({"decoder.0.bias": torch.ones(8, dtype=torch.int64)}),
}


@table("case", HEADS)
def test_a_hostile_head_does_not_change_the_model(case, tmp_path):
    net = Net()
    save_head(Net(seed=1), tmp_path / "head.safetensors")
    state = load_file(tmp_path / "head.safetensors")
    HEADS[case](state)
    save_file(state, tmp_path / "head.safetensors")
    with pytest.raises(AdapterFileError):
        load_head(net, tmp_path / "head.safetensors")
    wanted = Net().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in net.state_dict().items())
