"""PEML's prefix: no change at first, then an effect in every kind of attention, cached or not."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from case_table import table
from method_layers import unsettle
from peft import get_peft_model
from prefix_models import CASES, answer, base, config, installed, prefixed, words

from scionwood import AdapterError, attach, load_adapter, save_adapter
from scionwood_methods.peft import PemlConfig
from scionwood_methods.peml.tuner import PemlLayer

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is:FutureWarning")
every_case = pytest.mark.parametrize(
    "case",
    [
        pytest.param(each, marks=pytest.mark.skipif(not installed(each), reason="not installed"))
        for each in CASES
    ],
)


def readers(model):
    """Return the output projections with a prefix."""
    return [m for m in model.modules() if isinstance(m, PemlLayer) and "default" in m.heads]


@every_case
def test_a_new_adapter_changes_nothing_and_adds_a_prefix_to_every_attention(case, tmp_path):
    x = CASES[case].example()
    before = answer(base(case), x)
    model = attach(base(case), config(case), example=(x,)).eval()
    assert torch.equal(answer(model, x), before)
    heads = [tuple(m.heads["default"]) for m in readers(model)]
    assert heads == [CASES[case].heads] * CASES[case].attentions
    save_adapter(unsettle(model), tmp_path)
    assert torch.equal(answer(load_adapter(base(case), tmp_path), x), answer(model, x))


def test_heads_add_gated_attention_to_the_prefix_of_their_group():
    model, x = unsettle(prefixed("plain")).eval(), numbers()
    block = model.base_model.model.layers[0]
    layer, seen = block.o_proj, []
    layer.base_layer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    model(x)
    network = layer.peml_network["default"]
    kv = (network() @ layer.peml_kv["default"].mT).reshape(5, 2, 2, 3)  # p, k or v, head, size
    q, gate, parts = block.q_proj(x).unflatten(-1, (4, 3)), layer.peml_gate["default"], []
    for head in range(4):
        k, v = kv[:, 0, head // 2], kv[:, 1, head // 2]
        parts.append(gate[head] * (q[..., head, :] @ k.mT / 3**0.5).softmax(-1) @ v)
    torch.testing.assert_close(seen[0], block.heads(x) + torch.cat(parts, -1))


def test_generation_is_the_same_with_and_without_a_cache():
    model, x = unsettle(prefixed("llama")).eval(), words()
    mask = torch.ones_like(x)
    options = {"attention_mask": mask, "max_new_tokens": 9, "do_sample": False}
    runs = [
        model.generate(input_ids=x, use_cache=cached, **options, pad_token_id=0)
        for cached in (True, False)
    ]
    assert torch.equal(*runs)
    with model.disable_adapter():
        plain = model.generate(input_ids=x, **options, pad_token_id=0)
    assert not torch.equal(plain, runs[0])
    whole = model(runs[0]).logits
    past = model(runs[0][:, :10], use_cache=True)
    rest = model(runs[0][:, 10:], past_key_values=past.past_key_values).logits
    torch.testing.assert_close(rest, whole[:, 10:], rtol=1e-4, atol=1e-5)


def test_padding_and_attention_kernels_change_no_token():
    model, x = unsettle(prefixed("llama")).eval(), words()
    expected = model(x).logits
    left = torch.cat([torch.zeros(2, 3, dtype=torch.int64), x], 1)
    mask = (left > 0).long()
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    padded = model(left, attention_mask=mask, position_ids=positions).logits[:, 3:]
    torch.testing.assert_close(padded, expected, rtol=1e-4, atol=1e-5)
    model.base_model.model.set_attn_implementation("eager")
    torch.testing.assert_close(model(x).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not installed("vit"), reason="timm is not installed")
def test_fused_and_plain_attention_of_timm_agree():
    model, x = unsettle(prefixed("vit")).eval(), CASES["vit"].example()
    expected = model(x)
    for block in model.base_model.model.blocks:
        block.attn.fused_attn = False
    torch.testing.assert_close(model(x), expected)


def test_merging_is_possible_without_a_prefix():
    plain, x = unsettle(prefixed("plain", prefix=0)).eval(), numbers()
    before = plain(x)
    plain.merge_adapter()
    torch.testing.assert_close(plain(x), before)


def test_calls_store_nothing_and_copies_are_independent():
    model, x = unsettle(prefixed("plain")), numbers()
    expected = model(x)
    assert all(layer.query.value is None for layer in readers(model))
    other = copy.deepcopy(model)
    for mine, theirs in zip(readers(model), readers(other), strict=True):
        assert theirs.query is not mine.query
        assert theirs.shared["default"].network is readers(other)[0].peml_network["default"]
    unsettle(other, 9)
    assert torch.equal(model(x), expected)
    assert not torch.equal(other(x), expected)


def test_prefix_is_cached_until_a_parameter_changes():
    model, x = unsettle(prefixed("plain")).eval(), numbers()
    network, calls = readers(model)[0].peml_network["default"], []
    network.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        first = model(x)
        assert torch.equal(model(x), first)
        assert len(calls) == 2  # one for each of two attentions
        network.embeddings += 1
        moved = model(x)
        for _ in range(2):  # memory that is free again may be handed out at the old address
            network.embeddings.data = network.embeddings.data + 1
        assert not torch.equal(model(x), moved)
        network.embeddings.data = network.embeddings.data - 2
    assert not torch.equal(moved, first)
    torch.testing.assert_close(model(x), moved)  # with gradients nothing is cached
    assert len(calls) == 8


class Windows(nn.Module):
    """Attention over windows of 2 tokens, but q is projected before the windows are cut."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 2
        self.q_proj, self.o_proj = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.o_proj(self.q_proj(x).unflatten(1, (-1, 2)))


ENDS = ["q_proj", "o_proj"]


@table(
    ("options", "said"),
    [
        ({"prefix": 1}, "at least 2 tokens"),
        ({"prefix": -2}, "at least 2 tokens"),
        ({"width": 0}, "at least 1 feature"),
        ({"network": "cnn"}, "identity, linear"),
        ({"roles": {"x": "z"}}, "q, k, v, o or qkv"),
        ({"target_modules": ENDS}, "number of its heads is not known"),
        ({"target_modules": ENDS, "num_heads": 5}, "cannot be split among 5 heads"),
        ({"target_modules": ENDS, "num_heads": 4, "num_kv_heads": 3}, "with 4 heads of size 3"),
    ],
)
def test_refuses_options_that_fit_no_attention(options, said):
    with pytest.raises(AdapterError, match=said):
        get_peft_model(Attentive(), PemlConfig(**options))


@table("targets", [["q_proj", "v_proj"], ["o_proj"], ["gate"]])
def test_a_required_prefix_needs_both_projections(targets):
    with pytest.raises(AdapterError, match="no attention has both"):
        get_peft_model(Attentive(), PemlConfig(prefix=4, num_heads=4, target_modules=targets))
    model = get_peft_model(Attentive(), PemlConfig(target_modules=targets))
    assert not any("peml_gate" in name for name in model.state_dict())


def test_refuses_an_output_projection_with_other_tokens_or_alone():
    model = get_peft_model(Windows(), PemlConfig(prefix=4, target_modules=ENDS))
    with pytest.raises(AdapterError, match=r"q has tokens \(1, 6\), its output \(1, 3, 2\)"):
        model(torch.zeros(1, 6, 4))
    config = PemlConfig(target_modules=ENDS, num_heads=4, prefix=4)
    model = get_peft_model(Attentive(), config)
    model(numbers())
    with pytest.raises(AdapterError, match="runs before its projection of q"):
        model.base_model.model.layers[0].o_proj(numbers())
