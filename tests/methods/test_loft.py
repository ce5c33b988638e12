"""LOFT rotates the input of a weight: it equals PSOFT with the principal support."""

import pytest
import torch
import torch.nn.functional as F
from case_table import table
from method_layers import bare, example, trainable, unsettle
from peft import PsoftConfig, get_peft_model

from scionwood import AdapterError, attach, load_adapter, save_adapter
from scionwood_methods.loft.calibration import OVERSAMPLING, calibrate
from scionwood_methods.peft import LoftConfig

SUPPORTS = ["principal", "gradient", "random", "coordinate"]


def loft(kind, r=4, **options):
    slices = {"slices": "qv"} if kind == "fused qkv" else {}
    settings = LoftConfig(r=r, target_modules=["first", "second"], **slices, **options)
    return get_peft_model(bare(kind), settings)


def energy(model, batch):
    return model(batch).sin().square().mean()


def calibrated(kind, **options):
    model = loft(kind, support="gradient", **options)
    calibrate(model, [example(kind), example(kind).flip(0) + 1], energy)
    return model


def layers(model):
    return [model.base_model.model.first, model.base_model.model.second]


def basis(layer, name="default"):
    return layer.loft_orth_support[name].basis


def skew(layer, gradient):
    """Return `Skew(W0^T G)` as a dense matrix, which the calibration never forms."""
    chosen = layer.slices["default"].take(gradient, 0).flatten(1)
    product = layer.matrix("default").mT @ chosen
    return (product - product.mT) / 2


def test_principal_support_gives_psoft_without_magnitudes():
    psoft = PsoftConfig(
        r=5, psoft_alpha=5, psoft_mag_a=False, psoft_mag_b=False, target_modules=["first", "second"]
    )
    ours, theirs = unsettle(loft("Linear", r=5)), get_peft_model(bare("Linear"), psoft)
    for one, other in zip(layers(ours), layers(theirs), strict=True):
        other.psoft_R["default"].weight.data = one.loft_orth_Q["default"].data.clone()
    x = example("Linear")
    torch.testing.assert_close(ours(x), theirs(x))
    for one, other in zip(layers(ours), layers(theirs), strict=True):
        delta = other.get_delta_weight("default")
        torch.testing.assert_close(one.get_delta_weight("default"), delta)


@table("kind", ["Linear", "Conv2d", "grouped conv", "fused qkv"])
def test_weight_is_rotated_only_inside_the_support(kind):
    for layer in layers(unsettle(loft(kind, support="random"))):
        p, matrix = basis(layer), layer.matrix("default")
        turned = torch.eye(4) + layer.turn("default").detach()
        torch.testing.assert_close(turned @ turned.mT, torch.eye(4))
        inside = p @ p.mT
        new = matrix + layer.slices["default"].take(layer.get_delta_weight("default"), 0).flatten(1)
        torch.testing.assert_close(new @ p, matrix @ p @ turned)
        torch.testing.assert_close(new - new @ inside, matrix - matrix @ inside)


def test_rotation_of_all_inputs_keeps_the_singular_values():
    first, _ = layers(unsettle(loft("Linear", r=12, support="random")))
    before = first.base_layer.weight
    after = before + first.get_delta_weight("default")
    torch.testing.assert_close(torch.linalg.svdvals(before), torch.linalg.svdvals(after))


@table("kind", ["Linear", "Conv2d", "fused qkv"])
def test_gradient_support_spans_the_leading_singular_vectors(kind):
    model = calibrated(kind)
    batches = [example(kind), example(kind).flip(0) + 1]
    weights = [layer.base_layer.weight.requires_grad_() for layer in layers(model)]
    gradients = torch.autograd.grad(sum(energy(model, x) for x in batches), weights)
    for layer, gradient in zip(layers(model), gradients, strict=True):
        wanted, p = skew(layer, gradient), basis(layer)
        u, s, _ = torch.linalg.svd(wanted)
        torch.testing.assert_close(p.mT @ p, torch.eye(4))
        assert (p.mT @ wanted @ p).norm() > 0.9 * s[:4].norm()
        if len(wanted) <= 4 + OVERSAMPLING:  # then the range finder tries every direction
            torch.testing.assert_close(p @ p.mT, u[:, :4] @ u[:, :4].mT, rtol=0, atol=1e-4)


def test_gradient_support_gives_the_largest_first_step():
    x, slopes = example("Linear"), {}
    for support in SUPPORTS:
        torch.manual_seed(1)
        model = loft("Linear", support=support)
        if support == "gradient":
            calibrate(model, [x], energy)
        energy(model, x).backward()
        slopes[support] = [p.grad.norm() for p in trainable(model).values()]
    for support in ("principal", "random", "coordinate"):
        pairs = zip(slopes["gradient"], slopes[support], strict=True)
        assert all(best > 1.1 * other for best, other in pairs), slopes


def test_calibration_changes_only_the_supports():
    model = loft("Linear", support="gradient").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    x = example("Linear")
    calibrate(model, (x for _ in range(2)), energy)
    changed = [k for k, v in model.state_dict().items() if not torch.equal(v, before[k])]
    assert [key.rpartition(".")[2] for key in changed] == ["basis", "basis"]
    assert {name: p.requires_grad for name, p in model.named_parameters()} == flags
    assert all(p.grad is None for p in model.parameters())
    assert all(module.training for module in model.modules())
    assert torch.equal(model(x), bare("Linear")(x))


def test_two_adapters_on_one_layer_are_calibrated_together():
    model = loft("Linear", support="gradient")
    model.add_adapter("b", LoftConfig(r=2, support="gradient", target_modules=["first"]))
    model.base_model.set_adapter(["default", "b"])
    calibrate(model, [example("Linear")], energy)
    first, _ = layers(model)
    both = torch.cat([basis(first), basis(first, "b")], 1)
    assert torch.linalg.matrix_rank(both, rtol=0.05) == 4


def test_training_needs_a_calibrated_gradient_support(tmp_path):
    settings = LoftConfig(r=4, support="gradient")
    x = example("Linear")
    model = attach(bare("Linear"), settings, targets="first|second", example=(x,))
    assert torch.equal(model.eval()(x), bare("Linear")(x))
    save_adapter(model, tmp_path)
    for waiting in (model, load_adapter(bare("Linear"), tmp_path, trainable=True)):
        with pytest.raises(AdapterError, match="calibrate"):
            waiting.train()(x)
    calibrate(model, [x], energy)
    save_adapter(unsettle(model), tmp_path)
    loaded = load_adapter(bare("Linear"), tmp_path, trainable=True)
    assert torch.equal(loaded.train()(x), model.train()(x))


def test_refuses_to_calibrate_a_trained_adapter_or_by_a_loss_that_needs_no_layer():
    x = [example("Linear")]
    with pytest.raises(AdapterError, match="no active LOFT adapter of this model needs"):
        calibrate(calibrated("Linear"), x, energy)
    fresh = loft("Linear", support="gradient")
    with pytest.raises(AdapterError, match=r"layer .*second.*does not depend"):
        calibrate(fresh, x, lambda m, x: layers(m)[0](x).square().mean())
    with pytest.raises(AdapterError, match="Q is not zero"):
        calibrate(unsettle(fresh), x, energy)


def test_support_stays_in_float32_in_half_precision():
    low, x = bare("Linear").bfloat16(), example("Linear").bfloat16()
    model = get_peft_model(low, LoftConfig(r=4, target_modules=["first", "second"]))
    p = basis(layers(model)[0])
    assert p.dtype == torch.float32
    torch.testing.assert_close(p.mT @ p, torch.eye(4))
    assert torch.equal(model(x), bare("Linear").bfloat16()(x))
    out = unsettle(model)(x)
    assert out.dtype == torch.bfloat16
    model.merge_adapter(safe_merge=True)
    torch.testing.assert_close(model(x), out, rtol=0.05, atol=0.05)
    model.unmerge_adapter()
    assert torch.equal(model(x), out)


def test_dropout_acts_only_on_the_rotated_part():
    torch.manual_seed(0)
    model = unsettle(loft("Linear", dropout=0.5)).train()
    layer, x = layers(model)[0], torch.ones(2000, 12)
    change = layer(x) - layer.base_layer(x)
    whole = F.linear(x[:1], layer.get_delta_weight("default"))
    torch.testing.assert_close(change.mean(0, keepdim=True), whole, rtol=0, atol=0.05)
    assert change.std(0).max() > 0.05


@table(
    ("made", "said"),
    [
        (lambda: LoftConfig(support="largest"), "principal, gradient"),
        (lambda: LoftConfig(r=1), "2 dimensions"),
        (lambda: LoftConfig(r=3, support="gradient"), "even"),
        (lambda: loft("Linear", r=10), r"r=10 .*at most 9 dimensions"),
        (lambda: loft("Linear", r=13, support="random"), r"r=13 .*at most 12 dimensions"),
    ],
)
def test_refuses_options_that_fit_no_rotation(made, said):
    with pytest.raises(AdapterError, match=said):
        made()
