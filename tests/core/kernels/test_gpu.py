"""The LoRA operator on a CUDA card: `make test-gpu` runs this file, and nothing else does.

It imports torch, triton, peft and pytest only. Times are recorded in the report, never asserted.
"""

from __future__ import annotations

import time
import warnings

import pytest
import torch
import torch.nn.functional as F

from scionwood.kernels import addmm, dispatch, lora_linear, mask, reference, triton_plan
from scionwood.kernels.cards import COPIES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SHAPES = [
    (1576, 384, 1152, 8),
    (12608, 768, 768, 8),
    (12608, 768, 2304, 16),
    (8192, 4096, 4096, 16),
]
"""Tokens, inputs, outputs and rank: ViT-S, two of ViT-B, and Llama-8B."""
LOW = [torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _triton_runs():
    if reason := dispatch.obstacle():
        pytest.skip(reason)


@pytest.fixture
def kernels():
    """The module of the Triton kernels, which cannot be imported without Triton."""
    from scionwood.kernels import triton_lora

    return triton_lora


def layer(m, k, n, r, gated=False, dtype=torch.bfloat16, wide=False):
    """Return x, weight, bias, a, b and the gate's bias; wide factors are float32."""
    generator = torch.Generator().manual_seed(0)
    low = torch.float32 if wide else dtype

    def draw(*shape, scale=1.0, dtype=dtype):
        return (torch.randn(shape, generator=generator) * scale).to("cuda", dtype)

    both = 2 * r if gated else r
    rows, weight, bias = draw(m, k), draw(n, k, scale=k**-0.5), draw(n)
    a, b = draw(both, k, scale=k**-0.5, dtype=low), draw(n, r, scale=r**-0.5, dtype=low)
    return [rows, weight, bias, a, b, draw(r, dtype=low) if gated else None]


def seeded(p):
    return torch.tensor(-77, dtype=torch.int32, device="cuda") if p else None


def run(module, operands, grad, p=0.0):
    """Return y and every gradient."""
    x, weight, _, a, b, gate_bias = operands
    y, z = module.lora_linear(*operands, seeded(p), 0.7, p)
    rest = (x, weight, a, b, z, gate_bias, seeded(p), 0.7, p, True)
    return [t for t in (y, *module.lora_linear_backward(grad, *rest)) if t is not None]


def gradient(m, n, dtype=torch.bfloat16):
    return torch.randn(m, n, generator=torch.Generator().manual_seed(1)).to("cuda", dtype)


def check(kernels, operands, grad, p=0.0):
    """Compare both implementations with float64: ours may have 1.1 times the error."""
    dtype = operands[0].dtype
    low = [None if t is None else t.to(dtype) for t in operands]
    exact = run(addmm, [None if t is None else t.double() for t in operands], grad.double(), p)
    ours, library = run(kernels, operands, grad, p), run(addmm, low, grad, p)
    for one, other, right in zip(ours, library, exact, strict=True):
        allowed = 1.1 * (other - right).abs().max() + torch.finfo(dtype).eps * right.abs().max()
        assert (one - right).abs().max() <= allowed


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
    """Shapes that no other test has, so that Triton compiles here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(kernels, layer(131, 48, 80, 5), gradient(131, 80))


@pytest.mark.parametrize("dtype", [torch.float32, *LOW], ids=str)
@pytest.mark.parametrize("p", [0.0, 0.1])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(("m", "k", "n", "r"), [(12608, 768, 2304, 8), (1571, 1021, 389, 64)])
def test_errors_are_at_most_those_of_library_products(kernels, dtype, p, gated, m, k, n, r):
    check(kernels, layer(m, k, n, r, gated, dtype), gradient(m, n, dtype), p)


@pytest.mark.parametrize("precision", ["highest", "high"])
def test_float32_is_rounded_to_tf32_where_torch_allows_it(kernels, precision):
    """With `high`, the library rounds too, and ours may have 1.1 times its error."""
    before = torch.get_float32_matmul_precision()
    operands, grad = layer(4096, 768, 2304, 8, dtype=torch.float32), gradient(4096, 2304).float()
    try:
        torch.set_float32_matmul_precision(precision)
        assert kernels.planned(operands[0], operands[1], operands[3]).tf32 is (precision == "high")
        check(kernels, operands, grad, 0.1)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(("m", "k", "n", "r"), SHAPES)
def test_the_base_product_equals_that_of_cublas(kernels, record_property, m, k, n, r):
    """With B = 0 the layer is the base alone; the report has the time of cuBLAS over ours."""
    x, weight, bias, a, b, _ = layer(m, k, n, r)
    b.zero_()
    cut = kernels.planned(x, weight, a)

    def ours():
        return kernels.lora_linear(x, weight, bias, a, b, None, None, 1.0, 0.0, cut)[0]

    theirs = F.linear(x, weight, bias)
    assert (ours() - theirs).abs().max() <= 0.02 * theirs.abs().max()
    record_property("of_cublas", seconds(lambda: F.linear(x, weight, bias)) / seconds(ours))
    record_property("plan", str(cut))


@pytest.mark.parametrize("rank", [16, 32, 64])
def test_joint_and_separate_products_of_dy_agree_with_float64(kernels, rank):
    """Up to rank 32 one kernel reads dY for dh and dB; above, two kernels do."""
    check(kernels, layer(12608, 768, 768, rank), gradient(12608, 768))


@pytest.mark.parametrize("p", [0.0, 0.1])
def test_float32_adapters_on_a_low_base_need_no_copies(kernels, p):
    check(kernels, layer(4096, 768, 768, 8, wide=True), gradient(4096, 768), p)


@pytest.mark.parametrize(("m", "k"), [(301, 257), (300, 256), (1, 16)])
@pytest.mark.parametrize("dtype", LOW, ids=str)
def test_dropout_bits_equal_those_of_the_cpu(kernels, m, k, dtype):
    seed, p = torch.tensor(12345, dtype=torch.int32), 0.3
    kept = mask.keep(seed, (m, k), p)
    x, weight = torch.ones(m, k), torch.zeros(m, k)
    operands = [t.to("cuda", dtype) for t in (x, weight, torch.eye(k), torch.zeros(m, k))]
    x, weight, a, b = operands
    _, z = kernels.lora_linear(x, weight, None, a, b, None, seed.cuda(), 1.0, p)
    assert torch.equal((z != 0).cpu(), kept)


@pytest.mark.parametrize("rows", ["strided", "transposed"])
def test_ragged_and_non_contiguous_inputs(kernels, rows):
    x, weight, bias, a, b, _ = layer(1571, 1021, 389, 8)
    grad = gradient(1571, 389)

    def far(t):
        wide = torch.zeros(t.shape[0], t.shape[1] + 3, dtype=t.dtype, device="cuda")
        return wide[:, : t.shape[1]].copy_(t) if rows == "strided" else t.t().contiguous().t()

    near = run(kernels, [x, weight, bias, a, b, None], grad)
    operands = [far(x), far(weight), bias, far(a), far(b), None]
    for one, other in zip(run(kernels, operands, far(grad)), near, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2)


def test_rows_may_be_more_than_2_to_the_31_elements_apart(kernels):
    far = torch.empty(2 * 2**30 + 16, dtype=torch.float16, device="cuda")
    far = far.as_strided((3, 16), (2**30, 1))
    near = torch.randn(3, 16, device="cuda").half()
    far.copy_(near)
    weight, a, b = (near.new_ones(shape) for shape in ((8, 16), (4, 16), (8, 4)))
    grad = near.new_ones(3, 8)
    for one, other in zip(
        run(kernels, [far, weight, None, a, b, None], grad),
        run(kernels, [near, weight, None, a, b, None], grad),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_100_runs_give_the_same_bits(kernels):
    operands, grad = layer(12608, 768, 768, 8), gradient(12608, 768)
    first = run(kernels, operands, grad, 0.1)
    for _ in range(99):
        again = run(kernels, operands, grad, 0.1)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("tile", triton_plan.STREAM)
@pytest.mark.parametrize("p", [0.0, 0.1])
def test_persistent_products_have_the_same_bits_in_100_runs(kernels, monkeypatch, tile, p):
    if torch.cuda.get_device_capability() < COPIES:
        pytest.skip("the card has no copy engine")
    operands, grad = layer(12608, 768, 2304, 8), gradient(12608, 2304)
    cut = kernels.planned(operands[0], operands[1], operands[3])._replace(up=tile, dx=tile)
    monkeypatch.setattr(kernels, "planned", lambda *_: cut)
    check(kernels, operands, grad, p)
    first = run(kernels, operands, grad, p)
    for _ in range(99):
        again = run(kernels, operands, grad, p)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_layers_that_read_one_tensor_agree_with_layers_alone(kernels):
    from scionwood.kernels import triton_grouped

    layers = [layer(4096, 1024, n, 8) for n in (1024, 256, 256)]
    x, grads = layers[0][0], [gradient(4096, n) for n in (1024, 256, 256)]
    members = [reference.Member(weight, bias, a, b) for _, weight, bias, a, b, _ in layers]
    ys, z = triton_grouped.lora_linears(x, members)
    dx, pairs = triton_grouped.lora_linears_backward(grads, x, members, z, True)
    right, low = addmm.lora_linears(x, members)
    by_x, factors = addmm.lora_linears_backward(grads, x, members, low, True)
    ours = (*ys, dx, *sum(pairs, ()))
    for one, other in zip(ours, (*right, by_x, *sum(factors, ())), strict=True):
        assert (one.float() - other.float()).abs().max() <= 0.02 * other.float().abs().max()


def test_a_captured_graph_replays_new_inputs(kernels):
    operands, grad = layer(2048, 768, 768, 8), gradient(2048, 768)
    run(kernels, operands, grad)  # compilation does not belong into a graph
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run(kernels, operands, grad)
    operands[0].mul_(-0.5)
    graph.replay()
    for one, other in zip(captured, run(kernels, operands, grad), strict=True):
        assert torch.equal(one, other)


def test_streams_do_not_disturb_each_other(kernels):
    operands, grad = layer(4096, 768, 768, 8), gradient(4096, 768)
    expected = run(kernels, operands, grad)
    streams = [torch.cuda.Stream() for _ in range(4)]
    torch.cuda.synchronize()
    results = []
    for _ in range(8):
        for stream in streams:
            with torch.cuda.stream(stream):
                results.append(run(kernels, operands, grad))
    torch.cuda.synchronize()
    for result in results:
        assert all(torch.equal(one, other) for one, other in zip(result, expected, strict=True))


def test_the_operator_trains_with_them():
    x, weight, bias, a, b, _ = layer(2048, 768, 768, 8, wide=True)
    learned = [t.requires_grad_() for t in (x, a, b)]
    torch.manual_seed(1)
    y = lora_linear(x, weight, bias, a, b, scaling=0.7, dropout=0.1)
    gradients = torch.autograd.grad(y.float().square().mean(), learned)
    torch.manual_seed(1)
    seed = mask.new_seed(x.device)
    low = [a.bfloat16(), b.bfloat16()]
    right, _ = reference.lora_linear(x, weight, bias, *low, None, seed, 0.7, 0.1)
    expected = torch.autograd.grad(right.float().square().mean(), learned)
    for one, other in zip(gradients, expected, strict=True):
        assert (one - other).abs().max() < 0.03 * other.abs().max()


def test_launches_are_those_of_the_plan(kernels, record_property):
    """The profiler's count; the report also has the host time of a layer."""
    operands, grad = layer(2048, 768, 768, 8, wide=True), gradient(2048, 768)
    run(kernels, operands, grad)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(100):
        run(kernels, operands, grad)
    record_property("host_microseconds", (time.perf_counter() - start) * 1e4)
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as trace:
        run(kernels, operands, grad)
        torch.cuda.synchronize()
    names = [event.name for event in trace.events() if event.device_type.name == "CUDA"]
    launches = [name for name in names if not name.startswith(("Memcpy", "Memset"))]
    assert len(launches) <= 5, launches
