"""The edge block on a CUDA card; `make test-gpu` runs this file."""

import pytest
import torch

from scionwood_crash.kernels import Weights, edge_block, reference, report

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def _triton_runs():
    if "triton" not in report("cuda"):
        pytest.skip(report("cuda"))


def block(nodes, edges, width, dtype=torch.float32):
    generator = torch.Generator().manual_seed(nodes + edges + width)

    def draw(*shape, scale=1.0):
        drawn = torch.randn(shape, generator=generator) * scale
        return drawn.to("cuda", dtype).requires_grad_()

    dst = torch.randint(nodes, (edges,), generator=generator).sort()[0].cuda()
    src = torch.randint(nodes, (edges,), generator=generator).cuda()
    shapes = [(width, width)] * 3 + [(width,), (width, width)] + [(width,)] * 3
    weights = Weights(*(draw(*shape, scale=width**-0.5) for shape in shapes))
    share = torch.rand(edges, generator=generator).to("cuda", dtype)
    return draw(nodes, width), draw(nodes, width), draw(edges, width), src, dst, share, weights


def run(given, function=edge_block):
    inputs = [*given[:3], *given[6]]
    out, total = function(*given)
    grads = [torch.full_like(out, 0.5), torch.ones_like(total)]
    return out.detach(), total.detach(), *torch.autograd.grad((out, total), inputs, grads)


@pytest.mark.parametrize(("nodes", "edges"), [(1, 1), (33, 150), (5000, 40000)])
@pytest.mark.parametrize("width", [24, 64, 128])
def test_forward_and_backward_equal_the_reference(nodes, edges, width):
    given = block(nodes, edges, width)
    for ours, theirs in zip(run(given), run(given, reference.edge_block), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3 * theirs.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_low_precision_stays_near_float32(dtype):
    given = block(500, 4000, 128, dtype)
    low = run(given)
    wide = [t.float().detach().requires_grad_() for t in (*given[:3], *given[6])]
    right = run((*wide[:3], given[3], given[4], given[5].float(), Weights(*wide[3:])))
    for ours, theirs in zip(low, right, strict=True):
        assert (ours.float() - theirs).norm() <= 0.03 * theirs.norm()


def test_100_runs_give_the_same_bits():
    given = block(2000, 16000, 128)
    first = run(given)
    for _ in range(99):
        assert all(torch.equal(a, b) for a, b in zip(first, run(given), strict=True))


def test_more_than_2_to_the_31_entries_of_edges():
    few, many = 512, 2**24 + 2**18  # times 128: 2.2e9
    given = block(64, few, 128, torch.bfloat16)
    with torch.no_grad():
        small = edge_block(*given)[0]
        edge = torch.zeros(many, 128, dtype=torch.bfloat16, device="cuda")
        edge[-few:] = given[2]
        index = [torch.cat((each.new_zeros(many - few), each)) for each in given[3:5]]
        share = torch.cat((given[5].new_zeros(many - few), given[5]))
        large = edge_block(given[0], given[1], edge, *index, share, given[6])[0]
    torch.testing.assert_close(large[-few:], small)


def test_a_captured_graph_replays_new_inputs():
    given = block(300, 2000, 64)
    tensors = [t.detach() for t in (*given[:6], *given[6])]
    torch.ops.scionwood_crash.edge_block(*tensors)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = torch.ops.scionwood_crash.edge_block(*tensors)[:2]
    tensors[2].mul_(-0.5)
    graph.replay()
    again = torch.ops.scionwood_crash.edge_block(*tensors)[:2]
    assert all(torch.equal(a, b) for a, b in zip(captured, again, strict=True))


def test_streams_do_not_disturb_each_other():
    given = block(2000, 16000, 128)
    with torch.no_grad():
        expected, streams = edge_block(*given), [torch.cuda.Stream() for _ in range(4)]
        torch.cuda.synchronize()
        results = []
        for stream in 4 * streams:
            with torch.cuda.stream(stream):
                results.append(edge_block(*given))
    torch.cuda.synchronize()
    for result in results:
        assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))
