"""SeqLoRA: bases orthogonal to the history, two levels, and full layers."""

from __future__ import annotations

import pytest
import torch
from continual_models import ConvNet, batches, learn, lora, unsettle

from scionwood import AdapterError
from scionwood_methods.continual import ContinualController, SeqLora
from scionwood_methods.continual.factors import lora_layers, matrices


@pytest.mark.parametrize("net", [None, ConvNet()])
def test_bases_stay_orthogonal_to_the_history(net):
    model = lora(net)
    controller = ContinualController(model, SeqLora())
    for task in range(2):
        controller.begin(str(task))
        unsettle(model)
        controller.stepped()
        controller.end([])
    controller.begin("last")
    unsettle(model)
    controller.stepped()
    for layer in lora_layers(model, "default").values():
        rows = [matrices(layer, name)[1] for name in ("task1", "task2", "default")]
        for i, left in enumerate(rows):
            for right in rows[:i]:
                scale = left.norm() * right.norm()
                assert (left @ right.T).abs().max() < 1e-6 * scale


def test_later_tasks_do_not_change_outputs_inside_an_earlier_basis():
    model = lora()
    controller = ContinualController(model, SeqLora())
    learn(controller, "first", batches(0), 10)
    layer = lora_layers(model, "task1")["base_model.model.visual"]
    x = torch.randn(7, 3) @ matrices(layer, "task1")[1]
    before = layer(x)
    learn(controller, "second", batches(1), 10)
    torch.testing.assert_close(layer(x), before, atol=1e-5, rtol=1e-5)
    other = torch.randn(7, 16)
    with torch.no_grad():
        moved = layer(other)
        layer.lora_B["task2"].weight.zero_()
        assert (layer(other) - moved).abs().max() > 1e-2


def test_factor_a_moves_only_in_every_step_k_plus_1():
    model = lora(trained=True)
    controller = ContinualController(model, SeqLora(inner_steps=2))
    controller.begin("task")
    moved = []
    for x, y in batches(0, 6):
        torch.nn.functional.cross_entropy(model(x), y).backward()
        controller.adjust((x, y))
        layer = lora_layers(model, "default")["base_model.model.visual"]
        grads = layer.lora_A["default"].weight.grad, layer.lora_B["default"].weight.grad
        moved.append([grad is not None for grad in grads])
        controller.stepped()
        model.zero_grad()
    inner, upper = [False, True], [True, False]
    assert moved == [inner, inner, upper, inner, inner, upper]


def test_end_of_a_task_freezes_it_without_changing_outputs():
    model, x = lora().eval(), torch.randn(5, 16)
    controller = ContinualController(model, SeqLora())
    for task in ("first", "second"):
        controller.begin(task)
        unsettle(model)
        before = model(x)
        controller.end([])
        torch.testing.assert_close(model(x), before)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("default" in name)


def test_refuses_a_task_if_a_layer_is_full():
    model = lora(r=8)
    controller = ContinualController(model, SeqLora())
    for task in range(2):  # the layer `visual` has 16 inputs
        controller.begin(str(task))
        controller.end([])
    with pytest.raises(AdapterError, match=r"visual.*16 of its 16 .* and 8 are needed"):
        controller.begin("third")


def test_refuses_zero_inner_steps():
    with pytest.raises(AdapterError, match="at least 1 step"):
        SeqLora(inner_steps=0)
