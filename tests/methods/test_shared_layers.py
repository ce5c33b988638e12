"""Every method behaves on every kind of layer as peft requires."""

from __future__ import annotations

import copy
import warnings
from functools import partial

import pytest
import torch
from case_table import table
from method_layers import PAIRS, adapted, available, bare, config, example, trainable, unsettle
from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.utils.checkpoint import checkpoint

from scionwood import compose

over_pairs = table(
    ("method", "kind"), [(method, kind) for method, kind in PAIRS if available(kind)]
)


def layers(model):
    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


@over_pairs
def test_a_new_adapter_changes_nothing_and_only_it_trains(method, kind):
    model, x = adapted(method, kind), example(kind)
    assert torch.equal(model(x), bare(kind)(x))
    assert all(f".{model.base_model.prefix}" in f".{name}" for name in trainable(model))


@over_pairs
def test_the_layers_tell_their_numbers_of_features(method, kind):
    for layer in layers(adapted(method, kind)):
        plain = layer.base_layer
        names = ("in_features", "out_features")
        if not hasattr(plain, "in_features"):
            names = ("in_channels", "out_channels")
        assert (layer.in_features, layer.out_features) == tuple(getattr(plain, n) for n in names)


@over_pairs
def test_every_tensor_gets_a_gradient_and_a_step_keeps_the_base(method, kind):
    model, x = unsettle(adapted(method, kind, dropout=0.1)), example(kind)
    model.train()(x).square().mean().backward()
    for name, parameter in trainable(model).items():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    torch.optim.AdamW(trainable(model).values(), lr=0.1).step()
    with model.disable_adapter():
        assert torch.equal(model(x), bare(kind)(x))


@over_pairs
def test_gradients_equal_finite_differences(method, kind):
    model, x = unsettle(adapted(method, kind).double()), example(kind).double()
    values = trainable(model)
    step = {name: 1e-4 * torch.randn_like(p) for name, p in values.items()}
    slopes = torch.autograd.grad(model(x).sin().sum(), list(values.values()))
    expected = sum((g * d).sum() for g, d in zip(slopes, step.values(), strict=True))
    ends = []
    for sign in (1, -1):
        moved = {name: p.detach() + sign * step[name] for name, p in values.items()}
        ends.append(torch.func.functional_call(model, moved, (x,)).sin().sum())
    torch.testing.assert_close((ends[0] - ends[1]) / 2, expected, rtol=1e-3, atol=1e-7)


@over_pairs
def test_merging_keeps_the_output_or_is_refused_with_the_reason(method, kind):
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    before, base = model(x), bare(kind)
    reason = layers(model)[0].not_mergeable
    if reason:
        with pytest.raises(NotImplementedError, match=reason):
            model.merge_adapter()
        assert torch.equal(model(x), before)
        return
    model.merge_adapter(safe_merge=True)
    assert not torch.equal(layers(model)[0].base_layer.weight, base.first.weight)
    torch.testing.assert_close(model(x), before)
    model.unmerge_adapter()
    assert torch.equal(layers(model)[0].base_layer.weight, base.first.weight)
    torch.testing.assert_close(copy.deepcopy(model).merge_and_unload()(x), before)
    with torch.no_grad():
        next(iter(trainable(model).values())).fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        model.merge_adapter(safe_merge=True)


@over_pairs
def test_three_adapters_switch_add_up_and_are_deleted(method, kind):
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    outputs = {"default": model(x)}
    for seed, name in enumerate(("b", "c"), start=4):
        model.add_adapter(name, config(method, kind))
        model.set_adapter(name)
        assert all(f".{name}" in each for each in trainable(model))
        unsettle(model, seed)
        outputs[name] = model(x)
    assert not torch.equal(outputs["b"], outputs["c"])
    for name, expected in outputs.items():
        model.set_adapter(name)
        assert torch.equal(model(x), expected)
        with compose(model, {name: 1.0}):
            torch.testing.assert_close(model(x), expected)
    first = layers(model)[0]
    model.base_model.set_adapter(["b", "c"])
    total = first(x)
    with model.disable_adapter():
        base = first(x)
    parts = []
    for name in ("b", "c"):
        model.set_adapter(name)
        parts.append(first(x) - base)
    torch.testing.assert_close(total, base + sum(parts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft says which adapter is active now
        model.delete_adapter("c")
    model.set_adapter("default")
    assert torch.equal(model(x), outputs["default"])
    assert not any(key.endswith(".c") or ".c." in key for key in model.state_dict())


@over_pairs
def test_half_precision_stays_close_and_keeps_the_dtype(method, kind):
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(x).dtype in (torch.bfloat16, torch.float32)
        assert (model(x).float() - expected).norm() < 0.05 * expected.norm()
        model.train()(x).float().square().mean().backward()
    base = get_peft_model(bare(kind).to(torch.bfloat16), config(method, kind))
    set_peft_model_state_dict(base, get_peft_model_state_dict(model))  # in float32, as peft does
    for low in (base, copy.deepcopy(model).to(torch.bfloat16)):
        out = low.eval()(x.to(torch.bfloat16))
        assert out.dtype == torch.bfloat16
        assert (out.float() - expected).norm() < 0.05 * expected.norm()


@over_pairs
def test_state_dict_of_trainable_tensors_restores_a_copy(method, kind):
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    kept = {name: value.detach().clone() for name, value in trainable(model).items()}
    other = copy.deepcopy(model)
    unsettle(other, 9)
    assert not torch.equal(other(x), model(x))
    other.load_state_dict(kept, strict=False)
    assert torch.equal(other(x), model(x))


@over_pairs
def test_activation_checkpointing_gives_the_same_gradients(method, kind):
    model, x = unsettle(adapted(method, kind, dropout=0.2)).train(), example(kind)
    gradients = []
    for run in (model, partial(checkpoint, model, use_reentrant=False)):
        model.zero_grad()
        torch.manual_seed(6)
        run(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in trainable(model).values()])
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right)
