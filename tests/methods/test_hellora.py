"""HELLoRA: the most used experts have factors, and the output is that of changed weights."""

import pytest
import torch
import torch.nn as nn
from case_table import table
from expert_models import Listed, tokens, transformer
from method_layers import trainable
from method_layers import unsettle as shift
from peft import get_peft_model, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from torch.func import functional_call

from scionwood import AdapterError, attach, load_adapter, merge, save_adapter, unmerge
from scionwood_methods.hellora.routes import count_routes, expert_targets, hot_experts
from scionwood_methods.peft import HelloraConfig

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
FAMILIES = ["olmoe", "mixtral"]
BLOCKS = ["model.layers.0.mlp.experts", "model.layers.1.mlp.experts"]
HOT = {BLOCKS[0]: [1, 3], BLOCKS[1]: [2]}


def run(model, batch):
    return model(batch).logits


def tuned(family="olmoe", hot=HOT, implementation="eager", **options):
    settings = HelloraConfig(r=3, experts=hot, target_modules=list(hot or BLOCKS), **options)
    return get_peft_model(transformer(family, implementation), settings).eval()


def weights(model, name="default"):
    """Return the dense weights of experts with an adapter, by their names in the base."""
    merged = {}
    for block in BLOCKS:
        layer = model.base_model.model.get_submodule(block)
        for key, part in layer.hellora_factors[name].items():
            weight = getattr(layer.base_layer, key).detach().clone()
            for place, expert in enumerate(part.index.tolist()):
                weight[expert] += layer.scaling[name] * (part.B[place] @ part.A[place]).detach()
            merged[f"{block}.{key}"] = weight
    return merged


@table("implementation", ["eager", "batched_mm", "grouped_mm"])
@table("family", FAMILIES)
def test_output_equals_that_of_changed_weights(family, implementation):
    model, x = shift(tuned(family, implementation=implementation)), tokens()
    base = transformer(family)
    expected = functional_call(base, weights(model), (x,)).logits
    assert (expected - run(base, x)).abs().max() > 0.01
    torch.testing.assert_close(run(model, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("implementation", ["eager", "grouped_mm"])
def test_gradients_equal_those_of_changed_weights(implementation):
    model, x = shift(tuned(implementation=implementation)), tokens()
    run(model, x).square().sum().backward()
    dense = {key: value.requires_grad_() for key, value in weights(model).items()}
    functional_call(transformer("olmoe"), dense, (x,)).logits.square().sum().backward()
    for block in BLOCKS:
        layer = model.base_model.model.get_submodule(block)
        for key, part in layer.hellora_factors["default"].items():
            gradient = layer.scaling["default"] * dense[f"{block}.{key}"].grad[part.index.long()]
            torch.testing.assert_close(part.B.grad, gradient @ part.A.mT, rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(part.A.grad, part.B.mT @ gradient, rtol=1e-3, atol=1e-4)


def test_a_mixture_of_only_hot_experts_does_not_call_the_base():
    model, x = shift(tuned(hot=None)), tokens()
    expected = functional_call(transformer("olmoe"), weights(model), (x,)).logits
    torch.testing.assert_close(run(model, x), expected, rtol=1e-4, atol=1e-4)


def test_only_hot_experts_have_parameters():
    model, hidden, width, r = tuned(), 8, 12, 3
    count = sum(p.numel() for p in trainable(model).values())
    assert count == 3 * r * (2 * hidden + 3 * width)  # three hot experts in all
    shapes = {tuple(p.shape) for name, p in trainable(model).items() if BLOCKS[0] in name}
    assert shapes == {(2, r, hidden), (2, 2 * width, r), (2, r, width), (2, hidden, r)}
    everything = sum(p.numel() for p in trainable(tuned(hot=None)).values())
    assert everything == 12 * r * (2 * hidden + 3 * width)


def test_only_cold_experts_run_in_the_base():
    model, x = tuned(), tokens()
    layer = model.base_model.model.get_submodule(BLOCKS[0])
    seen = []
    layer.base_layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    run(model, x)
    assert not set(HOT[BLOCKS[0]]) & set(seen[0].unique().tolist())
    assert seen[0].shape[1] == 1  # pairs of a token and an expert


def test_merged_weights_are_those_of_the_base_and_the_factors():
    model, base = shift(tuned()), transformer("olmoe")
    wanted = weights(model)
    merge(model)
    for key, weight in wanted.items():
        name = key.replace(".experts.", ".experts.base_layer.")
        torch.testing.assert_close(model.base_model.model.get_parameter(name).detach(), weight)
    unmerge(model)
    merged = model.merge_and_unload()
    assert type(merged.get_submodule(BLOCKS[0])) is type(base.get_submodule(BLOCKS[0]))


def test_adapters_on_different_experts_add_up():
    model, x = shift(tuned()), tokens()
    before = run(model, x)
    other = {BLOCKS[0]: [0, 1], BLOCKS[1]: [5]}
    model.add_adapter("b", HelloraConfig(r=2, experts=other, target_modules=BLOCKS))
    model.set_adapter("b")
    shift(model, 4)
    base = transformer("olmoe").state_dict()
    both = {key: value - base[key] for key, value in weights(model, "b").items()}
    total = {key: value + both[key] for key, value in weights(model).items()}
    model.base_model.set_adapter(["default", "b"])
    expected = functional_call(transformer("olmoe"), total, (x,)).logits
    torch.testing.assert_close(run(model, x), expected, rtol=1e-4, atol=1e-4)
    model.set_adapter("default")
    assert torch.equal(run(model, x), before)


def test_an_adapter_opens_through_scionwood(tmp_path):
    pattern = "|".join(BLOCKS).replace(".", r"\.")
    settings = HelloraConfig(r=3, experts=HOT)
    model = shift(attach(transformer("olmoe"), settings, targets=pattern)).eval()
    save_adapter(model, tmp_path)
    loaded = load_adapter(transformer("olmoe"), tmp_path)
    assert torch.equal(run(loaded, tokens()), run(model, tokens()))


def test_refuses_factors_of_other_experts():
    state = dict(get_peft_model_state_dict(tuned()))
    other = tuned(hot={BLOCKS[0]: [1, 4], BLOCKS[1]: [2]})
    with pytest.raises(AdapterError, match=r"index \[1, 3\]: the config has the experts \[1, 4\]"):
        set_peft_model_state_dict(other, state)


def test_refuses_experts_that_do_not_exist_or_have_another_layout():
    for hot, said in (
        ({BLOCKS[0]: [1]}, r"experts \[\] of model\.layers\.1"),
        ({BLOCKS[0]: [6], BLOCKS[1]: [0]}, "from 0 to 5"),
        ({BLOCKS[0]: [1, 1], BLOCKS[1]: [0]}, "at most once"),
    ):
        with pytest.raises(AdapterError, match=said):
            get_peft_model(transformer("olmoe"), HelloraConfig(experts=hot, target_modules=BLOCKS))
    model = transformer("olmoe")
    model.get_submodule(BLOCKS[0]).is_transposed = True
    with pytest.raises(AdapterError, match=r"OlmoeExperts: is_transposed"):
        get_peft_model(model, HelloraConfig(target_modules=BLOCKS))


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
