"""Adapters on Tadpole: presets, both kinds of LoRA, their sizes, and merging."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
from case_table import table
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from scionwood import AdapterError, attach, load_adapter, merge, save_adapter, unmerge
from scionwood.adapters import config_class
from scionwood_pde.adapters.balanced import BalancedLoraConfig
from scionwood_pde.backbones import Tadpole

UNUSED = 32 * (256 + 128)
"""Parameters of rank 32 on the unused layer of size B, which the published numbers include."""


def state() -> Tensor:
    return torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))


def moved(model: PeftModel) -> PeftModel:
    """Return the model in evaluation mode, with every factor moved from its initial value."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return model.eval()


def targeted(config: Any, preset: str) -> Any:
    config.target_modules = Tadpole().adapter_targets[preset]
    return config


def trainable(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@table(
    ("preset", "kinds", "count"),
    [
        ("attention", {"qkv"}, 10),
        ("mlp", {"fc1", "fc2"}, 20),
        ("all-linear", {"qkv", "fc1", "fc2"}, 30),
        ("conv", {"Conv3d"}, 22),
        ("all", {"qkv", "fc1", "fc2", "0", "2", "Conv3d"}, 72),
    ],
)
def test_a_preset_names_the_layers_of_its_kind(preset, kinds, count):
    model = Tadpole()
    names = [
        name
        for name, _ in model.named_modules()
        if re.fullmatch(model.adapter_targets[preset], name)
    ]
    layers = [model.get_submodule(name) for name in names]
    assert all(isinstance(layer, nn.Linear | nn.Conv3d) for layer in layers)
    kinds_seen = {
        "Conv3d" if isinstance(layer, nn.Conv3d) else name.rpartition(".")[2]
        for name, layer in zip(names, layers, strict=True)
    }
    assert (kinds_seen, len(names)) == (kinds, count)
    if preset == "all":
        every = {n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv3d)}
        assert every - set(names) == {"decoder.transformer_decoder.final_layer.adaLN_modulation.1"}


@table(
    ("config", "published"),
    [(LoraConfig(r=32), 4_107_328), (BalancedLoraConfig(r=32), 2_787_904)],
    ids=["peft", "balanced"],
)
def test_rank_32_on_size_b_has_the_published_number_of_parameters(config, published):
    with torch.device("meta"):  # shapes without memory
        model = get_peft_model(Tadpole(size="B"), targeted(config, "all"))
    assert trainable(model) == published - UNUSED


@table(
    ("layer", "rows", "columns", "x"),
    [
        (nn.Linear(6, 10), 10, 6, (5, 6)),
        (nn.Conv1d(6, 10, 3), 10, 18, (2, 6, 9)),
        (nn.Conv2d(6, 10, 3, stride=2, padding=1), 30, 18, (2, 6, 8, 8)),
        (nn.Conv3d(6, 10, 3, padding=1), 30, 54, (2, 6, 4, 4, 4)),
        (nn.Conv3d(6, 10, 1), 10, 6, (2, 6, 4, 4, 4)),
        (nn.Conv3d(6, 10, 3, groups=2), 30, 27, (2, 6, 4, 4, 4)),
    ],
    ids=["linear", "conv1d", "conv2d", "conv3d", "conv3d of 1", "grouped"],
)
def test_a_weight_changes_by_the_product_of_its_factors(layer, rows, columns, x):
    net = nn.Sequential(layer)
    model = moved(attach(net, BalancedLoraConfig(r=2, alpha=6.0, target_modules=["0"])))
    factors = {n.rpartition("balanced_")[2][0]: p for n, p in model.named_parameters()}
    a, b = factors["A"], factors["B"]
    assert (a.shape, b.shape) == ((2, columns), (rows, 2))
    inputs = torch.randn(x, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        output = model(inputs)
        layer.weight += 3.0 * (b @ a).reshape(layer.weight.shape)
        torch.testing.assert_close(output, layer(inputs))


def test_the_first_factor_starts_uniform_and_the_second_at_zero():
    model = attach(nn.Sequential(nn.Conv3d(4, 4, 3)), BalancedLoraConfig(target_modules=["0"]))
    layer = model.base_model.model[0]
    assert not layer.balanced_B["default"].any()
    bound = 1 / math.sqrt(4 * 9)
    assert 0.9 * bound < layer.balanced_A["default"].abs().max() <= bound


def test_several_adapters_add_up_and_can_be_switched_off():
    x, model = state(), attach(Tadpole(), BalancedLoraConfig(r=2), targets="conv", name="a")
    plain = Tadpole().eval()(x)
    attach(model, BalancedLoraConfig(r=2), targets="conv", name="b")
    for name in ("a", "b"):
        model.set_adapter(name)
        moved(model)
    with torch.no_grad():
        model.base_model.set_adapter(["a", "b"])
        both = model(x)
        merge(model)
        torch.testing.assert_close(model(x), both, rtol=1e-5, atol=1e-5)
        unmerge(model)
        with model.disable_adapter():
            torch.testing.assert_close(model(x), plain)


def test_a_saved_adapter_loads_and_names_its_plugin(tmp_path):
    model = moved(attach(Tadpole(), BalancedLoraConfig(r=2), targets="all"))
    assert config_class("pde/balanced_lora") is BalancedLoraConfig, "a recipe can name the method"
    save_adapter(model, tmp_path)
    assert '"requires_plugin": "pde"' in (tmp_path / "scionwood.json").read_text("utf-8")
    with torch.no_grad():
        assert torch.equal(load_adapter(Tadpole(), tmp_path)(state()), model(state()))


def test_refuses_layers_ranks_and_scales_that_do_not_fit():
    with pytest.raises(AdapterError, match=r"balanced_lora on 0 \(Embedding\)"):
        attach(nn.Sequential(nn.Embedding(4, 4)), BalancedLoraConfig(target_modules=["0"]))
    for r, alpha in ((0, None), (-1, None), (4, 0.0), (4, -1.0)):
        with pytest.raises(AdapterError, match="both must be positive"):
            BalancedLoraConfig(r=r, alpha=alpha)


def test_refuses_to_merge_a_damaged_adapter():
    net = nn.Sequential(nn.Linear(4, 4))
    model = attach(net, BalancedLoraConfig(r=2, target_modules=["0"]))
    model.base_model.model[0].balanced_B["default"].data.fill_(torch.nan)
    before = net[0].base_layer.weight.clone()
    with pytest.raises(AdapterError, match="NaN or infinity"):
        merge(model)
    assert torch.equal(net[0].base_layer.weight, before)
