"""The Triton kernels without a device: interpreted, compiled, and planned; see also `test_gpu`.

Triton reads its environment when it is imported, so interpreter and compiler run in their own
processes. The properties of a plan are plain arithmetic.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from case_table import table
from hypothesis import given
from hypothesis import strategies as st

from scionwood.kernels.triton_plan import (
    PROGRAMS,
    SMALLEST,
    Shape,
    Tile,
    allows_tf32,
    folds,
    groups,
    parts,
    plan,
    power,
)

HERE = Path(__file__).parent
LARGE = 227 * 1024
SPILLED = 136
"""Bytes of a thread that do not fit in its 255 registers, at tiles of 128 x 256 with a gate."""
STREAMED = 256
"""The same for persistent products."""
LAYERS = [(12608, 2304, 768), (12608, 768, 3072), (65536, 4096, 4096)]
"""Tokens, outputs and inputs, of a vision transformer and of a language model."""
sizes = st.integers(1, 9000)


@pytest.fixture
def triton() -> None:
    pytest.importorskip("triton")


@pytest.mark.slow
def test_interpreted_kernels_equal_the_reference(interpreted):
    """Forward and backward in three dtypes; every pair of switches occurs, see `interpreted.py`."""
    assert interpreted(HERE / "interpreted.py", "-m", "not slow") > 3 * 72


@pytest.mark.slow
def test_interpreted_kernels_equal_the_reference_in_every_case(interpreted):
    """Every combination of switches, twice in each dtype."""
    assert interpreted(HERE / "interpreted.py") > 3 * 216


@pytest.mark.slow
def test_interpreted_persistent_products_and_groups_equal_the_reference(interpreted):
    words = ("-o", f"pythonpath={HERE}")
    assert interpreted(HERE / "interpreted_products.py", *words) == 40


@pytest.mark.slow
@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize(
    ("capability", "unit", "shared"),
    [
        (80, "mma.sync", SMALLEST),
        (90, "wgmma", LARGE),
        (100, "tcgen05.mma", LARGE),
    ],
)
def test_kernels_compile_without_the_device(capability, unit, shared, tmp_path, python):
    """They fit in its memory and use its matrix unit, except for float32, which is not rounded."""
    out = python(
        "-W", "error", str(HERE / "compiled.py"), str(capability), TRITON_CACHE_DIR=str(tmp_path)
    )
    lines = [json.loads(line) for line in out.splitlines()]
    names = ["down", "product", "product", "through_b", "over_rows", "through_gate", "finish"]
    assert [line["kernel"] for line in lines] == 3 * names
    assert all(line["bytes"] > 0 and line["shared"] <= shared for line in lines)
    assert not any(line["tf32"] for line in lines)
    assert not any(line["atomic"] for line in lines)
    assert [line["unit"] for line in lines[:7] if line["kernel"] == "product"] == [unit] * 2
    assert all(line["copies"] for line in lines[:5]), "the loops load ahead"
    assert all(line["unit"] == "none" for line in lines[14:])
    assert all(line["spilled"] <= SPILLED for line in lines)


@pytest.mark.slow
@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize(("capability", "shared"), [(80, SMALLEST), (90, LARGE)])
def test_kernels_for_tf32_compile_without_the_device(capability, shared, tmp_path, python):
    """All five use the matrix unit in TF32, and fit in the memory of the card."""
    words = (str(HERE / "compiled.py"), str(capability), "tf32")
    out = python("-W", "error", *words, TRITON_CACHE_DIR=str(tmp_path))
    lines = [json.loads(line) for line in out.splitlines()][:5]
    assert all(line["tf32"] and line["unit"] != "none" for line in lines)
    assert all(line["copies"] and line["shared"] <= shared for line in lines)
    assert all(line["spilled"] <= SPILLED for line in lines)
    assert not any(line["atomic"] for line in lines)


@pytest.mark.usefixtures("triton")
def test_tf32_is_what_torch_allows_and_no_other_dtype_has_it():
    from scionwood.kernels import triton_lora

    x, weight, a = (torch.empty(size, 16) for size in (32, 24, 8))
    before = torch.get_float32_matmul_precision()
    try:
        for precision, wanted in (("highest", False), ("high", True), ("highest", False)):
            torch.set_float32_matmul_precision(precision)
            assert allows_tf32(torch.float32) is wanted
            assert not allows_tf32(torch.bfloat16)
            assert triton_lora.planned(x, weight, a).tf32 is wanted
            assert not triton_lora.planned(x.half(), weight.half(), a).tf32
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.slow
@pytest.mark.usefixtures("triton")
@pytest.mark.parametrize(("capability", "unit"), [(90, "wgmma"), (100, "tcgen05.mma")])
def test_persistent_products_compile_without_the_device(capability, unit, tmp_path, python):
    """They use the copy engine (TMA), and the smaller tile keeps nearly all sums in registers."""
    words = (str(HERE / "compiled.py"), str(capability), "streams")
    out = python("-W", "error", *words, TRITON_CACHE_DIR=str(tmp_path))
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["kernel"] for line in lines] == ["stream"] * 4
    assert all(line["engine"] and line["unit"] == unit and line["bytes"] > 0 for line in lines)
    assert all(line["shared"] <= LARGE and not line["tf32"] for line in lines)
    assert all(line["spilled"] <= STREAMED for line in lines[:2])
    assert all(line["spilled"] <= 16 for line in lines[2:])


@pytest.mark.usefixtures("triton")
def test_refuses_dtypes_and_sizes_that_the_kernels_do_not_support():
    from scionwood.kernels import triton_lora

    x = torch.empty(2**17, 2**16, dtype=torch.float16, device="meta")
    seed = torch.empty((), dtype=torch.int32, device="meta")
    rest = (x[:4], None, x[:8], x[:4, :8], None, seed, 1.0, 0.1)
    with pytest.raises(ValueError, match=r"at most 2\^32 positions"):
        triton_lora.lora_linear(x, *rest)
    with pytest.raises(ValueError, match=r"float64.*Use `addmm`"):
        triton_lora.lora_linear(x.double(), *rest)


class TestPlan:
    @given(m=sizes, n=sizes, k=sizes, rank=st.integers(1, 512), low=st.booleans())
    def test_tiles_are_powers_of_two_that_a_matrix_unit_supports(self, m, n, k, rank, low):
        tiles = plan(Shape(m, n, k, rank, torch.bfloat16 if low else torch.float32))
        assert tiles.rank == min(power(rank), 64 if low else 32)
        for tile in tiles[1:6]:
            lengths = (tile.rows, tile.columns, tile.depth or 16)
            assert all(length >= 16 and length & (length - 1) == 0 for length in lengths)
        assert tiles.up.rows < max(32, 2 * m)
        assert tiles.dx.columns < max(32, 2 * k)

    def test_a_large_layer_has_large_tiles_if_the_card_has_the_memory(self):
        assert plan(Shape(12608, 2304, 768, 8), LARGE).up == Tile(128, 256, 64, 8, 3)
        assert plan(Shape(12608, 2304, 768, 8)).up == Tile(128, 128, 64, 8, 3)
        assert plan(Shape(1576, 1152, 384, 8), LARGE).up == Tile(128, 128, 64, 8, 3)

    @given(m=st.integers(1, 10**6), rows=st.sampled_from([16, 64, 128]), others=st.integers(1, 999))
    def test_groups_cover_the_rows_and_fill_a_card_once(self, m, rows, others):
        count, steps = groups(m, Tile(rows, 64, 0, 4, 2), others)
        assert (count - 1) * steps < parts(m, rows) <= count * steps
        assert count * others <= max(PROGRAMS, others)

    @table(("m", "n", "k"), LAYERS)
    @table("rank", [8, 16])
    def test_partial_sums_are_small_compared_with_the_reads(self, m, n, k, rank):
        """The float32 writes are at most a third of one read of dY and x in 16 bits."""
        cut = plan(Shape(m, n, k, rank), LARGE)
        across = parts(n, cut.through_b.columns)
        count, _ = groups(m, cut.through_b, across)
        assert 4 * rank * (across * m + count * n) < 2 * m * n / 3
        count, _ = groups(m, cut.over_rows, parts(k, cut.over_rows.columns))
        assert 4 * rank * count * k < 2 * m * k / 3

    @pytest.mark.parametrize("rank", [8, 32])
    def test_partial_sums_are_folded_only_if_they_fit_in_a_multiprocessor(self, rank):
        """Sixteen of them at rank 32 took 557 KB, more than any card has."""
        cut = plan(Shape(1576, 1536, 384, rank), LARGE)
        folded = [s for s in range(1, 40) if folds((s, 1576, rank), 384, cut)]
        assert folded == list(range(1, {8: 6, 32: 3}[rank] + 1))

    @pytest.mark.parametrize("shared", [SMALLEST, LARGE])
    def test_tiles_for_tf32_take_the_bytes_of_those_for_16_bits(self, shared):
        shape = Shape(12608, 2304, 768, 8)
        low = plan(shape, shared)
        cut = plan(shape._replace(dtype=torch.float32, tf32=True), shared)
        assert cut.tf32
        assert not low.tf32
        assert cut.up.shared(4) == low.up.shared(2)
        assert (cut.up.rows, cut.up.columns) == (low.up.rows, low.up.columns)
        assert 2 * cut.over_rows.columns == low.over_rows.columns
        streams = plan(Shape(12608, 768, 3072, 8, torch.float32, tf32=True), LARGE, streams=True)
        assert not streams.up.stream, "the copy engine reads 16 bits here"
