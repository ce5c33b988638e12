"""The Triton kernels of the fields in one process: without triton, and how they are launched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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

LAUNCHES = """
import torch
from triton.runtime.jit import JITFunction
seen = []
JITFunction.run = lambda self, *_, grid, warmup, **o: seen.append((self.fn.__name__, o))
from scionwood_crash.kernels import triton_edge
node, edge, square, row = (torch.ones(*shape) for shape in ((5, 16), (9, 16), (16, 16), (16,)))
index, share = torch.zeros(9, dtype=torch.long), torch.ones(9)
weights = (square, square, square, row, square, row, row, row)
given = (node, node, edge, index, index, share, *weights)
out, total, *kept = triton_edge.edge_block(*given)
triton_edge.edge_block_backward(out, total, *given, *kept, True)
from scionwood_seismic.kernels import triton_kurtosis
x = torch.ones(2, 100)
values, offset = triton_kurtosis.moments(x)
triton_kurtosis.moments_backward(values, x, values, offset)
for name, options in seen:
    print(name, options["enable_fp_fusion"])
"""


def test_without_triton_the_plain_code_runs_and_says_why(python: Callable[..., str]) -> None:
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


def test_every_launch_states_whether_sums_and_products_are_fused(
    python: Callable[..., str],
) -> None:
    """Triton 3.9 warns at each compilation that the default will change; launches are recorded."""
    pytest.importorskip("triton")
    kernels = ("_forward", "_sum", "_sum", "_parts", "_merge", "_backward")
    said = python("-W", "error", "-c", LAUNCHES).splitlines()
    assert said == [f"{name} True" for name in kernels]
