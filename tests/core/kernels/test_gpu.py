"""The LoRA operator on a CUDA card: `make test-gpu` runs this file, and nothing else does.

It imports torch, triton, peft and pytest only. Times are recorded in the report, never asserted.
"""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F

from scionwood.kernels import dispatch, lora_linear, mask, node
from scionwood.kernels.dispatch import LOW

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SHAPES = [(1576, 384, 1152, 8), (12608, 768, 768, 8), (12608, 768, 2304, 16), (1571, 1021, 389, 64)]
"""Tokens, inputs, outputs and rank: ViT-S, two of ViT-B, and one that is ragged."""


@pytest.fixture(autouse=True)
def _triton_runs():
    if reason := dispatch.obstacle():
        pytest.skip(reason)


@pytest.fixture
def kernels():
    """The module of the Triton kernels, which cannot be imported without Triton."""
    from scionwood.kernels import triton_lora

    return triton_lora


def layer(m, k, n, r, dtype=torch.bfloat16, wide=False):
    """Return x, weight, bias, a, b and the gradient of y; wide factors are float32."""
    generator = torch.Generator().manual_seed(0)
    low = torch.float32 if wide else dtype

    def draw(*shape, scale=1.0, dtype=dtype):
        return (torch.randn(shape, generator=generator) * scale).to("cuda", dtype)

    weight, a = draw(n, k, scale=k**-0.5), draw(r, k, scale=k**-0.5, dtype=low)
    return draw(m, k), weight, draw(n), a, draw(n, r, scale=r**-0.5, dtype=low), draw(m, n)


def run(operands, **options):
    """Return y and the gradients of x, a and b."""
    x, weight, bias, a, b, grad = operands
    learned = [t.detach().requires_grad_() for t in (x, a, b)]
    torch.manual_seed(1)
    y = lora_linear(learned[0], weight, bias, *learned[1:], scaling=0.7, **options)
    return [y.detach(), *torch.autograd.grad(y, learned, grad)]


@pytest.fixture
def library(monkeypatch):
    """A function that runs an operator without Triton."""

    def call(operands, **options):
        with monkeypatch.context() as patch:
            patch.setattr(dispatch, "fused", lambda *_: None)
            return run(operands, **options)

    return call


def seconds(call, repeats=20):
    """Return the device time of a call between two events."""
    for _ in range(3):
        call()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats


def test_a_compilation_warns_of_nothing(kernels):
    """A rank that no other test has, so that Triton compiles here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(layer(600, 48, 80, 33))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", LOW, ids=str)
@pytest.mark.parametrize(("m", "k", "n", "r"), SHAPES)
def test_errors_are_at_most_those_of_library_products(library, m, k, n, r, dtype, wide):
    operands = layer(m, k, n, r, dtype, wide)
    exact = library([t.double() for t in operands])
    for one, other, right in zip(run(operands), library(operands), exact, strict=True):
        allowed = 1.1 * (other - right).abs().max() + torch.finfo(dtype).eps * right.abs().max()
        assert (one - right).abs().max() <= allowed


@pytest.mark.parametrize(("m", "k", "n", "r"), SHAPES[:3])
def test_the_time_of_a_layer_is_recorded(library, record_property, m, k, n, r):
    operands = layer(m, k, n, r)
    record_property("frozen", seconds(lambda: F.linear(*operands[:3])))
    record_property("triton", seconds(lambda: run(operands)))
    record_property("library", seconds(lambda: library(operands)))


@pytest.mark.parametrize(("m", "k"), [(301, 257), (300, 256), (1, 16)])
def test_dropout_bits_equal_those_of_the_cpu(m, k):
    seed, p = torch.tensor(12345, dtype=torch.int32), 0.3
    assert torch.equal(mask.keep(seed.cuda(), (m, k), p).cpu(), mask.keep(seed, (m, k), p))


def test_rows_may_be_more_than_2_to_the_31_elements_apart(kernels):
    far = torch.empty(2 * 2**30 + 16, dtype=torch.float16, device="cuda")
    far = far.as_strided((3, 16), (2**30, 1))
    near = torch.randn(3, 16, device="cuda").half()
    far.copy_(near)
    weight, low, b = (near.new_ones(shape) for shape in ((16, 8), (3, 4), (4, 8)))
    one, other = (kernels.product(x, weight, None, low, b, 1.0) for x in (far, near))
    assert torch.equal(one, other)


@pytest.mark.parametrize("p", [0.0, 0.1])
def test_100_runs_give_the_same_bits(p):
    operands = layer(12608, 768, 768, 8)
    first = run(operands, dropout=p)
    for _ in range(99):
        again = run(operands, dropout=p)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_layers_that_read_one_tensor_agree_with_layers_alone():
    layers = [layer(4096, 1024, n, 8) for n in (1024, 256, 256)]
    call = node.Call(torch.bfloat16, tuple(of[1] for of in layers), (0.7,) * 3)
    x = layers[0][0].requires_grad_()
    learned = [[t.requires_grad_() for t in (a, b)] for *_, a, b, _ in layers]
    flat = [t for (_, _, bias, *_), low in zip(layers, learned, strict=True) for t in (*low, bias)]
    ys = node.run(x, call, *flat)
    dx = torch.autograd.grad(ys, x, [of[-1] for of in layers])[0]
    alone = [run((x.detach(), *of[1:])) for of in layers]
    for y, (right, *_) in zip(ys, alone, strict=True):
        assert torch.equal(y, right)
    right = sum(by_x.float() for _, by_x, *_ in alone)
    assert (dx.float() - right).abs().max() <= 0.02 * right.abs().max()


def test_a_captured_graph_replays_new_inputs():
    operands = layer(2048, 768, 768, 8)
    run(operands)  # compilation does not belong into a graph
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = lora_linear(*operands[:5], scaling=0.7)
    operands[0].mul_(-0.5)
    graph.replay()
    assert torch.equal(captured, lora_linear(*operands[:5], scaling=0.7))


def test_streams_do_not_disturb_each_other():
    operands = layer(4096, 768, 768, 8)
    expected = run(operands)
    streams = [torch.cuda.Stream() for _ in range(4)]
    torch.cuda.synchronize()
    results = []
    for _ in range(8):
        for stream in streams:
            with torch.cuda.stream(stream):
                results.append(run(operands))
    torch.cuda.synchronize()
    for result in results:
        assert all(torch.equal(one, other) for one, other in zip(result, expected, strict=True))
