"""Compare the LoRA linear operator with its definition for all flags, dtypes and shapes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from case_table import table
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from scionwood.kernels import lora_linear, mask
from scionwood.kernels.dispatch import LOW
from scionwood.kernels.linear import reference as defined


def tensors(m=7, k=24, n=32, r=4, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape, scale=1.0):
        return (torch.randn(*shape, generator=g, dtype=torch.float64) * scale).to(dtype)

    return {
        "x": draw(m, k).requires_grad_(),
        "weight": draw(n, k, scale=k**-0.5),
        "bias": draw(n).requires_grad_(),
        "a": draw(r, k, scale=k**-0.5).requires_grad_(),
        "b": draw(n, r, scale=0.5).requires_grad_(),
        "gate": draw(r, k, scale=k**-0.5).requires_grad_(),
        "gate_bias": draw(r).requires_grad_(),
    }


def operator(t, *, gated=False, p=0.0, scaling=0.7):
    gate = (t["gate"], t["gate_bias"]) if gated else None
    torch.manual_seed(5)
    return lora_linear(
        t["x"], t["weight"], t["bias"], t["a"], t["b"], scaling=scaling, gate=gate, dropout=p
    )


def definition(t, *, gated=False, p=0.0, scaling=0.7):
    torch.manual_seed(5)
    seed = mask.new_seed(torch.device("cpu")) if mask.threshold(p) else None
    a = torch.cat((t["a"], t["gate"])) if gated else t["a"]
    rows = t["x"].reshape(-1, t["x"].shape[-1])
    y = defined(
        rows, t["weight"], t["bias"], a, t["b"], t["gate_bias"] if gated else None, seed, scaling, p
    )
    return y.view(*t["x"].shape[:-1], t["weight"].shape[0])


def gradients(function, t, cotangent, **flags):
    learned = {name: v for name, v in t.items() if v is not None and v.requires_grad}
    y = function(t, **flags)
    values = torch.autograd.grad(y, learned.values(), cotangent, allow_unused=True)
    return y, dict(zip(learned, values, strict=True))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    m=st.integers(0, 40),
    k=st.integers(1, 40),
    n=st.integers(1, 40),
    r=st.sampled_from([1, 2, 3, 8, 17, 64, 256]),
    gated=st.booleans(),
    p=st.sampled_from([0.0, 0.1, 0.5]),
    frozen=st.sets(st.sampled_from(["x", "a", "b", "bias", "gate", "gate_bias"]), max_size=5),
    bias=st.booleans(),
    batched=st.booleans(),
)
def test_equals_the_definition_for_any_shape_and_flags(m, k, n, r, gated, p, frozen, bias, batched):
    t = tensors(m, k, n, r)
    for name in frozen:
        t[name] = t[name].detach()
    if not bias:
        t["bias"] = None
    if batched:
        t["x"] = t["x"].unsqueeze(0).expand(2, m, k)
    cotangent = torch.randn(*t["x"].shape[:-1], n, dtype=torch.float64)
    if not any(t[name] is not None and t[name].requires_grad for name in ("x", "a", "b", "bias")):
        return
    y, ours = gradients(operator, t, cotangent, gated=gated, p=p)
    expected, theirs = gradients(definition, t, cotangent, gated=gated, p=p)
    torch.testing.assert_close(y, expected)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], msg=name)


@table("gated", [False, True])
@table("p", [0.0, 0.3])
def test_gradcheck(gated, p):
    t = tensors(3, 5, 4, 2)
    names = [name for name, value in t.items() if value.requires_grad]

    def run(*values):
        return operator({**t, **dict(zip(names, values, strict=True))}, gated=gated, p=p)

    assert torch.autograd.gradcheck(run, [t[name] for name in names])


@table("p", [0.0, 0.3])
@table("autocast", [False, True])
def test_a_weight_that_a_function_returns_has_the_same_bits_and_is_not_kept(p, autocast):
    t = tensors(dtype=torch.float32)
    weight, saved = t["weight"], []

    def run(t, stored=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return operator(t if stored else {**t, "weight": weight.clone}, p=p)

    y, expected = gradients(run, t, torch.ones(7, 32))
    packed = lambda value: saved.append(value.data_ptr()) or value  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(packed, lambda value: value):
        again, found = gradients(run, t, torch.ones(7, 32), stored=False)
    assert torch.equal(again, y)
    learned = [name for name, value in expected.items() if value is not None]
    assert learned == ["x", "bias", "a", "b"]
    assert all(torch.equal(found[name], expected[name]) for name in learned)
    assert len(saved) <= 4  # x, A, B and z


def eager(t, scaling=0.7):
    """Compute as peft does, with an adapter in the dtype of the base."""
    return F.linear(t["x"], t["weight"], t["bias"]) + F.linear(F.linear(t["x"], t["a"]), t["b"]) * (
        scaling
    )


@table("dtype", [torch.float32, *LOW])
@table(("k", "n", "r"), [(384, 1152, 8), (192, 64, 64), (64, 192, 16)])
def test_the_error_relative_to_float64_is_at_most_that_of_eager(dtype, k, n, r):
    t = tensors(256, k, n, r, dtype)
    exact = {name: value.detach().double().requires_grad_() for name, value in t.items()}
    exact["weight"].requires_grad_(False)
    cotangent = torch.randn(256, n, generator=torch.Generator().manual_seed(1), dtype=dtype)
    y, ours = gradients(operator, t, cotangent)
    y_eager, theirs = gradients(lambda t: eager(t), t, cotangent)
    y_exact, exact_gradients = gradients(definition, exact, cotangent.double())

    def error(value, reference):
        return ((value.double() - reference).norm() / reference.norm()).item()

    assert error(y, y_exact) <= 1.1 * error(y_eager, y_exact)
    for name in ("x", "a", "b"):
        limit = 1.1 * error(theirs[name], exact_gradients[name])
        assert error(ours[name], exact_gradients[name]) <= limit, name


@pytest.mark.parametrize("dtype", LOW)
def test_autocast_uses_low_precision_and_keeps_the_dtypes_of_gradients(dtype):
    t = tensors(16, dtype=torch.float32)
    low = {k: v.detach().to(dtype).requires_grad_(v.requires_grad) for k, v in t.items()}
    cotangent = torch.randn(16, 32, generator=torch.Generator().manual_seed(1)).to(dtype)

    def run(t, **flags):
        with torch.autocast("cpu", dtype):
            return operator(t, **flags)

    y, ours = gradients(run, t, cotangent, gated=True)
    expected, theirs = gradients(operator, low, cotangent, gated=True)
    assert y.dtype == dtype
    assert torch.equal(y, expected)
    for name, value in ours.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, theirs[name].float(), rtol=0.02, atol=0.02)


def test_a_float32_adapter_on_a_bfloat16_base_has_float32_gradients():
    t = tensors(16, dtype=torch.bfloat16)
    for name in ("a", "b"):
        t[name] = t[name].detach().float().requires_grad_()
    y, ours = gradients(operator, t, torch.ones(16, 32, dtype=torch.bfloat16))
    assert y.dtype == torch.bfloat16
    assert {ours["a"].dtype, ours["b"].dtype} == {torch.float32}


def test_the_backward_pass_uses_the_dtypes_of_the_forward_pass():
    t = tensors(16, dtype=torch.float32)
    expected = torch.autograd.grad(operator(t).sum(), [t["x"], t["a"], t["b"]])
    loss = operator(t).sum()
    with torch.autocast("cpu", torch.bfloat16):
        gradients = torch.autograd.grad(loss, [t["x"], t["a"], t["b"]])
    assert all(torch.equal(u, v) for u, v in zip(gradients, expected, strict=True))


def test_autocast_leaves_float64_alone():
    t = tensors()
    with torch.autocast("cpu", torch.bfloat16):
        assert operator(t).dtype == torch.float64


def test_dropout_keeps_no_mask():
    assert kept_bytes(0.5) == kept_bytes(0.0)


def kept_bytes(p):
    t = tensors(64, dtype=torch.float32)
    parameters = {id(t[name]) for name in ("weight", "bias", "a", "b")}
    sizes = []

    def pack(tensor):
        if id(tensor) not in parameters:
            sizes.append(tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        operator(t, p=p)
    return sum(sizes)


def test_rows_of_a_wider_array():
    t = tensors()
    wide = torch.randn(7, 40, dtype=torch.float64)
    t["x"] = wide[:, 8:32].requires_grad_()
    torch.testing.assert_close(operator(t), definition(t))


@pytest.mark.parametrize("shape", [(6, 24), (2, 3, 24)])
def test_the_output_may_be_changed_in_place(shape):
    t = tensors(6)
    t["x"] = t["x"].detach().view(shape).requires_grad_()
    learned = [t["x"], t["a"], t["b"], t["bias"]]
    values = torch.autograd.grad(operator(t).relu_().square().sum(), learned)
    expected = torch.autograd.grad(operator(t).relu().square().sum(), learned)
    for u, v in zip(values, expected, strict=True):
        torch.testing.assert_close(u, v)


def test_checkpointing_draws_the_same_mask_again():
    t = tensors(64, dtype=torch.float32)
    names = [name for name in t if t[name].requires_grad and "gate" not in name]
    plain = torch.autograd.grad(operator(t, p=0.4).square().sum(), [t[n] for n in names])

    def run(x):
        return lora_linear(x, t["weight"], t["bias"], t["a"], t["b"], scaling=0.7, dropout=0.4)

    torch.manual_seed(5)
    y = checkpoint(run, t["x"], use_reentrant=False)
    again = torch.autograd.grad(y.square().sum(), [t[n] for n in names])
    assert all(torch.equal(u, v) for u, v in zip(plain, again, strict=True))


def test_counts_operations():
    t = tensors(7, 24, 32, 4)
    with FlopCounterMode(display=False) as counter:
        operator(t)
    assert counter.get_total_flops() == 2 * 7 * (24 * 32 + 24 * 4 + 4 * 32)


def test_refuses_a_trainable_weight_and_shapes_that_do_not_fit():
    t = tensors()
    with pytest.raises(ValueError, match="frozen base"):
        lora_linear(t["x"], t["weight"].clone().requires_grad_(), None, t["a"], t["b"])
    with pytest.raises(ValueError, match="they must be"):
        lora_linear(t["x"], t["weight"], None, t["a"], t["b"].t())
    with pytest.raises(ValueError, match="shape of a"):
        lora_linear(t["x"], t["weight"], None, t["a"], t["b"], gate=(t["b"], None))
