"""Layers and options that an adapter cannot take are refused, and the model stays as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn as nn
from case_table import table
from layer_cases import CASES
from peft import IA3Config, LoraConfig
from small_layers import Around, pyg
from torch.nn.utils.parametrizations import weight_norm

from scionwood.adapters import attach
from scionwood.errors import AdapterError


def declares(axes: str, name: str = "weight") -> nn.Module:
    class Declares(nn.Module):
        adapter_weights = {name: axes}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 3))

    return Declares()


def flat() -> nn.Module:
    class Flat(nn.Module):
        adapter_weights = {"weight": "o"}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8))

    return Flat()


BAD: dict[str, tuple[Callable[[], nn.Module], LoraConfig | IA3Config, str]] = {
    "a lazy layer": (
        pyg("Linear")(-1, 4),
        LoraConfig(target_modules="layer"),
        "its shape is not known yet.*Run the model once first",
    ),
    "a layer without a form": (
        lambda: nn.Bilinear(4, 4, 4),
        LoraConfig(target_modules="layer"),
        r"lora on layer \(Bilinear\)",
    ),
    "dropout on an attention": (
        lambda: nn.MultiheadAttention(8, 2),
        LoraConfig(target_modules="layer", lora_dropout=0.1),
        "lora_dropout=0.1 on MultiheadAttention.*Use lora_dropout=0",
    ),
    "a computed weight of an attention": (
        lambda: weight_norm(nn.MultiheadAttention(8, 2), "in_proj_weight"),
        LoraConfig(target_modules="layer"),
        "in_proj_weight of .*Attention: it has no such parameter.*remove the param",
    ),
    "dropout on experts": (
        CASES["Mixtral experts"].build,
        LoraConfig(target_modules="layer", lora_dropout=0.1),
        "lora_dropout=0.1 on MixtralExperts.*Use lora_dropout=0",
    ),
    "a trained bias of LoRA": (
        lambda: nn.ConvTranspose1d(2, 2, 2),
        LoraConfig(target_modules="layer", lora_bias=True),
        "lora_bias=True on ConvTranspose1d",
    ),
    "a start of linear layers": (
        lambda: nn.ConvTranspose1d(2, 2, 2),
        LoraConfig(target_modules="layer", init_lora_weights="orthogonal"),
        "init_lora_weights='orthogonal' on ConvTranspose1d",
    ),
    "a scaled input": (
        lambda: nn.ConvTranspose1d(2, 2, 2),
        IA3Config(target_modules="layer", feedforward_modules="layer"),
        "feedforward_modules with ConvTranspose1d",
    ),
    "block-diagonal relations": (
        pyg("RGCNConv")(4, 4, 2, num_blocks=2),
        LoraConfig(target_modules="layer"),
        "RGCNConv with num_blocks",
    ),
    "weights of eight bits": (
        lambda: nn.ConvTranspose1d(2, 2, 2).to(torch.float8_e4m3fn),
        LoraConfig(target_modules="layer"),
        "its dtype is torch.float8_e4m3fn",
    ),
    "a flat weight, whose factors outnumber it": (
        flat,
        LoraConfig(target_modules="layer", r=4),
        r"r=4 on weight of Flat, axes 'o'.* 36 numbers, more than its own 8.*use IA3",
    ),
    "axes that do not fit": (
        lambda: declares("oik"),
        LoraConfig(target_modules="layer"),
        "a weight of 2 axes.*'oik'",
    ),
    "a weight that is not there": (
        lambda: declares("oi", "other"),
        LoraConfig(target_modules="layer"),
        "other of Declares: it has no such parameter",
    ),
}


@table("case", BAD)
def test_bad_input_names_the_layer_and_the_remedy_and_changes_nothing(case: str) -> None:
    build, config, message = BAD[case]
    model = Around(build())
    before = [(name, type(module)) for name, module in model.named_modules()]
    with pytest.raises(AdapterError, match=message):
        attach(model, config, head=())
    assert before == [(name, type(module)) for name, module in model.named_modules()]
