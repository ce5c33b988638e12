"""The Triton kernels of the fields in one process: without triton, and how they are launched."""

import pytest
import torch

pytest.importorskip("scionwood_crash")
pytest.importorskip("scionwood_seismic")

NO_TRITON = """
import sys
sys.modules["triton"] = None
import torch
from scionwood_crash import kernels as crash
from scionwood_seismic import kernels as seismic
for device in ("cpu", torch.device("cuda", 1)):
    print(crash.report(device))
    print(seismic.report(device))
for name in ("scionwood_crash::edge_block", "scionwood_seismic::moments"):
    print(torch._C._dispatch_has_kernel_for_dispatch_key(name, "CUDA"))
print(seismic.kurtosis(torch.eye(3)[None]).item())
"""


def test_without_triton_the_plain_code_runs_and_says_why(python):
    *reports, value = python("-c", NO_TRITON).splitlines()
    missing = "(triton is not installed: pip install 'triton>=3.7')"
    assert reports == [
        "edge_block on cpu: plain",
        "moments on cpu: cpu",
        f"edge_block on cuda: plain {missing}",
        f"moments on cuda: reference {missing}",
        "False",
        "False",
    ]
    assert float(value) == pytest.approx(-1.5)


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
    from scionwood_seismic.kernels import triton_kurtosis

    node, edge, square, row = (torch.ones(*shape) for shape in ((5, 16), (9, 16), (16, 16), (16,)))
    index, share = torch.zeros(9, dtype=torch.long), torch.ones(9)
    weights = (square, square, square, row, square, row, row, row)
    inputs = (node, node, edge, index, index, share, *weights)
    out, total, *saved = triton_edge.edge_block(*inputs)
    triton_edge.edge_block_backward(out, total, *inputs, *saved, True)
    x = torch.ones(2, 100)
    values, offset = triton_kurtosis.moments(x)
    triton_kurtosis.moments_backward(values, x, values, offset)
    assert [name for name, _ in launches] == [
        *("_forward", "_sum", "_sum", "_parts", "_merge", "_backward")
    ]
    assert all(options["enable_fp_fusion"] is True for _, options in launches)
