"""Layers that read one tensor run as one operator, and results are those of layers alone."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.utils.checkpoint import checkpoint

from scionwood import kernels
from scionwood.adapters import grouping
from scionwood.kernels import node

D = 16
CHOICES = ["memory", "speed", "auto"]


class Attention(nn.Module):
    """Queries, keys and values of one input, as models of transformers write them."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(D)
        self.q_proj, self.k_proj = nn.Linear(D, D), nn.Linear(D, D // 2, bias=False)
        self.v_proj, self.out = nn.Linear(D, D // 2), nn.Linear(D // 2, D)
        self.change = None

    def forward(self, x):
        x = self.norm(x)
        q = self.q_proj(x)
        k = self.k_proj(x)
        if self.change:
            self.change(self, x)
        v = self.v_proj(x)
        return self.out(F.silu(k) * v) * q


def model(dtype=torch.float64, dropout=0.0, blocks=2):
    torch.manual_seed(0)
    net = nn.Sequential(*(Attention() for _ in range(blocks))).to(dtype)
    config = LoraConfig(r=3, target_modules=r".*(proj|out)", lora_dropout=dropout)
    tuned = get_peft_model(net, config, autocast_adapter_dtype=False)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    return tuned


def step(net, x=None):
    x = torch.linspace(-1, 1, 3 * 5 * D, dtype=torch.float64).reshape(3, 5, D) if x is None else x
    x = x.to(next(net.parameters()).dtype).requires_grad_()
    net.zero_grad()
    torch.manual_seed(1)
    y = net(x)
    y.square().sum().backward()
    named = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {"y": y.detach(), "x": x.grad, **named}


@pytest.fixture
def sizes(monkeypatch):
    """The number of layers of each group that ran."""
    seen = []

    run = node.run

    def counted(x, call, *factors):
        seen.extend([len(call.weights)] * (len(call.weights) > 1))
        return run(x, call, *factors)

    monkeypatch.setattr(node, "run", counted)
    return seen


def near(ours, theirs, tolerance=1e-10):
    assert ours.keys() == theirs.keys()
    for name, right in theirs.items():
        assert (ours[name] - right).norm() <= tolerance * right.norm(), name


@pytest.mark.parametrize("recompute", CHOICES)
def test_values_and_gradients_equal_those_of_peft(sizes, recompute):
    net = model()
    right = step(net)
    report = kernels.enable(net, recompute=recompute)
    near(step(net), right)
    assert sizes == [3, 3]
    whys = {row.layer.rpartition(".")[2]: row.why for row in report}
    assert whys["q_proj"].endswith("one operator with k_proj, v_proj")
    assert "one operator" not in whys["out"]


def test_errors_in_bfloat16_are_those_of_peft(sizes):
    exact, low = step(model()), model(torch.bfloat16)
    theirs = step(low)
    kernels.enable(low)
    ours = step(low)
    assert sizes == [3, 3]

    def error(made):
        return max(float((made[n].double() - t).norm() / t.norm()) for n, t in exact.items())

    assert error(ours) <= 1.1 * error(theirs)


def test_every_step_has_the_same_bits_whatever_ran_before(sizes):
    net = model(torch.float32)
    kernels.enable(net)
    first = step(net)
    step(net, torch.ones(2, 3, D))
    with torch.no_grad():
        net(torch.ones(1, 2, D))
    assert all(torch.equal(value, first[name]) for name, value in step(net).items())
    assert sizes == [3, 3] * 3, "none without gradients"


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_norm_runs_again_once_for_three_layers(monkeypatch, dropout):
    """Also with dropout, where the layers run alone."""
    net, runs = model(dropout=dropout, blocks=1), []
    norm = F.layer_norm
    kernels.enable(net, recompute="memory")
    step(net)  # at its first call, each layer tries it

    def counted(*args):
        runs.append(1)
        return norm(*args)

    monkeypatch.setattr(F, "layer_norm", counted)
    step(net)
    assert len(runs) == 2, "forward, and once more backward"
    kernels.enable(net, recompute="speed")
    step(net)
    assert len(runs) == 3


CHANGES = {
    "the input in place": lambda block, x: x.mul_(2.0),
    "a factor": lambda block, x: block.v_proj.lora_A["default"].weight.detach().mul_(1.5),
    "the adapter": lambda block, x: block.v_proj.enable_adapters(False),
    "autocast": lambda block, x: torch.set_autocast_enabled("cpu", False),
    "the scaling": lambda block, x: block.v_proj.scaling.update(default=0.123),
}


@pytest.mark.parametrize(
    ("change", "amp"),
    [(name, amp) for name in CHANGES for amp in (False, True) if amp or name != "autocast"],
)
def test_a_change_between_the_calls_never_changes_results(sizes, change, amp):
    """The layer whose call differs runs alone, and the group is not used again."""
    results = []
    for fused in (False, True):
        net = model(torch.float32, blocks=1)
        block = net.base_model.model[0]
        block.change = CHANGES[change]
        if fused:
            kernels.enable(net)
        x = torch.linspace(-1, 1, 2 * D).reshape(2, D)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            results.append(net(x).detach())
    assert sizes == [3]
    torch.testing.assert_close(*results, rtol=2e-2 if amp else 1e-5, atol=1e-2 if amp else 1e-5)


def test_layers_with_hooks_or_several_adapters_run_alone(sizes):
    net = model(blocks=1)
    right = step(net)
    kernels.enable(net)
    block = net.base_model.model[0]
    handle = block.k_proj.register_full_backward_hook(lambda *_: None)
    near(step(net), right)
    handle.remove()
    assert sizes == [], "a hook on one of three"
    net.add_adapter("other", LoraConfig(r=2, target_modules=r".*(proj|out)"))
    net.base_model.set_adapter(["default", "other"])
    kernels.enable(net)
    step(net)
    assert sizes == [], "several adapters"


def test_copies_have_groups_of_their_own(sizes):
    net = model(blocks=1)
    kernels.enable(net)
    right = step(net)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        near(step(other), right, 0)
        own = {id(module) for module in other.modules()}
        groups = [grouping.siblings(module) for module in other.modules()]
        assert all(id(layer) in own for group in groups if group for layer in group.layers)
    assert sizes == [3] * 3
    kernels.disable(net)
    assert not any(grouping.siblings(module) for module in net.modules())


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_blocks_have_the_same_gradients(reentrant):
    net = model(blocks=1)
    right = step(net)
    kernels.enable(net)
    block = net.base_model.model
    run = block.forward
    block.forward = lambda x: checkpoint(run, x, use_reentrant=reentrant)
    near(step(net), right)


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_compiled_blocks_are_one_graph_with_the_same_gradients(dropout):
    net = model(torch.float32, dropout, blocks=1)
    kernels.enable(net)
    right = step(net)
    ours = step(torch.compile(net, fullgraph=True, backend="aot_eager"))
    ours = {name.removeprefix("_orig_mod."): value for name, value in ours.items()}
    if dropout:  # the seeds are drawn in another order
        assert all(value.isfinite().all() for value in ours.values())
    else:
        near(ours, right, 1e-5)


@pytest.mark.slow
def test_a_compiled_gate_is_one_graph_with_the_same_values():
    torch.manual_seed(0)
    x, weight, a, b, gate = (torch.randn(*s) for s in [(5, 8), (4, 8), (2, 8), (4, 2), (2, 8)])
    right = kernels.lora_linear(x, weight, None, a, b, gate=(gate, None))
    compiled = torch.compile(kernels.lora_linear, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, weight, None, a, b, gate=(gate, None)), right)


def test_an_output_without_a_gradient_costs_nothing_and_may_change_in_place():
    torch.manual_seed(0)
    x = torch.randn(4, D, dtype=torch.float64).requires_grad_()
    a, b = (torch.randn(2, D).double().requires_grad_() for _ in range(2))
    weights = [torch.randn(n, D).double() for n in (3, 5)]
    ups = [torch.randn(n, 2).double().requires_grad_() for n in (3, 5)]
    call = node.Call(torch.float64, tuple(weights), (0.5, 2.0))
    first, _ = node.run(x, call, a, ups[0], None, b, ups[1], None)
    ours = torch.autograd.grad(first.mul_(2.0).sum(), [x, a, ups[0], b], allow_unused=True)
    alone = kernels.lora_linear(x, weights[0], None, a, ups[0], scaling=0.5) * 2.0
    right = torch.autograd.grad(alone.sum(), [x, a, ups[0]])
    for one, other in zip(ours, right, strict=False):
        torch.testing.assert_close(one, other)
    assert ours[3] is None or not ours[3].any()


def test_an_unknown_word_is_refused():
    with pytest.raises(ValueError, match=r"recompute is one of memory, speed, auto"):
        kernels.enable(model(), recompute="both")


class TestTheSourceSaysWhoReadsWhat:
    def test_layers_with_one_variable_are_together(self):
        assert grouping.together(Attention) == [("q_proj", "k_proj", "v_proj")]

    def test_models_of_transformers(self):
        from transformers.models.bert import modeling_bert as bert
        from transformers.models.llama import modeling_llama as llama
        from transformers.models.t5 import modeling_t5 as t5

        assert grouping.together(llama.LlamaAttention) == [("q_proj", "k_proj", "v_proj")]
        assert grouping.together(llama.LlamaMLP) == [("gate_proj", "up_proj")]
        assert grouping.together(bert.BertSelfAttention) == [("query", "key", "value")]
        assert grouping.together(t5.T5Attention) == [("k", "v")], "queries may differ"
        assert grouping.together(t5.T5DenseGatedActDense) == [("wi_0", "wi_1")]

    def test_another_value_of_the_variable_is_another_group(self):
        class Changed(nn.Module):
            def forward(self, x):
                q = self.q(x)
                x = x + 1
                return q + self.k(x) + self.v(x) + self.q2(q)

        assert grouping.together(Changed) == [("k", "v")]

    def test_a_class_without_source_has_none(self):
        assert (
            grouping.together(type("Made", (nn.Module,), {"forward": eval("lambda s, x: x")})) == []
        )
