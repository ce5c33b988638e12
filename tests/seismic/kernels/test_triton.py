"""The Triton kernels without a GPU: interpreted and compiled.

Triton reads its environment at import, so each test runs a process of its own.
"""

from pathlib import Path

import pytest
import torch

from scionwood.kernels import dispatch
from scionwood.kernels.dispatch import Card
from scionwood_seismic.kernels import operators, reference, report

HERE = Path(__file__).parent

COMPILE = """
import sys, scionwood_seismic.kernels
print("triton" in sys.modules)
import torch, triton, triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from scionwood_seismic.kernels import triton_kurtosis as kernels

def check(kernel, types, constants, warps):
    types |= dict.fromkeys(constants, "constexpr")
    types = {name: types[name] for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    target = GPUTarget("cuda", 90, 32)
    compiled = triton.compile(source, target=target, options={"num_warps": warps})
    print(kernel.__name__, len(compiled.asm["cubin"]) > 0, compiled.metadata.shared)

for x, wide, one in [("*bf16", "fp32", {"steps": 1}), ("*fp64", "fp64", {})]:
    block, w, whole = {"BLOCK": 4096, "WIDE": getattr(tl, "float" + wide[2:])}, "*" + wide, "i32"
    sizes = {"n": whole, "steps": whole, "blocks": whole, "width": whole, "span": whole}
    types = {"x": x, "out": x, "parts": w, "values": w, "offset": w, "grad": w} | sizes
    width = {"WIDTH": 16, "WIDE": block["WIDE"]}
    check(kernels._parts, dict(types), block | one, 8)
    check(kernels._merge, dict(types), width, 1)
    check(kernels._backward, dict(types), block, 8)
"""


@pytest.mark.slow
def test_interpreted_kernels_agree_with_the_reference(interpreted):
    """Nearly sixty cases, each forward and backward; see `interpreted.py`."""
    assert interpreted(HERE / "interpreted.py") > 40


@pytest.mark.slow
def test_kernels_compile_for_an_absent_device(compiled):
    """Compile for compute capability 9.0; only sums across warps use shared memory."""
    kernels = compiled(COMPILE)
    assert [line[0] for line in kernels] == ["_parts", "_merge", "_backward"] * 2
    assert all(line[1] == "True" and int(line[2]) <= 64 for line in kernels)


def test_other_devices_use_the_reference():
    assert report("mps") == "moments on mps: reference (nothing faster for this device)"


def test_an_old_card_is_named_and_the_reference_runs(monkeypatch):
    pytest.importorskip("triton")
    old = Card("Tesla T4", (7, 5))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(dispatch, "card", lambda _: old)
    monkeypatch.setattr(dispatch, "_tried", dispatch._tried.__wrapped__)
    monkeypatch.setattr(operators, "_unfit", operators._unfit.__wrapped__)
    reason = "Tesla T4 has compute capability 7.5, and the kernels need 8.0"
    assert report("cuda:0") == f"moments on cuda: reference ({reason})"
    monkeypatch.setattr(operators, "_unfit", lambda _: reason)
    x = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    values, offset = operators._implementation("triton_kurtosis", "moments")(x)
    right = reference.moments(x)
    assert torch.equal(values, right[0])
    assert torch.equal(offset, right[1])
