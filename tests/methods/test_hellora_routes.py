"""Routes are counted as the router chooses, and the most used experts become targets."""

from __future__ import annotations

import pytest
import torch
import torch.nn as nn
from expert_models import Listed, tokens, transformer
from peft import get_peft_model

from scionwood import AdapterError
from scionwood_methods.hellora.routes import count_routes, expert_targets, hot_experts
from scionwood_methods.peft import HelloraConfig

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
FAMILIES = ["olmoe", "mixtral"]
BLOCKS = ["model.layers.0.mlp.experts", "model.layers.1.mlp.experts"]


def run(model, batch):
    return model(batch).logits


def trainable(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("family", FAMILIES)
def test_routes_are_counted_as_the_router_chooses(family):
    model, x = transformer(family).train(), tokens()
    counts = count_routes(model, [x, x[:1]], run)
    assert model.training
    assert list(counts) == BLOCKS
    seen = []
    gate = model.model.layers[0].mlp.gate
    gate.register_forward_hook(lambda *arguments: seen.append(arguments[2][2]))
    run(model.eval(), x)
    run(model, x[:1])
    chosen = torch.cat([each.flatten() for each in seen])
    assert torch.equal(counts[BLOCKS[0]], torch.bincount(chosen, minlength=len(counts[BLOCKS[0]])))
    assert counts[BLOCKS[1]].sum() == 2 * 3 * 7  # two experts for each of 21 tokens


def test_routes_are_counted_with_an_adapter_too():
    hot = {BLOCKS[0]: [1, 3], BLOCKS[1]: [2]}
    settings = HelloraConfig(experts=hot, target_modules=BLOCKS)
    model, x = get_peft_model(transformer("olmoe"), settings), tokens()
    counts = count_routes(model, [x], run)
    for block, expected in count_routes(transformer("olmoe"), [x], run).items():
        assert torch.equal(counts[block], expected)


def test_hot_experts_are_the_most_used_and_ties_take_the_first():
    counts = {"a": torch.tensor([3, 9, 9, 1]), "b": torch.tensor([0, 0, 5, 0])}
    assert hot_experts(counts, 2) == {"a": [1, 2], "b": [0, 2]}
    with pytest.raises(AdapterError, match=r"k=5: a has 4 experts"):
        hot_experts(counts, 5)


def test_counts_lead_to_an_adapter_on_fused_experts():
    model, x = transformer("olmoe"), tokens()
    hot = hot_experts(count_routes(model, [x], run), 2)
    targets = [*expert_targets(model, hot), "q_proj", "v_proj"]
    adapted = get_peft_model(model, HelloraConfig(r=2, experts=hot, target_modules=targets))
    assert {block for block in BLOCKS if any(block in name for name in trainable(adapted))} == {
        *BLOCKS
    }
    run(adapted, x).square().sum().backward()
    gone = [name for name, p in trainable(adapted).items() if p.grad is None]
    assert not gone
    assert sum("self_attn" in name for name in trainable(adapted)) == 8


def test_experts_in_a_list_are_counted_and_targeted_by_their_layers():
    model = nn.ModuleDict({"block": Listed()})
    x = torch.tensor([[9.0, 8, 0, 0], [9, 0, 8, 0], [0, 0, 8, 9.0]])
    counts = count_routes(model, [x], lambda each, batch: each["block"](batch))
    assert counts["block.experts"].tolist() == [2, 1, 2, 1]
    hot = hot_experts(counts, 2)
    assert expert_targets(model, hot) == ["block.experts.0.up", "block.experts.2.up"]
    settings = HelloraConfig(r=2, experts=hot, target_modules=expert_targets(model, hot))
    adapted = get_peft_model(model, settings)
    assert sum(p.numel() for p in trainable(adapted).values()) == 2 * 2 * (4 + 4)
    cold = HelloraConfig(experts=hot, target_modules=["block.experts.1.up"])
    with pytest.raises(AdapterError, match="expert 1 is not hot"):
        get_peft_model(nn.ModuleDict({"block": Listed()}), cold)


def test_refuses_a_model_without_experts():
    with pytest.raises(AdapterError, match="no module holds experts"):
        count_routes(nn.Linear(2, 2), [torch.ones(1, 2)], run)
    with pytest.raises(AdapterError, match="no token reached"):
        count_routes(transformer("olmoe"), [], run)
