"""Plans by the multiprocessors of a card, and cards or compilers that do not fit."""

from __future__ import annotations

import warnings

import pytest
import torch

from scionwood.kernels import cards, dispatch, triton_plan
from scionwood.kernels.cards import Card
from scionwood.kernels.triton_plan import Shape, Tile, plan

H100 = Card("NVIDIA H100 80GB HBM3", (9, 0), 132, 227 * 1024)
LOW = torch.bfloat16
PROJ = Shape(12608, 768, 768, 8)


@pytest.fixture(autouse=True)
def _forgotten():
    """No choice of one test is remembered by the next."""
    yield
    dispatch.choose.cache_clear()
    dispatch._tried.cache_clear()


class TestWaves:
    """A projection of ViT-B has 2.25 tiles of 128 x 256 for each multiprocessor of an H100."""

    def test_the_largest_tiles_waste_a_quarter_of_the_card(self):
        tile = Tile(128, 256, 64, 8, 3)
        assert tile.share(12608, 768, 132, 768) == pytest.approx(
            12608 * 768 / (3 * 132 * 128 * 256)
        )
        assert plan(PROJ, H100.shared).up == Tile(128, 128, 64, 8, 3)

    def test_a_persistent_product_has_no_broken_wave_and_exchanges_tiles(self):
        tile = Tile(128, 256, 64, 8, 3, True)
        whole = 12608 * 768 / (2.25 * 132 * 128 * 256)  # beside the last rows, every entry counts
        for depth in (768, 3072):
            exchanged = 1 + triton_plan.EXCHANGE / (2.25 * depth)
            assert tile.share(12608, 768, 132, depth) == pytest.approx(whole / exchanged)
        assert tile.share(132 * 128, 256, 132, 768) == 1  # whole waves exchange nothing

    @pytest.mark.parametrize(
        ("n", "k", "forward", "backward"),
        [(768, 768, False, False), (2304, 768, False, True), (3072, 768, False, True),
         (768, 3072, True, False)],
    )  # fmt: skip
    def test_deep_products_of_broken_waves_are_persistent(self, n, k, forward, backward):
        """Three of the five products of a ViT-B block with 2.25 waves; two are not deep enough."""
        cut = cards.planned(H100, Shape(12608, n, k, 8))
        assert (cut.up.stream, cut.dx.stream) == (forward, backward)
        old = cards.planned(H100._replace(capability=(8, 0)), Shape(12608, n, k, 8))
        assert not any((old.up.stream, old.dx.stream)), "without a copy engine"

    @pytest.mark.parametrize("processors", [16, 84, 108, 132, 148])
    def test_a_plan_depends_on_the_multiprocessors(self, processors):
        cut = plan(Shape(12608, 2304, 768, 8), H100.shared, 2 * processors)
        assert cut.programs == 2 * processors
        best = triton_plan.speed(cut.up, 12608, 2304, processors, 768)
        fits = [tile for tile in triton_plan.PRODUCT if tile.shared() <= H100.shared]
        assert best == max(triton_plan.speed(tile, 12608, 2304, processors, 768) for tile in fits)


class TestBadInput:
    @pytest.fixture
    def on_a_card(self, monkeypatch):
        monkeypatch.setattr(dispatch, "obstacle", lambda: "")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

        def use(own):
            monkeypatch.setattr(dispatch, "card", lambda index: own)

        return use

    def test_between_the_bounds_triton_runs_except_in_float32_without_tf32(
        self, on_a_card, monkeypatch
    ):
        on_a_card(H100)
        monkeypatch.setattr(dispatch, "attempt", lambda _: None)
        for dtype, tf32, wanted in (
            (LOW, False, "triton"),
            (torch.float32, True, "triton"),
            (torch.float32, False, "addmm"),
            (torch.float64, False, "addmm"),
        ):
            choice = dispatch.choose("cuda", dtype, 12608, 768, 8, tf32=tf32)
            assert choice.implementation == wanted
        assert dispatch.choose("cuda", LOW, 12608, 8193, 8).implementation == "addmm"

    def test_an_old_card_is_named(self, on_a_card):
        on_a_card(Card("Tesla T4", (7, 5), 40, 64 * 1024))
        choice = dispatch.choose("cuda", LOW, 12608, 768, 8)
        assert choice == (
            "addmm",
            "Tesla T4 has compute capability 7.5, and the kernels need 8.0",
        )

    def test_a_broken_triton_is_named_once_and_the_library_trains(self, on_a_card, monkeypatch):
        on_a_card(H100)

        def broken(_):
            raise RuntimeError("ptxas fatal: unsupported version\nand more")

        monkeypatch.setattr(dispatch, "attempt", broken)
        with pytest.warns(UserWarning, match="The layers use the GEMMs of the library"):
            choice = dispatch.choose("cuda", LOW, 12608, 768, 8)
        assert choice.implementation == "addmm"
        said = "Triton fails on NVIDIA H100 80GB HBM3: RuntimeError: ptxas fatal: unsupported"
        assert choice.why.startswith(said)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert dispatch.choose("cuda", LOW, 6304, 768, 8).implementation == "addmm"

    def test_an_old_triton_is_named(self, monkeypatch):
        monkeypatch.setattr(dispatch, "find_spec", lambda _: object())
        monkeypatch.setattr(dispatch, "version", lambda _: "3.1.0")
        said = "triton 3.1 is older than 3.6: pip install 'triton>=3.7'"
        assert dispatch.obstacle() == said
        assert dispatch.choose("cuda", LOW, 12608, 768, 8) == ("addmm", said)
