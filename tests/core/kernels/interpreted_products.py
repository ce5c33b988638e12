"""Run persistent products, groups of layers and sums in pieces in the interpreter of Triton.

`test_triton.py` runs this file as it runs `interpreted.py`.
"""

from __future__ import annotations

import pytest
import torch
from interpreted import DTYPES, PLANS, Case, check, draw

from scionwood.kernels import (
    addmm,
    reference,
    triton_grouped,
    triton_lora,
    triton_plan,
    triton_stream,
)
from scionwood.kernels.triton_plan import Plan, Tile

STREAMED = Plan(16, *(Tile(16, 32, 16, 4, 2, True),) * 2, *(Tile(16, 16, 16, 4, 2),) * 3, 10)
"""Persistent products with five programs."""


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
@pytest.mark.parametrize(("m", "k", "n"), [(33, 40, 56), (70, 96, 24), (5, 8, 8), (64, 64, 64)])
@pytest.mark.parametrize(
    ("r", "gate", "p", "learns"),
    [(3, False, 0.0, "all"), (8, True, 0.3, "all"), (33, False, 0.3, "all"), (8, True, 0.0, "x")],
)
def test_persistent_products_equal_the_reference(monkeypatch, dtype, m, k, n, r, gate, p, learns):
    """Tiles are divided among programs, which is so here for most of them."""
    used = []
    run = triton_stream.stream.run
    monkeypatch.setattr(
        triton_stream.stream, "run", lambda *a, **o: (used.append(1), run(*a, **o))[1]
    )
    check(Case(dtype, m, k, n, r, True, gate, p, learns, "dense", "", m + k), STREAMED)
    assert len(used) == 2, "forward and dX"


def test_operands_that_the_copy_engine_cannot_read_use_plain_products():
    check(Case(torch.float16, 20, 33, 18, 4, True, False, 0.0, "all", "rows", "", 1), STREAMED)


@pytest.mark.parametrize("stream", [False, True])
def test_layers_that_read_one_tensor_equal_layers_alone(monkeypatch, stream):
    """In float16; dX is a sum of parts that are added in place, so it is rounded three times."""
    cut = STREAMED if stream else PLANS["32"]
    monkeypatch.setattr(triton_lora, "planned", lambda *_: cut)
    draws = [Case(torch.float16, 40, 32, n, r, r > 4, False, 0, "all", "dense", "", 5)
             for n, r in ((48, 4), (24, 8), (24, 5))]  # fmt: skip
    layers = [draw(case) for case in draws]
    x = layers[0][0][0]
    members = [
        reference.Member(weight, bias, a, b, 0.7) for (_, weight, bias, a, b, _), _, _ in layers
    ]
    grads = [grad for *_, grad in layers]
    ys, z = triton_grouped.lora_linears(x, members)
    dx, pairs = triton_grouped.lora_linears_backward(grads, x, members, z, True)
    right = addmm.lora_linears(x.double(), [wide(member) for member in members])
    operands = [grad.double() for grad in grads], x.double(), [wide(m) for m in members], right[1]
    by_x, by_factors = addmm.lora_linears_backward(*operands, True)
    for one, other in zip(
        (*ys, z, dx, *sum(pairs, ())),
        (*right[0], right[1], by_x, *sum(by_factors, ())),
        strict=True,
    ):
        assert (one.double() - other).abs().max() <= 4e-3 * other.abs().max()


def wide(member):
    return reference.Member(*(None if t is None else t.double() for t in member[:4]), 0.7)


def test_sums_of_many_rows_are_added_piece_by_piece(monkeypatch):
    """With little room for the partial sums of dh, the rows are processed in four pieces."""
    monkeypatch.setattr(triton_plan, "FOLD", 4 * 5 * 2 * 32)
    case = Case(torch.float32, 100, 20, 40, 5, True, False, 0.1, "all", "dense", "", 3)
    assert triton_plan.pieces(100, 40, 5, PLANS["32"]) == (32, 4)
    check(case, PLANS["32"])
    check(case._replace(gate=True), PLANS["32"])


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_kernels_for_tf32_equal_the_reference(gate, p):
    """The interpreter does not round; every kernel runs with the option."""
    case = Case(DTYPES[0], 37, 40, 56, 8, True, gate, p, "all", "dense", "", 4)
    check(case, PLANS["32"]._replace(tf32=True))
