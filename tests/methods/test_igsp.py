"""iGSP's mixture of LoRA: routes by softmax, closed during a task and removed after it."""

import pytest
import torch
import torch.nn.functional as F
from case_table import table
from method_layers import ADAPTED, adapted, bare, config, example, trainable, unsettle
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file

from scionwood import AdapterError, attach, load_adapter, save_adapter
from scionwood_methods.igsp.pruning import close_rare, measure, mixtures, prune
from scionwood_methods.igsp.tuner import IgspConfig

SHARES = {"first": torch.tensor([0.5, 0.05, 0.45]), "second": torch.tensor([0.02, 0.02, 0.96])}


def mixture():
    return unsettle(adapted("igsp", "Linear")).eval()


def test_linear_layers_sum_their_experts_by_share():
    model, x = mixture(), example("Linear")
    layer = model.base_model.model.first
    a, b = layer.igsp_A["default"].view(3, 2, 12), layer.igsp_B["default"].view(18, 3, 2)
    share = F.linear(x, layer.igsp_router["default"], layer.igsp_bias["default"]).softmax(-1)
    expected = layer.base_layer(x)
    for e in range(3):
        expected = expected + 16 / 2 * share[:, e : e + 1] * (x @ a[e].mT @ b[:, e].mT)
    torch.testing.assert_close(layer(x), expected)


def test_each_position_of_a_convolution_has_its_own_routes():
    model, x = unsettle(adapted("igsp", "Conv1d")), example("Conv1d")
    layer = model.base_model.model.first
    padded = F.pad(x, (1, 1), mode="circular")
    router = layer.igsp_router["default"], layer.igsp_bias["default"]
    share = F.conv1d(padded, *router).softmax(1).repeat_interleave(2, 1)
    hidden = share * F.conv1d(padded, layer.igsp_A["default"])
    expected = torch.einsum("or,brl->bol", layer.igsp_B["default"], hidden)
    torch.testing.assert_close(layer(x) - layer.base_layer(x), 16 / 2 * expected)


@table("kind", ADAPTED)
def test_parameter_count_follows_the_formula_before_and_after_pruning(kind):
    model, counts = adapted("igsp", kind), {"first": 3, "second": 3}
    for pruned in (False, True):
        counts = prune(model, SHARES) if pruned else counts
        expected = 0
        for name, experts in counts.items():
            layer = mixtures(model)[name]
            fan_in = layer.base_layer.weight[0].numel() * getattr(layer.base_layer, "groups", 1)
            out = layer.slices["default"].chosen
            expected += experts * 2 * (fan_in + out) + experts * (fan_in + 1)
        assert sum(p.numel() for p in trainable(model).values()) == expected
    assert counts == {"first": 2, "second": 1}


def test_measured_shares_are_the_router_mean_over_all_tokens():
    model, batches = mixture(), [example("Linear"), 2 * example("Linear")[:3]]
    assert mixtures(model).keys() == mixtures(model.get_base_model()).keys()
    shares = measure(model.train(), batches, lambda tuned, x: tuned(x))
    assert model.training
    layer, x = model.base_model.model.first, torch.cat(batches)
    router = layer.igsp_router["default"], layer.igsp_bias["default"]
    torch.testing.assert_close(shares["first"], F.linear(x, *router).softmax(-1).mean(0))
    assert not layer.watched


def test_pruning_removes_experts_and_gives_their_shares_to_the_others():
    model, x = mixture(), example("Linear")
    layer = model.base_model.model.first
    a, b = layer.igsp_A["default"].detach(), layer.igsp_B["default"].detach()
    router = layer.igsp_router["default"].detach(), layer.igsp_bias["default"].detach()
    assert prune(model, SHARES) == {"first": 2, "second": 1}
    share = F.linear(x, *router)[:, [0, 2]].softmax(-1).repeat_interleave(2, -1)
    rows = [0, 1, 4, 5]
    expected = 8 * (share * (x @ a[rows].mT)) @ b[:, rows].mT
    torch.testing.assert_close(layer(x) - layer.base_layer(x), expected)
    assert all(p.requires_grad for p in trainable(model).values())


def test_the_optimiser_continues_after_closing_and_compacting_changes_nothing():
    model, x = mixture().train(), example("Linear")
    optimizer = torch.optim.AdamW(trainable(model).values(), lr=0.01, weight_decay=0.1)
    layer = model.base_model.model.first
    for step in range(4):
        if step == 2:
            close_rare(mixtures(model), SHARES, 0.1)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    assert not layer.igsp_A["default"].grad[2:4].any()
    assert not layer.igsp_router["default"].grad[1].any()
    before, count = model(x), len(trainable(model))
    assert prune(model, {n: torch.ones(3) for n in SHARES}) == {"first": 2, "second": 1}
    torch.testing.assert_close(model(x), before)
    assert len(trainable(model)) == count
    assert all(p.isfinite().all() for p in trainable(model).values())


def test_files_omit_pruned_experts_and_loading_restores_the_structure(tmp_path):
    model = unsettle(attach(bare("Linear"), IgspConfig(r=2, experts=3), targets="first|second"))
    x = example("Linear")
    prune(model.eval(), SHARES)
    save_adapter(model, tmp_path)
    state = load_file(tmp_path / "adapter_model.safetensors")
    sizes = {key.removeprefix("base_model.model."): tuple(v.shape) for key, v in state.items()}
    assert sizes["first.igsp_A"] == (4, 12)
    assert sizes["second.igsp_B"] == (9, 2)
    assert sizes["second.igsp_bias"] == (1,)
    assert torch.equal(PeftModel.from_pretrained(bare("Linear"), tmp_path).eval()(x), model(x))
    loaded = load_adapter(bare("Linear"), tmp_path, trainable=True)
    assert torch.equal(loaded.eval()(x), model(x))
    assert loaded.peft_config["default"].kept == {"first": 2, "second": 1}
    assert get_peft_model_state_dict(loaded).keys() == get_peft_model_state_dict(model).keys()


def test_pruning_one_adapter_does_not_change_another():
    model, x = mixture(), example("Linear")
    model.add_adapter("b", config("igsp", "Linear"))
    prune(model, SHARES)
    before = model(x)
    model.set_adapter("b")
    assert mixtures(model, "b")["first"].experts("b") == 3
    assert torch.equal(model(x), bare("Linear")(x))
    model.set_adapter("default")
    assert torch.equal(model(x), before)


@table(
    ("made", "said"),
    [
        (lambda: IgspConfig(experts=1), "at least 2 experts"),
        (lambda: IgspConfig(kept={"first": 0}), "keeps at least 1 expert"),
        (lambda: prune(mixture(), SHARES, threshold=1.5), "a share"),
        (lambda: prune(mixture(), {**SHARES, "second": torch.ones(2)}), "has 3 experts"),
        (lambda: prune(mixture(), {}), "no shares"),
        (lambda: prune(adapted("disel", "Linear"), SHARES), "not a mixture"),
        (lambda: measure(mixture(), [], lambda tuned, x: tuned(x)), "has received no input"),
    ],
)
def test_refuses_invalid_mixtures_and_shares(made, said):
    with pytest.raises(AdapterError, match=said):
        made()


def test_refuses_a_file_whose_sizes_differ_from_its_config(tmp_path):
    model = mixture()
    prune(model, SHARES)
    model.peft_config["default"].kept = {"first": 3, "second": 1}
    model.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(bare("Linear"), tmp_path)
    with pytest.warns(UserWarning, match=r"no scionwood\.json"), pytest.raises(AdapterError):
        load_adapter(bare("Linear"), tmp_path)
