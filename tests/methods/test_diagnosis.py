"""The mean-field diagnostics, compared with dense matrices, and their command."""

import pytest
import torch
import torch.nn as nn
from peft import IA3Config, LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaModel

from scionwood import AdapterError, OutputExistsError, RecipeError, attach
from scionwood_methods import diagnose
from scionwood_methods.diagnosis.meanfield import (
    attentions,
    cloud_drift,
    drift_by_depth,
    head_shift,
    head_shifts,
)
from scionwood_methods.disel import DiselConfig

WIDTH, HEADS = 8, 2
PEFT = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_heads = HEADS
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = Attention()

    def forward(self, x):
        return x + self.attn(x)


def vit(config=None, scale=0.3):
    torch.manual_seed(0)
    model = nn.Sequential(Block(), Block(), Block())
    config = config or LoraConfig(r=2, target_modules=["qkv", "proj"])
    tuned = get_peft_model(model, config).eval()
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.copy_(scale * torch.randn_like(parameter))
    return tuned


def dense(output, value, moved_output, moved_value):
    """Return the quantities of a head from dense matrices."""
    v, w = (output @ value).double(), (moved_output @ moved_value).double()
    values, vectors = torch.linalg.eigh((v + v.T) / 2)
    d, u = (w + w.T - v - v.T) / 2, vectors[:, -1]
    rest = torch.eye(len(u), dtype=u.dtype) - torch.outer(u, u)
    return [
        values[-1] - values[-2],
        u @ d @ u,
        (rest @ d @ u).norm(),
        torch.linalg.matrix_norm(rest @ d @ rest, 2),
        torch.linalg.matrix_norm(w - v, 2),
    ]


@pytest.mark.parametrize("width", [3, 20])
def test_factored_quantities_equal_those_of_whole_matrices(width):
    factors = [torch.randn(shape) for shape in [(30, width), (width, 30)] * 2]
    shift = head_shift(tuple(factors[:2]), tuple(factors[2:]))
    torch.testing.assert_close(torch.tensor(shift), torch.stack(dense(*factors)).float())
    assert shift.margin == pytest.approx(shift.gap + shift.a - 2 * shift.b - shift.e)


def test_leading_direction_stays_near_while_the_margin_is_positive():
    v = torch.diag(torch.tensor([3.0, 1.0, 0.5, 0.0]))
    d = 0.1 * torch.randn(4, 4)
    d = d + d.T
    shift = head_shift((v, torch.eye(4)), (v + d, torch.eye(4)))
    assert shift.margin > 0
    moved = torch.linalg.eigh(v + d).eigenvectors[:, -1]
    bound = (2 * shift.b + shift.e) / (shift.gap + shift.a)
    assert 0 < (1 - moved[0].abs()) < bound


def test_heads_of_a_fused_layer_are_slices_of_it():
    model = vit()
    (first, *_) = attentions(model)
    attn = model.base_model.model[0].attn
    weights = []
    for layer in (attn.qkv, attn.proj):
        base = layer.base_layer.weight.detach()
        weights.append((base, base + layer.get_delta_weight("default").detach()))
    for head, shift in enumerate(head_shifts(first)):
        rows = slice(16 + 4 * head, 20 + 4 * head)
        columns = slice(4 * head, 4 * head + 4)
        parts = [(proj[:, columns], qkv[rows]) for qkv, proj in zip(*weights, strict=True)]
        expected = torch.stack(dense(*parts[0], *parts[1])).float()
        torch.testing.assert_close(torch.tensor(shift), expected)


@PEFT
def test_grouped_queries_share_a_value_head():
    config = LlamaConfig(
        vocab_size=5,
        hidden_size=16,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    model = get_peft_model(LlamaModel(config), LoraConfig(r=2, target_modules=["v_proj"]))
    attn = model.base_model.model.layers[0].self_attn
    nn.init.normal_(attn.v_proj.lora_B["default"].weight)
    (attention,) = attentions(model)
    shifts = head_shifts(attention)
    assert len(shifts) == 4
    base, delta = attn.v_proj.base_layer.weight, attn.v_proj.get_delta_weight("default")
    for head, shift in enumerate(shifts):
        rows = slice(head // 2 * 4, head // 2 * 4 + 4)
        columns = attn.o_proj.weight[:, 4 * head : 4 * head + 4]
        expected = dense(columns, base[rows], columns, (base + delta)[rows])
        torch.testing.assert_close(torch.tensor(shift), torch.stack(expected).detach().float())


def test_drift_grows_with_the_adapter_and_is_zero_without_it():
    x = torch.randn(2, 5, WIDTH)
    still, little, much = (drift_by_depth(vit(scale=s), (x,)) for s in (0.0, 0.05, 0.5))
    assert len(still) == 3
    for at_rest, small, large in zip(still, little, much, strict=True):
        assert at_rest.wasserstein == 0
        assert abs(at_rest.direction) < 1e-12
        assert 0 < small.direction < large.direction
        assert 0 < small.wasserstein < large.wasserstein


def test_the_sliced_distance_ignores_the_order_of_tokens():
    cloud = torch.randn(1, 9, WIDTH)
    shuffled = cloud[:, torch.randperm(9)]
    assert cloud_drift(cloud, shuffled).wasserstein == 0
    assert cloud_drift(cloud, -cloud).direction == pytest.approx(2)


def test_refuses_adapters_without_a_weight_change_and_models_without_attention():
    for config, says in (
        (DiselConfig(r=2, target_modules=["qkv"]), "depend on the input"),
        (IA3Config(target_modules=["qkv"], feedforward_modules=[]), "get_delta_weight"),
    ):
        (first, *_) = attentions(vit(config))
        with pytest.raises(AdapterError, match=says):
            head_shifts(first)
    model = attach(nn.Sequential(nn.Linear(4, 4)), LoraConfig(r=2), targets="0")
    with pytest.raises(AdapterError, match="no attention"):
        attentions(model)


def test_existing_figures_and_shipped_runs_are_not_changed(tmp_path):
    for figures, name in ((tmp_path, "forgetting.png"), (tmp_path / "here.png", "here.png")):
        (tmp_path / name).write_text("mine")
        with pytest.raises(OutputExistsError):
            diagnose(tmp_path, figures=figures)
        assert (tmp_path / name).read_text() == "mine"
    for name, text in {"recipe.yaml": "{}", "origin.json": '{"name": "a/b"}'}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "adapter").mkdir()
    with pytest.raises(RecipeError, match="without --figures: a shipped or pulled run"):
        diagnose(tmp_path)
    assert not (tmp_path / "figures").exists()
