"""DISeL is LoRA with gates: it equals LoRA if they are open, and follows the paper otherwise."""

import math

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from case_table import table
from method_layers import (
    adapted,
    bare,
    config,
    example,
    plain,
    trainable,
    unsettle,
)
from peft import LoraConfig, get_peft_model

from scionwood import attach, parameter_groups
from scionwood_methods.peft import DiselConfig


def layer_of(model):
    return model.base_model.model.first


@table("kind", ["Linear", "Conv1d", "Conv2d", "Conv3d"])
@table("width", [None, 2])
def test_open_gates_give_lora(kind, width):
    x, options = example(kind), {"alpha": 7.0, "gate_width": width}
    model = unsettle(get_peft_model(plain(kind), config("disel", kind, **options)))
    lora = get_peft_model(
        plain(kind), LoraConfig(r=3, lora_alpha=7.0, target_modules=["first", "second"])
    )
    for name in ("first", "second"):
        ours, theirs = getattr(model.base_model.model, name), getattr(lora.base_model.model, name)
        for key in ("A", "B"):
            own = getattr(ours, f"disel_{key}")["default"]
            getattr(theirs, f"lora_{key}")["default"].load_state_dict(own.state_dict())
        gate = ours.disel_gate["default"]
        last = gate if width is None else gate[1]
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 1e4)
    torch.testing.assert_close(model(x), lora(x))


@table("normalize", [False, True])
@table("width", [None, 2])
def test_linear_layers_follow_the_published_equation(normalize, width):
    options = {"normalize": normalize, "gate_width": width, "alpha": 5.0}
    model, x = unsettle(adapted("disel", "Linear", **options)), example("Linear")
    layer = layer_of(model)
    gate = layer.disel_gate["default"]
    logits = gate(x) / math.sqrt(12) if normalize else gate(x)
    a, b = layer.disel_A["default"].weight, layer.disel_B["default"].weight
    expected = layer.base_layer(x) + 5 / 3 * (torch.sigmoid(logits) * (x @ a.T)) @ b.T
    torch.testing.assert_close(layer(x), expected)


@table("slices", [None, "qv"])
@table("width", [None, 2])
def test_fused_and_plain_operator_agree(slices, width):
    options = {"slices": slices, "normalize": True, "gate_width": width}
    x, results = example("fused qkv"), []
    for fused in (True, False):
        torch.manual_seed(7)
        model = unsettle(adapted("disel", "fused qkv", fused=fused, **options))
        inputs = x.clone().requires_grad_()
        y = model(inputs)
        y.sin().sum().backward()
        results.append([y, inputs.grad, *(p.grad for p in trainable(model).values())])
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(left, right)


def test_each_position_of_a_convolution_has_its_own_gate():
    model, x = unsettle(adapted("disel", "Conv1d")), example("Conv1d")
    layer = layer_of(model)
    padded = F.pad(x, (1, 1), mode="circular")
    gate = F.conv1d(padded, *layer.disel_gate["default"].parameters())
    hidden = torch.sigmoid(gate) * F.conv1d(padded, layer.disel_A["default"].weight)
    expected = torch.einsum("or,brl->bol", layer.disel_B["default"].weight[..., 0], hidden)
    torch.testing.assert_close(layer(x) - layer.base_layer(x), 16 / 3 * expected)


def test_gates_start_nearly_closed_and_have_a_higher_learning_rate_and_no_decay():
    model = attach(bare("Linear"), DiselConfig(r=2), targets="first")
    gate = layer_of(model).disel_gate["default"]
    assert torch.equal(gate.bias, torch.full((2,), -3.0))
    assert gate.weight.abs().max() > 0.1
    groups = {group["name"]: group for group in parameter_groups(model, 2e-4, 0.1)}
    assert groups["disel_gate"]["lr"] == pytest.approx(1e-3)
    assert groups["disel_gate"]["weight_decay"] == 0
    assert [tuple(p.shape) for p in groups["disel_gate"]["params"]] == [(2, 12), (2,)]
    assert groups["adapter"]["lr"] == 2e-4
    assert len(groups["adapter"]["params"]) == 2
