"""Folders of adapters on these layers: those of peft, and hostile ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from adapted_layer import adapted
from case_table import table
from layer_cases import CASES, config_of, model_of, unsettle
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from scionwood.adapters import adapter_state, base_hash, load_adapter, merge, save_adapter
from scionwood.errors import AdapterError, AdapterFileError

CONFIG, TENSORS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "scionwood.json"


def test_a_folder_of_peft_with_a_grouped_convolution_keeps_its_form(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2)).eval()
    with pytest.warns(UserWarning, match="groups > 1"):
        plain = get_peft_model(copy.deepcopy(net), LoraConfig(r=2, target_modules=["0"]))
    unsettle(plain.eval())
    plain.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="groups > 1|no scionwood.json"):
        tuned = load_adapter(net, tmp_path)
    x = torch.randn(1, 4, 5, 5)
    assert torch.equal(tuned(x), plain(x))
    with pytest.raises(AdapterError, match="cannot be merged"):
        merge(tuned)


def test_an_attention_of_peft_gives_the_same_output_here(tmp_path: Path) -> None:
    model, inputs = model_of(CASES["nn.MultiheadAttention"])
    fresh = copy.deepcopy(model)
    plain = get_peft_model(model, config_of("lora", CASES["nn.MultiheadAttention"]))
    unsettle(plain.eval())
    plain.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"has no scionwood\.json"):
        tuned = load_adapter(fresh, tmp_path)
    assert torch.allclose(tuned(*inputs), plain(*inputs), atol=1e-5)


def test_tensors_of_a_complex_weight_are_real_numbers() -> None:
    state = adapter_state(adapted("FNO SpectralConv2d, complex weights"))
    assert {key.rpartition("layer.")[2]: tuple(v.shape) for key, v in state.items()} == {
        "lora_A.weights1": (4, 36, 2),
        "lora_A.weights2": (4, 36, 2),
        "lora_B.weights1": (6, 4, 2),
        "lora_B.weights2": (6, 4, 2),
    }
    assert {value.dtype for value in state.values()} == {torch.float32}


@table("harm", ["shape", "nan", "rank", "unmarked", "claims", "extra", "half"])
def test_a_hostile_folder_is_refused_before_the_model_changes(harm: str, tmp_path: Path) -> None:
    name = "FNO SpectralConv2d, complex weights"
    save_adapter(adapted(name), tmp_path)
    _harm(tmp_path, harm)
    model, inputs = model_of(CASES[name])
    wanted, identity = model(*inputs), base_hash(model)
    with pytest.raises(AdapterFileError):
        load_adapter(model, tmp_path)
    assert type(model.layer).__name__ == "SpectralConv2d"
    assert torch.equal(model(*inputs), wanted)
    assert base_hash(model) == identity


def _harm(folder: Path, harm: str) -> None:
    tensors = load_file(folder / TENSORS)
    key = next(iter(sorted(tensors)))
    if harm == "shape":
        tensors[key] = torch.view_as_complex(tensors[key].contiguous()).real.contiguous()
    elif harm == "nan":
        tensors[key] = tensors[key] * float("nan")
    elif harm == "extra":
        tensors[key.replace("weights1", "weights3")] = tensors[key].clone()
    elif harm == "half":
        tensors[key] = tensors[key][..., :1].contiguous()
    save_file(tensors, folder / TENSORS, metadata={"format": "pt"})
    config = json.loads((folder / CONFIG).read_text())
    manifest = json.loads((folder / MANIFEST).read_text())
    if harm == "rank":
        config["r"] = 1 << 39
    elif harm == "unmarked":
        config["peft_type"] = manifest["peft_type"] = "LORA"
    elif harm == "claims":
        config["peft_type"] = "SCIONWOOD_LORA: run rm -rf"
    (folder / CONFIG).write_text(json.dumps(config))
    (folder / MANIFEST).write_text(json.dumps(manifest))
