"""The Triton kernels of the fields in one process: without triton, and how they are launched."""

import pytest
import torch

pytest.importorskip("scionwood_seismic")

NO_TRITON = """
import sys
sys.modules["triton"] = None
import torch
from scionwood_seismic import kernels as seismic
for device in ("cpu", torch.device("cuda", 1)):
    print(seismic.report(device))
print(torch._C._dispatch_has_kernel_for_dispatch_key("scionwood_seismic::moments", "CUDA"))
print(seismic.kurtosis(torch.eye(3)[None]).item())
"""


def test_without_triton_the_plain_code_runs_and_says_why(python):
    *reports, value = python("-c", NO_TRITON).splitlines()
    missing = "(triton is not installed: pip install 'triton>=3.7')"
    assert reports == [
        "moments on cpu: cpu",
        f"moments on cuda: reference {missing}",
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
    from scionwood_seismic.kernels import triton_kurtosis

    x = torch.ones(2, 100)
    values, offset = triton_kurtosis.moments(x)
    triton_kurtosis.moments_backward(values, x, values, offset)
    assert [name for name, _ in launches] == [*("_parts", "_merge", "_backward")]
    assert all(options["enable_fp_fusion"] is True for _, options in launches)
