"""PEML's prefix: no change at first, then an effect in every kind of attention, cached or not."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from attention_model import numbers
from case_table import table
from method_layers import trainable, unsettle
from peft import get_peft_model, inject_adapter_in_model, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from prefix_models import CASES, answer, base, config, installed, prefixed, words
from torch.utils.checkpoint import checkpoint

from scionwood import attach, compose, load_adapter, save_adapter
from scionwood_methods.peml.prefix import OPERATIONS
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
def test_a_new_adapter_changes_nothing_and_adds_a_prefix_to_every_attention(case):
    bare, x = base(case), CASES[case].example()
    before = answer(bare, x)
    model = get_peft_model(bare, config(case)).eval()
    assert torch.equal(answer(model, x), before)
    assert [tuple(m.heads["default"]) for m in readers(model)] == (
        [CASES[case].heads] * CASES[case].attentions
    )


@every_case
@table("network", ["mlp", "search"])
def test_every_tensor_gets_a_gradient(case, network):
    bare, x = base(case), CASES[case].example()
    before = answer(bare, x)
    model = unsettle(get_peft_model(bare, config(case, network=network))).train()
    answer(model, x).square().mean().backward()
    for name, parameter in trainable(model).items():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    torch.optim.AdamW(trainable(model).values(), lr=0.1).step()
    with model.eval().disable_adapter():
        assert torch.equal(answer(model, x), before)


@every_case
@table("network", [*OPERATIONS, "search"])
def test_parameter_count_follows_the_formula(case, network):
    model, (queries, keys, size) = prefixed(case, network=network), CASES[case].heads
    d, p = 6, 5
    of_network = {
        "identity": 0,
        "linear": d**2 + d,
        "mlp_narrow": d**2 + 3 * d // 2,
        "mlp": 2 * d**2 + 2 * d,
        "mlp_wide": 4 * d**2 + 3 * d,
        "residual": 2 * d**2 + 2 * d,
    }
    of_network["search"] = sum(of_network.values()) + len(OPERATIONS)
    lora = sum(
        2 * sum(m.base_layer.weight.shape) for m in model.modules() if isinstance(m, PemlLayer)
    )
    attentions = CASES[case].attentions * (2 * keys * size * d + queries)
    count = sum(p.numel() for p in trainable(model).values())
    assert count == lora + attentions + p * d + of_network[network]


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


def test_gradients_equal_finite_differences():
    model, x = unsettle(prefixed("plain", network="search").double()), numbers().double()
    values = trainable(model)
    step = {name: 1e-4 * torch.randn_like(p) for name, p in values.items()}
    slopes = torch.autograd.grad(model(x).sin().sum(), list(values.values()))
    expected = sum((g * d).sum() for g, d in zip(slopes, step.values(), strict=True))
    ends = []
    for sign in (1, -1):
        moved = {name: p.detach() + sign * step[name] for name, p in values.items()}
        ends.append(torch.func.functional_call(model, moved, (x,)).sin().sum())
    torch.testing.assert_close((ends[0] - ends[1]) / 2, expected, rtol=1e-3, atol=1e-7)


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


def test_activation_checkpointing_gives_the_same_gradients():
    model, x = unsettle(prefixed("plain", dropout=0.2)).train(), numbers().requires_grad_()
    blocks, gradients = model.base_model.model.layers, []
    for again in (False, True):
        model.zero_grad()
        torch.manual_seed(6)
        y = x
        for block in blocks:
            y = checkpoint(block, y, use_reentrant=False) if again else block(y)
        y.square().mean().backward()
        grads = [p.grad.clone() for n, p in trainable(model).items() if "readout" not in n]
        gradients.append(grads)
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
def test_compiles_without_graph_breaks():
    torch.compiler.reset()  # the tests before count as recompilations of the same code
    model, x = unsettle(prefixed("plain")), numbers()
    results = []
    for run in (model, torch.compile(model, backend="aot_eager", fullgraph=True)):
        model.zero_grad()
        y = run(x)
        y.square().sum().backward()
        results.append([y, *(p.grad for p in trainable(model).values())])
    for left, right in zip(*results, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def test_three_adapters_switch_add_up_and_are_deleted():
    model, x = unsettle(prefixed("plain")).eval(), numbers()
    outputs = {"default": model(x)}
    for seed, (name, length) in enumerate((("b", 3), ("c", 0)), start=4):
        model.add_adapter(name, config("plain", prefix=length))
        model.set_adapter(name)
        assert all(f".{name}" in each for each in trainable(model))
        unsettle(model, seed)
        outputs[name] = model(x)
    for name, expected in outputs.items():
        model.set_adapter(name)
        assert torch.equal(model(x), expected)
        with compose(model, {name: 1.0}):
            torch.testing.assert_close(model(x), expected)
    model.base_model.set_adapter(["default", "b"])
    both = model(x)
    with compose(model, {"default": 1.0, "b": 1.0}):
        torch.testing.assert_close(model(x), both)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft says which adapter is active now
        model.delete_adapter("default")
    model.set_adapter("b")
    assert torch.equal(model(x), outputs["b"])
    assert not any(".default" in key for key in model.state_dict())


def test_merging_is_possible_only_without_a_prefix():
    model, x = unsettle(prefixed("plain")).eval(), numbers()
    before = model(x)
    with pytest.raises(NotImplementedError, match="depends on the query"):
        model.merge_adapter()
    with pytest.raises(NotImplementedError, match="depends on the query"):
        copy.deepcopy(model).merge_and_unload()
    assert torch.equal(model(x), before)
    plain = unsettle(prefixed("plain", prefix=0)).eval()
    before = plain(x)
    plain.merge_adapter()
    torch.testing.assert_close(plain(x), before)


def test_can_be_injected_without_a_model_wrapper():
    source, x = unsettle(prefixed("plain")).eval(), numbers()
    model = inject_adapter_in_model(config("plain"), base("plain")).eval()
    assert torch.equal(model(x), base("plain")(x))
    set_peft_model_state_dict(model, get_peft_model_state_dict(source))
    assert torch.equal(model(x), source(x))


@every_case
def test_scionwood_attaches_saves_and_loads_the_adapter(case, tmp_path):
    x = CASES[case].example()
    model = unsettle(attach(base(case), config(case), example=(x,))).eval()
    save_adapter(model, tmp_path)
    loaded = load_adapter(base(case), tmp_path)
    assert torch.equal(answer(loaded, x), answer(model, x))


def test_half_precision_stays_close_and_keeps_the_dtype():
    model, x = unsettle(prefixed("plain")).eval(), numbers()
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (model(x).float() - expected).norm() < 0.05 * expected.norm()
    low = copy.deepcopy(model).to(torch.bfloat16)
    out = low(x.to(torch.bfloat16))
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 0.05 * expected.norm()


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


def test_a_model_learns_with_the_prefix_alone():
    model, x = prefixed("llama"), words()
    prefix = [p for n, p in trainable(model).items() if "peml_A" not in n and "peml_B" not in n]
    optimizer = torch.optim.Adam(prefix, lr=0.05)
    losses = []
    for _ in range(25):
        losses.append(model(input_ids=x, labels=x).loss)
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
