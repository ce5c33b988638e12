"""The Triton kernels without a device: interpreted and compiled; see also `test_gpu`.

Triton reads its environment when it is imported, so interpreter and compiler run in their own
processes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

HERE = Path(__file__).parent
SMALLEST, LARGEST = 99 * 1024, 227 * 1024
"""Bytes of shared memory for one program, on every card from 8.0 on and on an H100."""


@pytest.mark.slow
def test_interpreted_kernels_equal_products_in_float64(interpreted):
    assert interpreted(HERE / "interpreted.py") == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "unit", "shared"),
    [(80, "mma.sync", SMALLEST), (90, "wgmma", LARGEST), (100, "tcgen05.mma", LARGEST)],
)
def test_kernels_compile_without_the_device(capability, unit, shared, tmp_path, python):
    """They fit in its memory, use its matrix unit, load ahead and keep sums in registers."""
    pytest.importorskip("triton")
    words = (str(HERE / "compiled.py"), str(capability))
    out = python("-W", "error", *words, TRITON_CACHE_DIR=str(tmp_path))
    lines = [json.loads(line) for line in out.splitlines()]
    names = ["product_kernel"] * 4 + ["by_rank_kernel"]
    assert [line["kernel"] for line in lines] == 4 * names
    assert all(line["shared"] <= shared and line["copies"] for line in lines)
    assert not any(line["atomic"] for line in lines)
    assert {line["unit"] for line in lines if line["kernel"] == names[0]} == {unit}
    assert all(line["spilled"] <= 32 for line in lines)


@given(m=st.integers(1, 10**6), rows=st.sampled_from([16, 64, 128]), others=st.integers(1, 999))
def test_groups_cover_the_rows_and_fill_a_card_once(m, rows, others):
    kernels = pytest.importorskip("scionwood.kernels.triton_lora")
    count, steps = kernels.groups(m, rows, others)
    assert (count - 1) * steps < kernels.parts(m, rows) <= count * steps
    assert count * others <= max(kernels.PROGRAMS, others)
