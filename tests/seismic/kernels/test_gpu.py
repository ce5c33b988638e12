"""The moments on a CUDA card; `make test-gpu` runs this file."""

import pytest
import torch

from scionwood_seismic.kernels import moments, report

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def _triton_runs():
    if "triton" not in report("cuda"):
        pytest.skip(report("cuda"))


def draw(*shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(shape, generator=generator).exp() + 1000).to("cuda", dtype)


def run(x):
    x = x.detach().requires_grad_()
    values = moments(x)
    return *(v.detach() for v in values), torch.autograd.grad(sum(v.sum() for v in values), x)[0]


@pytest.mark.parametrize("shape", [(3, 128, 1000), (1, 7, 13), (64, 256, 2048), (2, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_values_and_gradients_equal_those_of_the_cpu(shape, dtype):
    x = draw(*shape, dtype=dtype)
    for ours, theirs in zip(run(x), run(x.cpu().double()), strict=True):
        torch.testing.assert_close(ours.cpu().double(), theirs, rtol=1e-3, atol=1e-4)


def test_non_contiguous_rows():
    x = draw(4, 100, 60)
    for ours, theirs in zip(run(x.mT), run(x.mT.contiguous()), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_100_runs_give_the_same_bits():
    x = draw(2, 512, 2000)
    first = run(x)
    for _ in range(99):
        assert all(torch.equal(a, b) for a, b in zip(first, run(x), strict=True))


def test_more_than_2_to_the_31_samples():
    row = torch.randn(1, 2**20, 1, device="cuda").half()
    x = row.expand(2100, -1, -1).contiguous()  # 2.2e9 samples
    mean, std, _, excess = moments(x)
    for values, one in zip(
        (mean, std, excess), (moments(row)[at] for at in (0, 1, 3)), strict=True
    ):
        torch.testing.assert_close(values[[0, -1]], one.expand(2))


def test_a_captured_graph_replays_new_inputs():
    x = draw(2, 64, 500)
    torch.ops.scionwood_seismic.moments(x.flatten(1))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured, _ = torch.ops.scionwood_seismic.moments(x.flatten(1))
    x.mul_(2).sub_(5)
    graph.replay()
    assert torch.equal(captured, torch.ops.scionwood_seismic.moments(x.flatten(1))[0])


def test_streams_do_not_disturb_each_other():
    x = draw(4, 256, 2000)
    expected, streams = run(x), [torch.cuda.Stream() for _ in range(4)]
    torch.cuda.synchronize()
    results = []
    for stream in 4 * streams:
        with torch.cuda.stream(stream):
            results.append(run(x))
    torch.cuda.synchronize()
    for result in results:
        assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))
