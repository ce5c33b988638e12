"""EWC on adapters: Fisher information, penalty and groups, compared with autograd."""

import pytest
import torch
import torch.nn.functional as F
from continual_models import Net, PlaneNet, batches, features, learn, lora, losses, unsettle
from peft import IA3Config, get_peft_model

from scionwood import AdapterError
from scionwood.kernels import enable
from scionwood_methods.continual import ContinualController, Ewc

GROUPS = {"vision": "visual", "text": "textual"}


def anchored(net=None, **options):
    """Return a model at the anchor after one task, with its second task begun."""
    model = lora(net, trained=True)
    method = Ewc(losses, **options)
    controller = ContinualController(model, method)
    controller.begin("first")
    data = batches(0, 2) if net is None else conv_batches()
    controller.end(data)
    controller.begin("second")
    return controller, data


def conv_batches():
    return [(torch.randn(6, 2, 7, 7), torch.randint(3, (6,)))]


@pytest.mark.parametrize("space", ["delta", "parameters"])
def test_penalty_and_its_gradient_vanish_at_the_anchor(space):
    controller, data = anchored(space=space)
    assert controller.adjust(data[0]) == 0
    assert all(not p.grad.any() for p in controller.model.parameters() if p.requires_grad)
    unsettle(controller.model)
    assert controller.adjust(data[0]) > 0


@pytest.mark.parametrize("net", [None, PlaneNet()])
def test_fisher_information_is_that_of_the_weight_change(net):
    controller, data = anchored(net, space="delta")
    model, expected, count = controller.model, {}, 0
    for x, y in data:
        for one in range(len(x)):
            for name in ("visual", "textual"):
                layer = model.base_model.model.get_submodule(name)
                layer.base_layer.weight.requires_grad_()
            F.cross_entropy(model(x[one : one + 1]), y[one : one + 1]).backward()
            for name in ("visual", "textual"):
                weight = model.base_model.model.get_submodule(name).base_layer.weight
                expected[name] = expected.get(name, 0) + weight.grad.square()
                weight.grad = None
                weight.requires_grad_(False)
            count += 1
    state = controller.method.state()
    for name, value in expected.items():
        torch.testing.assert_close(state[f"F:base_model.model.{name}"], value / count)


def test_fused_layers_give_the_same_fisher_information_and_stay_frozen():
    plain, fused = lora(trained=True), lora()
    fused.load_state_dict(plain.state_dict())
    enable(fused)
    states = []
    for model in (plain, fused):
        method = Ewc(losses)
        method.end(model, batches(0, 2))
        states.append(method.state())
        assert not model.base_model.model.visual.base_layer.weight.requires_grad
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value)


@pytest.mark.parametrize("space", ["delta", "parameters"])
def test_gradient_of_the_penalty_follows_the_equation(space):
    controller, data = anchored(space=space, groups=GROUPS, strength=3.0)
    model, state = controller.model, controller.method.state()
    unsettle(model)
    controller.adjust(data[0])
    theta = {k[6:]: v for k, v in state.items() if k.startswith("theta:")}
    for name in ("visual", "textual"):
        key = f"base_model.model.{name}"
        layer = model.get_submodule(key)
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        a0, b0 = (theta[f"{key}.lora_{letter}.default.weight"] for letter in "AB")
        if space == "delta":
            fisher, scale = state[f"F:{key}"], layer.scaling["default"]
            weight = 3 / fisher.mean()
            pull = weight * fisher * scale * (b @ a - b0 @ a0) * scale
            expected = {a: b.T @ pull, b: pull @ a.T}
        else:
            fishers = [state[f"F:{key}.lora_{letter}.default.weight"] for letter in "AB"]
            weight = 3 / torch.cat([f.flatten() for f in fishers]).mean()
            expected = {
                a: weight * fishers[0] * (a - a0),
                b: weight * fishers[1] * (b - b0),
            }
        for parameter, grad in expected.items():
            torch.testing.assert_close(parameter.grad, grad.detach())


def test_gradient_of_the_penalty_is_added_to_that_of_the_loss():
    controller, data = anchored()
    unsettle(controller.model)
    trained = [p for p in controller.model.parameters() if p.requires_grad]
    total = losses(controller.model, data[0]).mean()
    total = total + controller.method.penalty(controller.model, data[0])
    expected = torch.autograd.grad(total, trained)
    losses(controller.model, data[0]).mean().backward()
    controller.adjust(data[0])
    for parameter, grad in zip(trained, expected, strict=True):
        torch.testing.assert_close(parameter.grad, grad)


def test_adaptive_weights_protect_all_modalities_equally():
    controller, _ = anchored(groups=GROUPS, strength=2.0)
    weights, state = controller.method.weights(), controller.method.state()
    assert weights.keys() == GROUPS.keys()
    means = {
        group: float(state[f"F:base_model.model.{name}"].mean()) for group, name in GROUPS.items()
    }
    assert means["vision"] != pytest.approx(means["text"], rel=0.2)
    for group, mean in means.items():
        assert weights[group] * mean == pytest.approx(2.0, rel=1e-5)
    assert anchored(adaptive=False, strength=5.0)[0].method.weights() == {"rest": 5.0}


def test_previous_information_decays():
    model, data = lora(trained=True), batches(0, 2)
    single, online = Ewc(losses), Ewc(losses, decay=0.25)
    single.end(model, data)
    for _ in range(2):
        online.end(model, data)
    for key, value in single.state().items():
        factor = 1.25 if key.startswith("F:") else 1.0
        torch.testing.assert_close(online.state()[key], factor * value)


def test_number_of_measured_samples_is_limited():
    model, data = lora(trained=True), batches(0, 3)
    few, first = Ewc(losses, samples=20), Ewc(losses)
    few.end(model, data)
    x, y = (torch.cat(parts) for parts in zip(*data, strict=True))
    first.end(model, [(x[:20], y[:20])])
    for key, value in first.state().items():
        torch.testing.assert_close(few.state()[key], value)


def test_consistency_term_is_the_change_of_pair_similarities():
    controller, data = anchored(strength=0.0, consistency=features, gamma=7.0, every=1)
    method, model = controller.method, controller.model
    assert method.penalty(model, data[0]) == 0
    kept = F.normalize(features(model, data[0])[0]) @ F.normalize(features(model, data[0])[1]).T
    unsettle(model)
    moved = F.normalize(features(model, data[0])[0]) @ F.normalize(features(model, data[0])[1]).T
    expected = 7 * (moved - kept).square().sum() / 16**2
    before = {name: p.clone() for name, p in model.named_parameters()}
    torch.testing.assert_close(method.penalty(model, data[0]), expected)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert torch.autograd.grad(method.penalty(model, data[0]), list(trained(model)))[0].any()


def test_consistency_term_comes_in_the_last_of_several_steps_with_their_weight():
    every = anchored(strength=0.0, consistency=features, gamma=7.0, every=1)
    third = anchored(strength=0.0, consistency=features, gamma=7.0, every=3)
    third[0].model.load_state_dict(every[0].model.state_dict())
    third[0].method.restore(third[0].model, every[0].method.state())
    state = unsettle(every[0].model).state_dict()
    third[0].model.load_state_dict(state)
    data, (controller, _) = every[1], third
    once = float(every[0].adjust(data[0]))
    values = []
    for _ in range(6):
        values.append(float(controller.adjust(data[0])))
        controller.stepped()
    assert once > 0
    assert values == pytest.approx([0, 0, 3 * once, 0, 0, 3 * once], rel=1e-5)


def test_consistency_term_is_zero_at_the_anchor_of_a_model_with_dropout():
    controller, data = anchored(strength=0.0, consistency=dropped, gamma=7.0, every=1)
    controller.model.train()
    assert controller.method.penalty(controller.model, data[0]) == 0
    assert all(module.training for module in controller.model.modules())


def dropped(model, batch):
    left, right = features(model, batch)
    return F.dropout(left, 0.5, model.training), right


def trained(model):
    return [p for p in model.base_model.model.visual.parameters() if p.requires_grad]


def test_parameter_space_works_with_every_method_of_peft():
    config = IA3Config(target_modules=["visual", "textual"], feedforward_modules=[])
    controller = ContinualController(get_peft_model(Net(), config), Ewc(losses, space="parameters"))
    learn(controller, "first", batches(0), 3)
    controller.begin("second")
    unsettle(controller.model)
    assert controller.adjust(batches(0)[0]) > 0


def test_refuses_a_mean_loss_and_missing_samples():
    with pytest.raises(AdapterError, match="one loss for each sample"):
        Ewc(lambda model, batch: losses(model, batch).mean()).end(lora(), batches(0))
    with pytest.raises(AdapterError, match="no sample"):
        Ewc(losses).end(lora(), [])
    with pytest.raises(AdapterError, match=r"gamma=1.0: .* needs the features of pairs"):
        Ewc(losses, gamma=1.0)
    with pytest.raises(AdapterError, match="gamma >= 0, every >= 1"):
        Ewc(losses, consistency=features, gamma=1.0, every=0)
    with pytest.raises(AdapterError, match="0 <= decay <= 1"):
        Ewc(losses, decay=2.0)
