"""P2D trains only the chosen heads, with their heads of k and v for grouped queries."""

import numpy as np
import pytest
import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from case_table import table
from method_layers import GROUPED, HEADS
from method_layers import unsettle as shift
from peft import get_peft_model
from scipy.stats import wasserstein_distance

from scionwood import AdapterError
from scionwood_methods.p2d_heads.scores import (
    head_targets,
    heads_off,
    score_heads,
    select_data,
    select_heads,
    wasserstein,
)
from scionwood_methods.peft import HeadSliceConfig

SHARED = {"layers.0": [0], "layers.1": [0, 1]}
"""Head h uses the head h // 2 of k and v."""


def base():
    torch.manual_seed(1)
    return Attentive().eval()


def tuned(heads=HEADS, **options):
    model = base()
    settings = HeadSliceConfig(heads=heads, target_modules=head_targets(model, heads), **GROUPED)
    for key, value in options.items():
        setattr(settings, key, value)
    return get_peft_model(model, settings)


def moved(model, name, axis):
    """Return the heads (of 3 features) that an adapter changes along an axis of a weight."""
    delta = model.base_model.model.get_submodule(name).get_delta_weight("default")
    changed = delta.abs().amax(1 - axis).reshape(-1, 3)
    assert ((changed > 0).all(1) == (changed > 0).any(1)).all()
    return changed.amax(1).nonzero().flatten().tolist()


def test_only_rows_of_q_k_v_and_columns_of_o_move():
    model = shift(tuned())
    for block, heads in HEADS.items():
        assert moved(model, f"{block}.q_proj", 0) == heads
        assert moved(model, f"{block}.k_proj", 0) == SHARED[block]
        assert moved(model, f"{block}.v_proj", 0) == SHARED[block]
        assert moved(model, f"{block}.o_proj", 1) == heads


def test_gradients_equal_those_of_the_weight_slices():
    model, plain, x = tuned(), base(), numbers()
    for one in (model, plain):
        one(x).square().sum().backward()
    layer = plain.layers[1]
    own = model.base_model.model.layers[1]
    rows = [0, 1, 2, 9, 10, 11]
    gradients = [layer.q_proj.weight.grad[rows], layer.o_proj.weight.grad[:, rows]]
    for gradient, part in zip(gradients, (own.q_proj, own.o_proj), strict=True):
        torch.testing.assert_close(part.p2d_heads_delta["default"].grad, gradient)


@table("slices", [None, "q", "kv"])
def test_a_fused_layer_holds_q_then_k_then_v(slices):
    sizes = None if slices is None else [12, 6, 6]
    chosen = {"slices": slices, "slice_sizes": sizes}
    settings = HeadSliceConfig(
        heads={"attn": [3]}, target_modules=["attn.qkv"], **GROUPED, **chosen
    )
    fused = nn.ModuleDict({"attn": nn.ModuleDict({"qkv": nn.Linear(12, 24)})})
    model = shift(get_peft_model(fused, settings))
    rows = {"q": [3], "k": [5], "v": [7]}  # in heads: 4 of q, 2 of k, 2 of v
    assert moved(model, "attn.qkv", 0) == [rows[c][0] for c in slices or "qkv"]


def test_distance_equals_that_of_scipy():
    p, q = torch.rand(2, 3, 50, dtype=torch.float64).softmax(-1)
    points = np.linspace(0, 1, 50)
    expected = [
        wasserstein_distance(points, points, a.numpy(), b.numpy())
        for a, b in zip(p, q, strict=True)
    ]
    torch.testing.assert_close(wasserstein(p, q), torch.tensor(expected, dtype=torch.float64))


@table("changed", ["q_proj", "k_proj", "v_proj"])
def test_score_of_a_head_uses_its_weights_and_those_of_its_group(changed):
    names = ["q_proj", "k_proj", "v_proj", "o_proj"]
    model = get_peft_model(base(), HeadSliceConfig(target_modules=names))
    assert all(not each.any() for each in score_heads(model, **GROUPED).values())
    layer = model.base_model.model.layers[0].get_submodule(changed)
    with torch.no_grad():
        layer.p2d_heads_delta["default"][3:6] += torch.randn(3, 12)
    scores = score_heads(model, **GROUPED)
    assert not scores["layers.1"].any()
    expected = [1] if changed == "q_proj" else [2, 3]
    assert scores["layers.0"].nonzero().flatten().tolist() == expected
    plain = base().layers[0]
    sliced = [plain.q_proj.weight[3:6], plain.k_proj.weight[:3], plain.v_proj.weight[:3]]
    if changed == "q_proj":
        before = torch.cat([each.flatten() for each in sliced]).double()
        after = before.clone()
        after[:36] += layer.p2d_heads_delta["default"][3:6].flatten().double()
        wanted = wasserstein(before.softmax(0), after.softmax(0))
        torch.testing.assert_close(scores["layers.0"][1], wanted.detach())


def test_selects_the_best_heads_of_all_blocks():
    scores = {"a": torch.tensor([0.1, 0.9, 0.2]), "b": torch.tensor([0.8, 0.3, 0.0])}
    assert select_heads(scores, 0.5) == {"a": [1], "b": [0, 1]}
    assert select_heads(scores, 0.01) == {"a": [1]}
    with pytest.raises(AdapterError, match=r"share=1\.5"):
        select_heads(scores, 1.5)


def test_silenced_heads_equal_zero_columns_of_o():
    model, x = tuned(), numbers()
    plain = base()
    with torch.no_grad():
        plain.layers[0].o_proj.weight[:, 3:6] = 0
        plain.layers[1].o_proj.weight[:, [0, 1, 2, 9, 10, 11]] = 0
    before = model(x)
    with heads_off(model):
        torch.testing.assert_close(model(x), plain(x))
    assert torch.equal(model(x), before)


def test_examples_that_profit_from_the_chosen_heads_come_first():
    model, x = tuned(), numbers()

    def loss(each, example, demonstrated):
        """Return a loss that demonstrations lower, by an amount that depends on the example."""
        return 10 - (example * each(x).square().mean() if demonstrated else 0)

    examples = [torch.tensor(value) for value in (0.1, 0.5, 0.3, -0.2)]
    with_heads, without = model(x).square().mean(), None
    with heads_off(model):
        without = model(x).square().mean()
    order = [1, 2, 0, 3] if with_heads > without else [3, 0, 2, 1]
    assert select_data(model, examples, 1.0, loss) == order
    assert select_data(model, examples, 0.5, loss) == order[:2]
    with pytest.raises(AdapterError, match="positive and finite"):
        select_data(model, examples, 0.5, lambda *_: torch.tensor(0.0))
    with pytest.raises(AdapterError, match=r"budget=0"):
        select_data(model, examples, 0, loss)


def test_refuses_models_without_suitable_adapters():
    whole = get_peft_model(base(), HeadSliceConfig(target_modules=["o_proj"]))
    with pytest.raises(AdapterError, match="projections q, k or v"):
        score_heads(whole, **GROUPED)
    with pytest.raises(AdapterError, match="chosen heads is on a projection o"), heads_off(whole):
        pass


@table(
    ("options", "said"),
    [
        ({"heads": {"layers.0": [4]}}, "0 to 3"),
        ({"heads": {"layers.0": [1, 1]}}, "occurs once"),
        ({"heads": {"layers.0": []}}, "Leave empty blocks out"),
        ({"heads": {"layers.0": [0]}, "num_heads": None}, "num_heads is needed"),
        ({"heads": {"layers.0": [0]}, "num_kv_heads": 3}, "multiple of num_kv_heads"),
        ({"roles": {"query": "queries"}}, "a role is q, k, v, o or qkv"),
    ],
)
def test_refuses_options_that_fit_no_block(options, said):
    with pytest.raises(AdapterError, match=said):
        HeadSliceConfig(**{**GROUPED, **options})


@table(
    ("heads", "targets", "said"),
    [
        ({"layers.0": [1]}, ["q_proj"], r"layers\.1\.q_proj: no head of its block"),
        ({"layers.0": [1]}, ["layers.0.gate"], "known names of projections are"),
        ({"layers.0": [1]}, ["layers.0.norm"], "can be adapted"),
        (None, ["layers.0.conv"], "rows and columns of linear"),
        ({"readout": [1]}, ["readout.q_proj"], "7 features cannot be split among 4 heads"),
    ],
)
def test_refuses_layers_without_chosen_heads(heads, targets, said):
    with pytest.raises(AdapterError, match=said):
        get_peft_model(base(), HeadSliceConfig(heads=heads, target_modules=targets, **GROUPED))
