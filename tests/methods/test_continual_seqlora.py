"""SeqLoRA: bases orthogonal to the history, two levels, and full layers."""

import pytest
import torch
from case_table import table
from continual_models import NETS, PlaneNet, batches, learn, lora, task, unsettle

from scionwood import AdapterError
from scionwood_methods.continual import ContinualController, SeqLora
from scionwood_methods.continual.factors import lora_layers, matrices


@table("net", NETS)
def test_bases_stay_orthogonal_to_the_history_while_they_train(net):
    model = lora(net)
    controller = ContinualController(model, SeqLora(inner_steps=1))
    for number in range(2):
        learn(controller, str(number), task(net, number), 6)
    controller.begin("last")
    unsettle(model)
    controller.stepped()
    for layer in lora_layers(model, "default").values():
        rows = [matrices(layer, name)[1] for name in ("task1", "task2", "default")]
        assert rows[0].shape == (3, layer.get_base_layer().weight[0].numel())
        for i, left in enumerate(rows):
            for right in rows[:i]:
                assert (left @ right.T).abs().max() < 1e-6 * left.norm() * right.norm()


@table("net", NETS)
def test_later_tasks_do_not_change_outputs_inside_an_earlier_basis(net):
    model = lora(net)
    controller = ContinualController(model, SeqLora(inner_steps=1))
    learn(controller, "first", task(net, 0), 10)
    layer = lora_layers(model, "task1")["base_model.model.visual"]
    for part in (layer.base_layer, *layer.lora_A.values()):
        if isinstance(net, PlaneNet):  # without padding, a single patch gives a single output
            part.padding = (0,) * len(part.padding)
    patch = layer.base_layer.weight.shape[1:]
    x = (torch.randn(7, 3) @ matrices(layer, "task1")[1].detach()).view(7, *patch)
    before = layer(x)
    learn(controller, "second", task(net, 1), 10)
    torch.testing.assert_close(layer(x), before, atol=1e-5, rtol=1e-5)
    other = torch.randn(7, *patch)
    with torch.no_grad():
        moved = layer(other)
        layer.lora_B["task2"].weight.zero_()
        assert (layer(other) - moved).abs().max() > 1e-3


def test_factor_a_moves_only_in_every_step_k_plus_1():
    model = lora(trained=True)
    controller = ContinualController(model, SeqLora(inner_steps=2))
    controller.begin("first")
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
    for name in ("first", "second"):
        controller.begin(name)
        unsettle(model)
        before = model(x)
        controller.end([])
        torch.testing.assert_close(model(x), before)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("default" in name)


def test_refuses_a_task_if_a_layer_is_full_and_zero_inner_steps():
    model = lora(r=8)
    controller = ContinualController(model, SeqLora())
    for number in range(2):  # the layer `visual` has 16 inputs
        controller.begin(str(number))
        controller.end([])
    with pytest.raises(AdapterError, match=r"visual.*16 of its 16 .* and 8 are needed"):
        controller.begin("third")
    with pytest.raises(AdapterError, match="at least 1 step"):
        SeqLora(inner_steps=0)
