"""The adapter of a fused layer changes only the chosen slices."""

from __future__ import annotations

import torch
import torch.nn as nn
from case_table import table
from method_layers import METHODS, adapted, example, unsettle
from peft import get_peft_model

from scionwood import load


@table("method", METHODS)
@table("letters", ["q", "k", "v", "qv", "vk", "qkv"])
def test_only_chosen_slices_move(method, letters):
    model, x = unsettle(adapted(method, "fused qkv", slices=letters)), example("fused qkv")
    moved = (model.base_model.model.first(x) - model.base_model.model.first.base_layer(x)).abs()
    for letter, part in zip("qkv", moved.split(12, -1), strict=True):
        assert (part > 1e-4).any(0).all() == (letter in letters)
        assert letter in letters or not part.any()


@table("method", METHODS)
def test_slice_sizes_of_grouped_queries(method):
    options = {**METHODS[method], "slices": "v", "slice_sizes": [24, 4, 4]}
    config = load("adapters", f"methods/{method}")(target_modules=["0"], **options)
    model = unsettle(get_peft_model(nn.Sequential(nn.Linear(24, 32)), config))
    x = torch.randn(3, 24)
    layer = model.base_model.model[0]
    moved = (layer(x) - layer.base_layer(x)).abs()
    assert moved[:, 28:].all()
    assert not moved[:, :28].any()
    assert layer.slices["default"].chosen == 4
