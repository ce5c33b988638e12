"""HELLoRA: only hot experts have factors, and the output is that of changed weights."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn as nn
from case_table import table
from expert_models import tokens, transformer
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from torch.func import functional_call

from scionwood import AdapterError, attach, compose, load_adapter, merge, save_adapter, unmerge
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


def trainable(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def shift(model, seed=3):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


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


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_adapter_is_the_identity_up_to_rounding(family):
    base = transformer(family)
    torch.testing.assert_close(run(tuned(family), tokens()), run(base, tokens()))


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


def test_router_and_layers_below_get_the_same_gradients():
    model, x = shift(tuned()), tokens()
    dense, plain = weights(model), transformer("olmoe")
    gate = model.base_model.model.model.layers[0].mlp.gate.weight.requires_grad_()
    embed = model.base_model.model.model.embed_tokens.weight.requires_grad_()
    run(model, x).square().sum().backward()
    functional_call(plain, dense, (x,)).logits.square().sum().backward()
    torch.testing.assert_close(
        gate.grad, plain.model.layers[0].mlp.gate.weight.grad, rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(
        embed.grad, plain.model.embed_tokens.weight.grad, rtol=1e-3, atol=1e-3
    )


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


def test_a_hot_expert_without_tokens_has_zero_gradient():
    layer = tuned().base_model.model.get_submodule(BLOCKS[0])
    hidden, index = torch.randn(5, 8), torch.zeros(5, 2, dtype=torch.int64)
    layer(hidden, index, torch.ones(5, 2)).sum().backward()
    for part in layer.hellora_factors["default"].values():
        assert part.A.grad is not None
        assert not part.A.grad.any()


def test_merging_is_exact_and_can_be_undone():
    model, x = shift(tuned()), tokens()
    before, base = run(model, x), transformer("olmoe")
    merge(model)
    torch.testing.assert_close(run(model, x), before, rtol=1e-4, atol=1e-4)
    for key, weight in weights(shift(tuned())).items():
        name = key.replace(".experts.", ".experts.base_layer.")
        torch.testing.assert_close(model.base_model.model.get_parameter(name).detach(), weight)
    unmerge(model)
    assert torch.equal(run(model, x), before)
    with model.disable_adapter():
        assert torch.equal(run(model, x), run(base, x))
    merged = copy.deepcopy(model).merge_and_unload()
    assert type(merged.get_submodule(BLOCKS[0])) is type(base.get_submodule(BLOCKS[0]))
    torch.testing.assert_close(run(merged, x), before, rtol=1e-4, atol=1e-4)


def test_adapters_on_different_experts_switch_and_add_up():
    model, x = shift(tuned()), tokens()
    outs = {"default": run(model, x)}
    other = {BLOCKS[0]: [0, 1], BLOCKS[1]: [5]}
    model.add_adapter("b", HelloraConfig(r=2, experts=other, target_modules=BLOCKS))
    model.set_adapter("b")
    outs["b"] = run(shift(model, 4), x)
    for name, expected in outs.items():
        model.set_adapter(name)
        assert torch.equal(run(model, x), expected)
        with compose(model, {name: 1.0}):
            torch.testing.assert_close(run(model, x), expected, rtol=1e-4, atol=1e-4)
    base = transformer("olmoe").state_dict()
    both = {key: value - base[key] for key, value in weights(model, "b").items()}
    total = {key: value + both[key] for key, value in weights(model).items()}
    model.base_model.set_adapter(["default", "b"])
    expected = functional_call(transformer("olmoe"), total, (x,)).logits
    torch.testing.assert_close(run(model, x), expected, rtol=1e-4, atol=1e-4)
    model.set_adapter("default")
    model.delete_adapter("b")
    assert torch.equal(run(model, x), outs["default"])


def test_half_precision_keeps_its_dtype_and_autocast_stays_close():
    model, x = shift(tuned()), tokens()
    expected = run(model, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(run(model, x).float(), expected, rtol=0.2, atol=0.3)
    low = tuned().to(torch.bfloat16)
    run(low, x).float().square().sum().backward()
    assert run(low, x).dtype == torch.bfloat16
    assert all(p.grad.isfinite().all() for p in trainable(low).values())


def test_an_adapter_opens_through_scionwood_and_from_the_meta_device(tmp_path):
    pattern = "|".join(BLOCKS).replace(".", r"\.")
    settings = HelloraConfig(r=3, experts=HOT)
    model = shift(attach(transformer("olmoe"), settings, targets=pattern)).eval()
    save_adapter(model, tmp_path)
    loaded = load_adapter(transformer("olmoe"), tmp_path)
    assert torch.equal(run(loaded, tokens()), run(model, tokens()))
    low = PeftModel.from_pretrained(transformer("olmoe"), tmp_path, low_cpu_mem_usage=True)
    assert torch.equal(run(low.eval(), tokens()), run(model, tokens()))


def test_refuses_factors_of_other_experts():
    state = dict(get_peft_model_state_dict(tuned()))
    other = tuned(hot={BLOCKS[0]: [1, 4], BLOCKS[1]: [2]})
    with pytest.raises(AdapterError, match=r"index \[1, 3\]: the config has the experts \[1, 4\]"):
        set_peft_model_state_dict(other, state)


def test_plain_layers_get_lora():
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Linear(5, 7)), nn.Sequential(nn.Linear(5, 7))]
    nets[1].load_state_dict(nets[0].state_dict())
    ours = shift(get_peft_model(nets[0], HelloraConfig(r=2, alpha=3, target_modules=["0"])))
    lora = get_peft_model(nets[1], LoraConfig(r=2, lora_alpha=3, target_modules=["0"]))
    one, other = ours.base_model.model[0], lora.base_model.model[0]
    other.lora_A["default"].weight.data = one.hellora_A["default"].data
    other.lora_B["default"].weight.data = one.hellora_B["default"].data
    x = torch.randn(3, 5)
    torch.testing.assert_close(ours(x), lora(x))


@table(
    ("hot", "said"),
    [
        ({BLOCKS[0]: [1]}, r"experts \[\] of model\.layers\.1"),
        ({BLOCKS[0]: [6], BLOCKS[1]: [0]}, "from 0 to 5"),
        ({BLOCKS[0]: [1, 1], BLOCKS[1]: [0]}, "at most once"),
    ],
)
def test_refuses_experts_that_do_not_exist(hot, said):
    with pytest.raises(AdapterError, match=said):
        get_peft_model(transformer("olmoe"), HelloraConfig(experts=hot, target_modules=BLOCKS))


def test_refuses_experts_of_another_layout():
    model = transformer("olmoe")
    model.get_submodule(BLOCKS[0]).is_transposed = True
    with pytest.raises(AdapterError, match=r"OlmoeExperts: is_transposed"):
        get_peft_model(model, HelloraConfig(target_modules=BLOCKS))
