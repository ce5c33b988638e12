"""PEML refuses attention blocks that cannot use a prefix; LoRA alone is possible anywhere."""

from __future__ import annotations

import pytest
import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from case_table import table
from method_layers import bare, example
from peft import get_peft_model

from scionwood import AdapterError
from scionwood_methods.peft import PemlConfig


class Windows(nn.Module):
    """Attention over windows of 2 tokens, but q is projected before the windows are cut."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 2
        self.q_proj, self.o_proj = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.o_proj(self.q_proj(x).unflatten(1, (-1, 2)))


@table(
    ("options", "said"),
    [
        ({"prefix": 1}, "at least 2 tokens"),
        ({"prefix": -2}, "at least 2 tokens"),
        ({"width": 0}, "at least 1 feature"),
        ({"network": "cnn"}, "identity, linear"),
        ({"roles": {"x": "z"}}, "q, k, v, o or qkv"),
    ],
)
def test_refuses_options_that_fit_no_attention(options, said):
    with pytest.raises(AdapterError, match=said):
        PemlConfig(**options)


@table("targets", [["q_proj", "v_proj"], ["o_proj"], ["gate"]])
def test_a_required_prefix_needs_both_projections(targets):
    with pytest.raises(AdapterError, match="no attention has both"):
        get_peft_model(Attentive(), PemlConfig(prefix=4, num_heads=4, target_modules=targets))
    model = get_peft_model(Attentive(), PemlConfig(target_modules=targets))
    assert not any("peml_gate" in name for name in model.state_dict())


@table(
    ("options", "said"),
    [
        ({}, "number of its heads is not known"),
        ({"num_heads": 5}, "12 features cannot be split among 5 heads"),
        ({"num_heads": 4, "num_kv_heads": 3}, "with 4 heads of size 3"),
    ],
)
def test_refuses_unknown_or_unsuitable_heads(options, said):
    with pytest.raises(AdapterError, match=said):
        get_peft_model(Attentive(), PemlConfig(target_modules=["q_proj", "o_proj"], **options))


def test_refuses_an_output_with_other_tokens_than_the_query():
    config = PemlConfig(prefix=4, target_modules=["q_proj", "o_proj"])
    model = get_peft_model(Windows(), config)
    with pytest.raises(AdapterError, match=r"q has tokens \(1, 6\), its output \(1, 3, 2\)"):
        model(torch.zeros(1, 6, 4))


def test_refuses_an_output_projection_that_runs_alone():
    config = PemlConfig(target_modules=["q_proj", "o_proj"], num_heads=4, prefix=4)
    model = get_peft_model(Attentive(), config)
    model(numbers())
    with pytest.raises(AdapterError, match="runs before its projection of q"):
        model.base_model.model.layers[0].o_proj(numbers())


def test_layers_outside_of_attention_get_only_lora():
    config = PemlConfig(r=3, target_modules=["first", "second"])
    model = get_peft_model(bare("Linear"), config)
    assert {name.split(".")[-2] for name, p in model.named_parameters() if p.requires_grad} == {
        "peml_A",
        "peml_B",
    }
    assert torch.equal(model(example("Linear")), bare("Linear")(example("Linear")))
