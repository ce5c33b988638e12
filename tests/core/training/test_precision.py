"""`precision: auto` means bfloat16 if the hardware multiplies it."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from torch import nn

from scionwood import TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training.precision import native_precision, refuse_wrong_gradients

RECIPE = "toy/regress"


@table(
    ("features", "expected"),
    [
        ({"avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512": True, "avx512_bf16": False}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_a_cpu_with_a_bfloat16_unit_computes_in_bfloat16(monkeypatch, features, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert native_precision("cpu") == expected


def test_another_accelerator_keeps_float32():
    assert native_precision("mps") == "32-true"


def test_auto_in_a_recipe_becomes_the_precision_of_the_machine(toy_plugin):
    here = native_precision("cpu")
    said = resolve(RECIPE, ["trainer.precision=auto", "kernels=off"])
    assert said.trainer["precision"] == here
    assert said.kernels == "off"
    assert f"precision: {here}" in said.dump()
    assert resolve(RECIPE).trainer["precision"] == "32-true"


AVX512, AMX = {"avx512_bf16": True}, {"avx512_bf16": True, "amx_bf16": True}


@table(
    ("features", "precision", "layer"),
    [
        (AMX, "bf16-mixed", nn.Conv3d(2, 2, 3)),
        (AVX512, "32-true", nn.Conv3d(2, 2, 3)),
        (AVX512, "bf16-mixed", nn.Conv2d(2, 2, 3)),
        (AVX512, "bf16-mixed", nn.Conv3d(2, 2, 3).requires_grad_(False)),
    ],
)
def test_bfloat16_is_accepted_if_gradients_are_right(monkeypatch, features, precision, layer):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    refuse_wrong_gradients(nn.Sequential(layer), precision, torch.device("cpu"))


def test_bfloat16_is_refused_if_gradients_of_3d_convolutions_are_wrong(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AVX512, raising=False)
    model = nn.Sequential(nn.Conv3d(2, 2, 3))
    with pytest.raises(TrainingError, match="32-true"):
        refuse_wrong_gradients(model, "bf16-mixed", torch.device("cpu"))
