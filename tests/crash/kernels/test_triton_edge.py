"""The Triton kernels without a GPU: interpreted and compiled.

Triton reads its environment when it is imported, so each of these is a process of its own.
"""

from pathlib import Path

import pytest
import torch

from scionwood.kernels import dispatch
from scionwood.kernels.dispatch import Card
from scionwood_crash.kernels import operators, plain

HERE = Path(__file__).parent

COMPILE = r"""
import re, sys, scionwood_crash.kernels
print("triton" in sys.modules)
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from scionwood_crash.kernels import triton_edge as kernels

def check(kernel, dtype, width):
    constants = {"WIDTH": width, "TARGETS": kernels.TARGETS, "EDGES": kernels.EDGES}
    if "EPS" in kernel.arg_names:
        constants["EPS"] = 1e-5
    types = dict.fromkeys(kernel.arg_names, "*" + dtype)
    types |= dict.fromkeys(("src", "dst", "start"), "*i64")
    types |= dict.fromkeys(("count", "width"), "i32")
    types |= dict.fromkeys(constants, "constexpr")
    types = {name: types[name] for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    target = GPUTarget("cuda", 90, 32)
    built = triton.compile(source, target=target, options={"num_warps": 4})
    atomic = re.search(r"\b(atom|red)\.", built.asm["ptx"]) is not None
    print(kernel.__name__, len(built.asm["cubin"]) > 0, built.metadata.shared, atomic)

for dtype, width in (("fp32", 32), ("bf16", 64)):
    check(kernels._forward, dtype, width)
    check(kernels._sum, dtype, width)
"""


@pytest.mark.slow
def test_interpreted_kernels_equal_the_reference(interpreted):
    """About twenty cases of forward and backward; see `interpreted.py`."""
    assert interpreted(HERE / "interpreted.py") > 20


@pytest.mark.slow
def test_kernels_compile_for_an_absent_device(compiled):
    """For compute capability 9.0; they fit its shared memory and have no atomic additions."""
    kernels = compiled(COMPILE)
    assert [line[0] for line in kernels] == ["_forward", "_sum"] * 2
    for _, built, shared, atomic in kernels:
        assert (built, atomic) == ("True", "False")
        assert int(shared) <= 227 * 1024


def test_an_old_card_is_named_and_plain_torch_runs(monkeypatch):
    pytest.importorskip("triton")
    old = Card("Tesla T4", (7, 5), 40, 64 * 1024)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(dispatch, "card", lambda _: old)
    monkeypatch.setattr(dispatch, "_tried", dispatch._tried.__wrapped__)
    monkeypatch.setattr(operators, "_unfit", operators._unfit.__wrapped__)
    reason = "Tesla T4 has compute capability 7.5, and the kernels need 8.0"
    assert operators.report("cuda:0") == f"edge_block on cuda: plain ({reason})"
    monkeypatch.setattr(operators, "_unfit", lambda _: reason)
    nodes, edges = torch.ones(3, 8), torch.ones(4, 8)
    at = torch.tensor([0, 0, 1, 2])
    weights = [torch.eye(8)] * 3 + [torch.zeros(8), torch.eye(8), *[torch.zeros(8)] * 3]
    given = (nodes, nodes, edges, at, at, torch.ones(4), *weights)
    ours = operators._implementation("triton_edge", "edge_block")(*given)
    assert all(torch.equal(*pair) for pair in zip(ours, plain.edge_block(*given), strict=True))
