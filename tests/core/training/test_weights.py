"""Pretrained weights are loaded strictly, or the module stays as it was."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import torch
from case_table import table
from safetensors.torch import save_file
from torch import Tensor, nn

from scionwood import TrainingError, WeightsError, load_weights
from scionwood.authoring import read_weights
from scionwood.training.weights import UNSAFE
from scionwood_kit.fuzzing.pickles import hostile_pickle


def saved(path: Path, **tensors: Tensor) -> Path:
    save_file(tensors, path)
    return path


def test_loads_any_precision_into_that_of_the_module(tmp_path: Path) -> None:
    module = nn.Linear(2, 1)
    path = saved(tmp_path / "a.safetensors", weight=torch.ones(1, 2).half(), bias=torch.zeros(1))
    load_weights(module, str(path))
    assert module.weight.dtype is torch.float32
    assert torch.equal(module.weight, torch.ones(1, 2))


@table(
    ("tensors", "text"),
    [
        ({"weight": torch.ones(1, 2)}, "lacks bias"),
        (
            {"weight": torch.ones(1, 2), "bias": torch.ones(1), "scale": torch.ones(1)},
            "also has scale",
        ),
        ({"weight": torch.ones(2, 2), "bias": torch.ones(1)}, r"weight \(2, 2\) for \(1, 2\)"),
        ({"weight": torch.full((1, 2), torch.nan), "bias": torch.ones(1)}, "weight holds NaN"),
        ({"weight": torch.ones(1, 2, dtype=torch.int64), "bias": torch.ones(1)}, "type torch.int"),
    ],
)
def test_other_names_shapes_and_values_are_refused(
    tensors: dict[str, Tensor], text: str, tmp_path: Path
) -> None:
    module = nn.Linear(2, 1)
    before = module.weight.detach().clone()
    path = saved(tmp_path / "a.safetensors", **tensors)
    with pytest.raises(WeightsError, match=rf"a\.safetensors: .*{text}.*Choose"):
        load_weights(module, path, remedy="Choose another size")
    assert torch.equal(module.weight, before)


def test_optional_names_keep_the_values_of_the_module(tmp_path: Path) -> None:
    module = nn.Linear(2, 1)
    before = module.bias.detach().clone()
    path = saved(tmp_path / "a.safetensors", weight=torch.ones(1, 2))
    load_weights(module, path, optional=lambda name: name == "bias")
    assert torch.equal(module.bias, before)
    assert set(read_weights(path, module.state_dict(), optional=lambda n: True)) == {"weight"}


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no such weights file"):
        load_weights(nn.Linear(2, 1), tmp_path / "none.safetensors")
    (tmp_path / "a.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_weights(nn.Linear(2, 1), tmp_path / "a.safetensors")


def test_reads_a_checkpoint_of_pytorch_under_its_keys(tmp_path: Path) -> None:
    module, path = nn.Linear(2, 1), tmp_path / "ckpt.tar"
    state = {f"module.{name}": value for name, value in module.state_dict().items()}
    torch.save({"epoch": 3, "app": {"model": state}}, path)
    weights = read_weights(path, module.state_dict(), within=("app", "model"))
    assert torch.equal(weights["weight"], module.weight)
    with pytest.raises(WeightsError, match="no dictionary of tensors at model_state"):
        read_weights(path, module.state_dict(), within=("model_state",))
    with pytest.raises(WeightsError, match=r"weight \(1, 2\) for \(1, 3\)"):
        read_weights(path, nn.Linear(3, 1).state_dict(), within=("app", "model"))
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        read_weights(path, module.state_dict())


def test_no_code_of_a_checkpoint_runs(tmp_path: Path) -> None:
    path, touched = tmp_path / "ckpt.pt", tmp_path / "touched"
    torch.save({"model": _Hostile(str(touched))}, path)
    with pytest.raises(WeightsError, match="not a readable PyTorch file"):
        read_weights(path, {}, within=("model",))
    assert not touched.exists()


def test_no_hostile_pickle_of_a_pytorch_file_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scionwood_gadget", gadget := ModuleType("scionwood_gadget"))
    gadget.Trip = _Trip
    good, path = tmp_path / "good.pth", tmp_path / "a.pth"
    torch.save({"model": {"weight": torch.ones(2)}}, good)
    with zipfile.ZipFile(good) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for number in range(150):
        data = hostile_pickle(str(number), ("scionwood_gadget", "Trip"))
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, data if name.endswith("data.pkl") else content)
        if number % 3 == 0:
            path.write_bytes(data)  # the layout before torch 1.6
        with pytest.raises(WeightsError, match="not a readable PyTorch file"):
            read_weights(path, {}, within=("model",))
    assert not _Trip.made
    torch.load(path, weights_only=False)
    assert _Trip.made


def test_nothing_is_loaded_if_torch_is_set_to_run_code(tmp_path, monkeypatch):
    torch.save({"model": _Hostile(str(tmp_path / "touched"))}, tmp_path / "a.pth")
    monkeypatch.setenv(UNSAFE, "1")
    with pytest.raises(TrainingError, match=UNSAFE):
        read_weights(tmp_path / "a.pth", {}, within=("model",))
    assert not (tmp_path / "touched").exists()


class _Trip:
    """Counts how often it is made."""

    made = 0

    def __new__(cls, *_: object) -> _Trip:
        _Trip.made += 1
        return object.__new__(cls)


class _Hostile:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path, "w")
