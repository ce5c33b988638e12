"""`precision: auto` means bfloat16 if the hardware multiplies it."""

from __future__ import annotations

from contextlib import nullcontext

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
    assert native_precision("mps") == "32-true", "another accelerator keeps float32"


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
        pytest.param(AVX512, "bf16-mixed", nn.Conv3d(2, 2, 3), id="wrong gradients"),
    ],
)
def test_bfloat16_is_refused_only_if_gradients_are_wrong(monkeypatch, features, precision, layer):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    wrong = features is AVX512 and precision == "bf16-mixed" and isinstance(layer, nn.Conv3d)
    wrong = wrong and layer.weight.requires_grad
    with pytest.raises(TrainingError, match="32-true") if wrong else nullcontext():
        refuse_wrong_gradients(nn.Sequential(layer), precision, torch.device("cpu"))
