"""Save and load: the files of a folder, and folders of plain peft."""

from __future__ import annotations

import copy
import json
import warnings

import pytest
import torch
import torch.nn as nn
from adapter_nets import Net, answer, unsettle
from peft import LoraConfig, VeraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file

from scionwood.adapters import (
    adapter_state,
    attach,
    base_hash,
    load_adapter,
    load_head,
    merge,
    save_adapter,
    save_head,
    unmerge,
)
from scionwood.errors import AdapterError, AdapterFileError, WriteError


@pytest.fixture
def model() -> nn.Module:
    return unsettle(attach(Net(), LoraConfig(r=4), targets="mlp")).eval()


def test_a_folder_records_what_it_needs(model, tmp_path):
    save_adapter(model, tmp_path, base={"architecture": "Net", "licence": "Apache-2.0"})
    names = {"adapter_config.json", "adapter_model.safetensors", "scionwood.json"}
    assert {path.name for path in tmp_path.iterdir()} == names, "and no model card"
    manifest = json.loads((tmp_path / "scionwood.json").read_text())
    assert manifest["base"] == {
        "architecture": "Net",
        "licence": "Apache-2.0",
        "sha256": base_hash(Net()),
    }
    assert manifest["modules"] == ["blocks.0.fc1", "blocks.0.fc2", "blocks.1.fc1", "blocks.1.fc2"]
    assert (manifest["method"], manifest["requires_plugin"]) == ("lora", None)
    assert manifest["head"] == ["decoder"]
    assert set(manifest["versions"]) == {"scionwood", "peft", "torch"}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["auto_mapping"] is None
    assert all(".lora_" in key for key in load_file(tmp_path / "adapter_model.safetensors"))


def test_saving_twice_gives_the_same_bytes(model, tmp_path):
    for folder in ("a", "b"):
        save_adapter(model, tmp_path / folder)
    for name in ("adapter_config.json", "adapter_model.safetensors", "scionwood.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_full_disk_does_not_damage_the_old_adapter(model, tmp_path, monkeypatch):
    save_adapter(model, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    unsettle(model)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match=r"No space left.*Free space"):
        save_adapter(model, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_loaded_adapter_is_frozen_and_in_eval_mode_unless_trainable(model, tmp_path):
    save_adapter(model, tmp_path)
    before = torch.get_rng_state()
    frozen = load_adapter(Net(), tmp_path)
    assert torch.equal(torch.get_rng_state(), before), "it draws no random numbers"
    assert not frozen.training
    assert not any(p.requires_grad for p in frozen.parameters())
    training = load_adapter(Net().train(), tmp_path, trainable=True)
    wanted = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for n, p in training.named_parameters() if p.requires_grad} == wanted
    other = Net(seed=1)
    with pytest.raises(AdapterFileError) as caught:
        load_adapter(other, tmp_path)
    assert base_hash(Net()) in str(caught.value)
    assert base_hash(other) in str(caught.value)


def test_a_plain_peft_folder_loads_with_a_warning(tmp_path):
    config = LoraConfig(r=2, target_modules=r"blocks\.\d+\.fc1")
    theirs = unsettle(get_peft_model(Net(), config)).eval()
    theirs.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="whether it was made for this base is not known"):
        ours = load_adapter(Net(), tmp_path)
    assert torch.equal(answer("lora", ours), answer("lora", theirs))


@pytest.mark.filterwarnings("ignore:.*has no scionwood.json")
def test_layers_that_torch_never_calls_are_named_when_an_adapter_of_peft_has_them(tmp_path):
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2), "last": nn.Linear(8, 8)})
    config = LoraConfig(r=2, target_modules=["out_proj", "last"])
    get_peft_model(copy.deepcopy(model), config).save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"no effect on attention.out_proj \(1 of 2 layers\)"):
        load_adapter(model, tmp_path)


def test_rebuilds_seeded_projections_that_are_not_saved(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft recommends saving the projections
        config = VeraConfig(r=4, save_projection=False)
        model = unsettle(attach(Net(), config, targets="mlp")).eval()
        save_adapter(model, tmp_path)
        save_head(model, tmp_path / "head.safetensors")
        net = Net()
        net.load_state_dict(load_file(tmp_path / "head.safetensors"), strict=False)
        assert torch.equal(answer("vera", load_adapter(net, tmp_path)), answer("vera", model))


class Experts(nn.Module):
    """Three experts in one parameter, as in a fused mixture."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 60).reshape(3, 4, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bi,eio->beo", x, self.weight)


def test_saves_and_loads_parameters_that_are_direct_targets(tmp_path):
    def make() -> nn.Module:
        return nn.Sequential(Experts(), nn.Flatten())

    config = LoraConfig(r=2, target_parameters=["0.weight"])
    x = torch.linspace(-1, 1, 8).reshape(2, 4)
    model = unsettle(attach(make(), config, example=(x,))).eval()
    save_adapter(model, tmp_path)
    assert json.loads((tmp_path / "scionwood.json").read_text())["modules"] == []
    assert torch.equal(load_adapter(make(), tmp_path)(x), model(x))
    assert not torch.equal(model(x), make()(x))


def test_saves_and_loads_tokens_that_train_beside_a_lora(tmp_path):
    config = LoraConfig(r=2, trainable_token_indices={"embed": [1, 3]})
    ids = torch.arange(10).reshape(2, 5)
    model = unsettle(attach(Net(), config, targets="mlp", example=(ids,))).eval()
    save_adapter(model, tmp_path)
    rows = [each.get_base_model().embed(ids) for each in (load_adapter(Net(), tmp_path), model)]
    assert torch.equal(*rows)
    assert not torch.equal(rows[0], Net().embed(ids))


def test_saves_and_loads_modules_to_save(tmp_path):
    config = LoraConfig(r=2, modules_to_save=["stem"])
    model = unsettle(attach(Net(), config, targets="mlp")).eval()
    for parameter in model.get_base_model().decoder.parameters():
        parameter.data.zero_()
    save_adapter(model, tmp_path)
    with pytest.raises(AdapterFileError, match="modules of Net that are not its head"):
        load_adapter(Net(), tmp_path)
    again = load_adapter(Net(), tmp_path, whole=("stem",))
    for parameter in again.get_base_model().decoder.parameters():
        parameter.data.zero_()
    trained = model.get_base_model().stem.modules_to_save["default"].state_dict()
    loaded = again.get_base_model().stem.modules_to_save["default"].state_dict()
    assert trained.keys() == loaded.keys()
    assert all(torch.equal(trained[key], loaded[key]) for key in trained)
    assert base_hash(again) == base_hash(Net())


def test_loads_a_second_adapter_beside_the_first(model, tmp_path):
    save_adapter(model, tmp_path / "a")
    other = unsettle(unsettle(attach(Net(), LoraConfig(r=2), targets="all-linear"))).eval()
    save_adapter(other, tmp_path / "b")
    both = load_adapter(Net(), tmp_path / "a", name="a")
    both = load_adapter(both, tmp_path / "b", name="b")
    assert set(both.peft_config) == {"a", "b"}
    for name, source in (("a", model), ("b", other)):
        state, wanted = adapter_state(both, name), adapter_state(source)
        assert state.keys() == wanted.keys()
        assert all(torch.equal(state[key], wanted[key]) for key in state)


def test_a_refused_second_adapter_keeps_the_first(model, tmp_path):
    save_adapter(model, tmp_path / "a")
    save_adapter(model, tmp_path / "b")
    config = json.loads((tmp_path / "b" / "adapter_config.json").read_text())
    (tmp_path / "b" / "adapter_config.json").write_text(json.dumps({**config, "r": 8}))
    one = load_adapter(Net(), tmp_path / "a", name="a")
    before = answer("lora", one)
    with pytest.raises(AdapterFileError):
        load_adapter(one, tmp_path / "b", name="b")
    assert set(one.peft_config) == {"a"}
    assert torch.equal(answer("lora", one), before)


def test_refuses_to_save_a_merged_adapter(model, tmp_path):
    merge(model)
    with pytest.raises(AdapterError, match="Unmerge it first"):
        save_adapter(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_tied_weights_are_adapted_under_each_name(tmp_path):
    net = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    net["b"].weight = net["a"].weight
    model = attach(net, LoraConfig(r=2), targets="a|b")
    assert isinstance(model.get_base_model()["b"], BaseTunerLayer)
    save_adapter(model, tmp_path)
    assert len(load_file(tmp_path / "adapter_model.safetensors")) == 4
    x = torch.ones(2, 4)
    before = [layer(x) for layer in unsettle(model).get_base_model().values()]
    merge(model)
    after = [layer(x) for layer in model.get_base_model().values()]
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(before, after, strict=True))
    unmerge(model)
    assert net["a"].weight is net["b"].weight


def test_a_replaced_weight_file_is_refused_by_name(model, tmp_path):
    save_adapter(model, tmp_path)
    before = json.loads((tmp_path / "scionwood.json").read_text())
    path = tmp_path / "adapter_model.safetensors"
    save_file({name: value + 1 for name, value in load_file(path).items()}, path)
    with pytest.raises(AdapterFileError, match=r"adapter_model\.safetensors: its tensors have"):
        load_adapter(Net(), tmp_path)
    del before["tensors"]
    (tmp_path / "scionwood.json").write_text(json.dumps(before))  # as an earlier version wrote it
    load_adapter(Net(), tmp_path)


def test_a_replaced_head_is_refused_by_name(model, tmp_path):
    head = tmp_path / "head.safetensors"
    save_adapter(model, tmp_path / "adapter")
    save_head(model, head)
    save_adapter(model, tmp_path / "adapter")  # again, which leaves the head's hash as it is
    load_head(load_adapter(Net(), tmp_path / "adapter"), head)
    tensors = load_file(head)
    save_file({name: value + 1 for name, value in tensors.items()}, head)
    with pytest.raises(AdapterFileError, match=r"head\.safetensors: its tensors have"):
        load_head(load_adapter(Net(), tmp_path / "adapter"), head)


def test_a_kill_between_the_files_leaves_a_folder_that_loads(model, tmp_path, monkeypatch):
    save_adapter(model, tmp_path)
    with torch.no_grad():
        next(p for p in model.parameters() if p.requires_grad).add_(1)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("save_file", "tensors_hash"):
        monkeypatch.setattr(f"scionwood.adapters.content.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            save_adapter(model, tmp_path)
        monkeypatch.undo()
        load_adapter(Net(), tmp_path)
