"""The Triton kernels of the fields in one process: without triton, and how they are launched."""

import pytest
import torch

pytest.importorskip("scionwood_crash")

NO_TRITON = """
import sys
sys.modules["triton"] = None
import torch
from scionwood_crash import kernels as crash
for device in ("cpu", torch.device("cuda", 1)):
    print(crash.report(device))
print(torch._C._dispatch_has_kernel_for_dispatch_key("scionwood_crash::edge_block", "CUDA"))
"""


def test_without_triton_the_plain_code_runs_and_says_why(python):
    reports = python("-c", NO_TRITON).splitlines()
    missing = "(triton is not installed: pip install 'triton>=3.7')"
    assert reports == [
        "edge_block on cpu: plain",
        f"edge_block on cuda: plain {missing}",
        "False",
    ]


def test_every_launch_states_whether_sums_and_products_are_fused(monkeypatch):
    """Triton 3.9 warns at each compilation that the default will change; launches are recorded."""
    jit = pytest.importorskip("triton.runtime.jit")
    launches = []
    monkeypatch.setattr(
        jit.JITFunction,
        "run",
        lambda self, *_, grid, warmup, **options: launches.append((self.fn.__name__, options)),
    )
    from scionwood_crash.kernels import triton_edge

    node, edge, square, row = (torch.ones(*shape) for shape in ((5, 16), (9, 16), (16, 16), (16,)))
    index, share = torch.zeros(9, dtype=torch.long), torch.ones(9)
    weights = (square, square, square, row, square, row, row, row)
    inputs = (node, node, edge, index, index, share, *weights)
    out, total, *saved = triton_edge.edge_block(*inputs)
    triton_edge.edge_block_backward(out, total, *inputs, *saved, True)
    assert [name for name, _ in launches] == ["_forward", "_sum", "_sum"]
    assert all(options["enable_fp_fusion"] is True for _, options in launches)
