"""Every method behaves on every kind of layer as peft requires."""

import copy
import warnings
from functools import partial

import pytest
import torch
import torch.nn as nn
from case_table import table
from method_layers import (
    ADAPTED,
    METHODS,
    PAIRS,
    WHOLE,
    adapted,
    bare,
    config,
    example,
    trainable,
    unsettle,
)
from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.utils.checkpoint import checkpoint

from scionwood import compose, load

over_pairs = table(("method", "kind"), PAIRS)


every_layer = table(("method", "kind"), [(m, kind) for m, kind in PAIRS if kind not in WHOLE])


def close(kind):
    """Return tolerances; a mixture sums its experts in another order."""
    return {"rtol": 1e-4, "atol": 1e-4} if kind == "experts" else {}


def precise(x):
    return x.double() if x.is_floating_point() else x


def dropped(method, share):
    return {"dropout": share} if method in METHODS else {}


def layers(model):
    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


@over_pairs
@torch.no_grad()  # gradients make some kernels of torch round differently
def test_a_new_adapter_changes_nothing_and_only_it_trains(method, kind):
    model, x = adapted(method, kind), example(kind)
    exact = {} if kind == "experts" else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(model(x), bare(kind)(x), **exact)
    assert all(f".{model.base_model.prefix}" in f".{name}" for name in trainable(model))


@every_layer
def test_the_layers_tell_their_numbers_of_features(method, kind):
    for layer in layers(adapted(method, kind)):
        plain = layer.base_layer
        names = ("in_features", "out_features")
        if not hasattr(plain, "in_features"):
            names = ("in_channels", "out_channels")
        assert (layer.in_features, layer.out_features) == tuple(getattr(plain, n) for n in names)


@over_pairs
def test_every_tensor_gets_a_gradient_and_a_step_keeps_the_base(method, kind):
    model, x = unsettle(adapted(method, kind, **dropped(method, 0.1))), example(kind)
    model.train()(x).square().mean().backward()
    for name, parameter in trainable(model).items():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    torch.optim.AdamW(trainable(model).values(), lr=0.1).step()
    with torch.no_grad(), model.eval().disable_adapter():
        assert torch.equal(model(x), bare(kind)(x))


@over_pairs
def test_gradients_equal_finite_differences(method, kind):
    model, x = unsettle(adapted(method, kind).double()), precise(example(kind))
    values = trainable(model)
    step = {name: 1e-5 * torch.randn_like(p) for name, p in values.items()}
    slopes = torch.autograd.grad(model(x).sin().sum(), list(values.values()))
    expected = sum((g * d).sum() for g, d in zip(slopes, step.values(), strict=True))
    ends = []
    for sign in (1, -1):
        moved = {name: p.detach() + sign * step[name] for name, p in values.items()}
        ends.append(torch.func.functional_call(model, moved, (x,)).sin().sum())
    torch.testing.assert_close((ends[0] - ends[1]) / 2, expected, rtol=1e-3, atol=1e-7)


@table(
    ("method", "options"),
    [("disel", {"fused": False}), ("smoa", {}), ("gpart", {}), ("loft", {"r": 2})],
    ids=str,
)
@table("kind", ["Linear", "fused qkv", "Conv1d"])
def test_second_derivatives_are_exact(method, options, kind):
    model = unsettle(adapted(method, kind, **options).double())
    x = example(kind).double()[:2].requires_grad_()
    assert torch.autograd.gradgradcheck(model, x, fast_mode=True)


@over_pairs
@torch.no_grad()
def test_merging_keeps_the_output_or_is_refused_with_the_reason(method, kind):
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    before, held = model(x), base_weights(model)
    reason = getattr(layers(model)[0], "not_mergeable", None)
    if method == "peml" and kind in WHOLE:
        reason = "depends on the query"
    if reason:
        for merging in (model.merge_adapter, copy.deepcopy(model).merge_and_unload):
            with pytest.raises(NotImplementedError, match=reason):
                merging()
        assert torch.equal(model(x), before)
        return
    model.merge_adapter(safe_merge=True)
    assert not all(torch.equal(now, held[key]) for key, now in base_weights(model).items())
    torch.testing.assert_close(model(x), before, **close(kind))
    model.unmerge_adapter()
    assert all(torch.equal(now, held[key]) for key, now in base_weights(model).items())
    assert torch.equal(model(x), before)
    merged = copy.deepcopy(model).merge_and_unload()
    assert not layers(merged)
    torch.testing.assert_close(merged(x), before, **close(kind))
    next(iter(trainable(model).values())).fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        model.merge_adapter(safe_merge=True)
    assert all(torch.equal(now, held[key]) for key, now in base_weights(model).items())


def base_weights(model):
    return {key: v.clone() for key, v in model.state_dict().items() if ".base_layer." in key}


@over_pairs
@torch.no_grad()
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
            torch.testing.assert_close(model(x), expected, **close(kind))
    model.base_model.set_adapter(["b", "c"])
    if method in ("peml", "p2d_heads"):
        total = model(x)
        with compose(model, {"b": 1.0, "c": 1.0}):
            torch.testing.assert_close(model(x), total)
    if kind in ADAPTED:
        first = layers(model)[0]
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


@table(("method", "kind"), [(m, kind) for m, kind in PAIRS if m != "partial"])
def test_half_precision_stays_close_and_keeps_the_dtype(method, kind):
    share = 0.3 if kind == "experts" else 0.05
    model, x = unsettle(adapted(method, kind)).eval(), example(kind)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(x).dtype in (torch.bfloat16, torch.float32)
        assert (model(x).float() - expected).norm() < share * expected.norm()
        model.train()(x).float().square().mean().backward()
    base = get_peft_model(bare(kind).to(torch.bfloat16), config(method, kind))
    set_peft_model_state_dict(base, get_peft_model_state_dict(model))  # in float32, as peft does
    for low in (base, copy.deepcopy(model).to(torch.bfloat16)):
        out = low.eval()(x.to(torch.bfloat16) if x.is_floating_point() else x)
        assert out.dtype == torch.bfloat16
        assert (out.float() - expected).norm() < share * expected.norm()


@over_pairs
def test_activation_checkpointing_gives_the_same_gradients(method, kind):
    model, x = unsettle(adapted(method, kind, **dropped(method, 0.2))).train(), example(kind)
    gradients = []
    for run in (model, partial(checkpoint, model, use_reentrant=False)):
        model.zero_grad()
        torch.manual_seed(6)
        run(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in trainable(model).values()])
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right)


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
    settings = load("adapters", f"methods/{method}")(target_modules=["0"], **options)
    model = unsettle(get_peft_model(nn.Sequential(nn.Linear(24, 32)), settings))
    x = torch.randn(3, 24)
    layer = model.base_model.model[0]
    moved = (layer(x) - layer.base_layer(x)).abs()
    assert moved[:, 28:].all()
    assert not moved[:, :28].any()
    assert layer.slices["default"].chosen == 4
