"""Tiles by card and shape, predictions by arithmetic, and cards or compilers that do not fit."""

from __future__ import annotations

import argparse
import json
import warnings

import pytest
import torch

from scionwood.kernels import __main__ as command
from scionwood.kernels import cards, dispatch, predict, triton_plan, tuning
from scionwood.kernels.cards import FILE, H100, Card, measured, table
from scionwood.kernels.triton_plan import Plan, Shape, Tile, plan

LOW = torch.bfloat16
PROJ = Shape(12608, 768, 768, 8)
RATES = {"flops": 7e14, "tf32": 3.5e14, "float32": 5e13, "bytes": 3e12}


@pytest.fixture(autouse=True)
def _forgotten():
    """No choice of one test is remembered by the next."""
    yield
    dispatch.choose.cache_clear()
    dispatch._tried.cache_clear()


class TestWavesAndBytes:
    def test_the_largest_tiles_waste_a_quarter_of_an_h100_at_a_projection_of_vit_b(self):
        tile = Tile(128, 256, 64, 8, 3)
        assert tile.waves(12608, 768, 132) == 2.25
        assert tile.share(12608, 768, 132, 768) == pytest.approx(
            12608 * 768 / (3 * 132 * 128 * 256)
        )
        assert plan(PROJ, H100.shared).up == Tile(128, 128, 64, 8, 3)

    def test_a_persistent_product_has_no_broken_wave_and_exchanges_tiles(self):
        tile = Tile(128, 256, 64, 8, 3, True)
        assert tile.waves(12608, 768, 132) == 2.25
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

    def test_bytes_of_the_forms_at_a_projection_of_vit_b(self):
        x, w = 2 * 12608 * 768, 2 * 768 * 768
        forms = predict.costs(H100, PROJ, "forward")
        assert forms["limit"].bytes == 3 * x + w
        assert forms["triton"].bytes == 3 * x + w + 2 * 2 * 12608 * 8
        assert forms["addmm"].bytes == 5 * x + w + 2 * 12608 * 8
        assert forms["peft, bf16 adapters"].bytes == 9 * x + w
        assert forms["peft"].bytes == 21 * x + w

    def test_no_form_is_below_the_limit_and_a_choice_is_never_above_addmm(self):
        for shape in tuning.SHAPES.values():
            for direction in predict.DIRECTIONS:
                forms = predict.costs(H100, shape, direction)
                chosen, _ = predict.best(H100, shape, direction)
                assert forms[chosen].seconds <= forms["addmm"].seconds
                assert forms[chosen].seconds >= predict.bound(H100, shape, direction)

    def test_the_library_is_chosen_where_its_tiles_win(self):
        """Without a copy engine, the best tiles of Triton waste a fifth of the card."""
        fc2 = tuning.SHAPES["ViT-B fc2"]
        assert predict.best(H100._replace(capability=(8, 0)), fc2, "forward")[0] == "addmm"
        name, said = predict.best(H100, fc2, "forward")
        assert name == "triton"
        assert "2.25 waves, persistent" in said

    def test_the_page_shows_the_predictions(self):
        page = FILE.parents[3] / "docs" / "kernels.md"
        if not page.exists():
            pytest.skip("no checkout")
        assert predict.table(H100, tuning.SHAPES) in page.read_text("utf-8")


def entry(m=12608, tile=(64, 64, 64, 4, 4)):
    tiles = {kernel: list(tile) for kernel in tuning.KERNELS}
    arms = {"forward": "augmented", "backward": "triton"}
    about = {**cards.key(PROJ), "m": m, "width": 16}
    return {**about, "plan": tiles, "arms": arms, "microseconds": {}}


@pytest.fixture
def file(tmp_path):
    cards.write(tmp_path / "tiles.json", H100, RATES, [entry()])
    small = H100._replace(name="NVIDIA H20", processors=78)
    cards.write(tmp_path / "tiles.json", small, RATES, [entry(m=6304)])
    return tmp_path / "tiles.json"


class TestTable:
    def test_the_shipped_table_has_the_schema(self):
        assert set(table()) == {"schema", "cards"}

    @pytest.mark.parametrize("m", [12608, 6304, 25216])
    def test_a_shape_of_a_card_has_its_tiles(self, file, m):
        found = measured(H100, PROJ._replace(m=m), file)
        assert found.plan == Plan(16, *(Tile(64, 64, 64, 4, 4),) * 5, programs=264)
        assert found.arms["forward"] == "augmented"

    @pytest.mark.parametrize(
        ("m", "n", "rank", "dtype"),
        [
            (3000, 768, 8, LOW),
            (12608, 769, 8, LOW),
            (12608, 768, 9, LOW),
            (0, 768, 8, LOW),
            (12608, 768, 8, torch.float16),
            (12608, 768, 8, torch.float32),
        ],
    )
    def test_other_shapes_have_none(self, file, m, n, rank, dtype):
        assert measured(H100, Shape(m, n, 768, rank, dtype), file) is None

    @pytest.mark.parametrize(("processors", "m", "there"), [(114, 20000, 1), (80, 20000, 0)])
    def test_an_unknown_card_uses_the_nearest_of_its_generation(self, file, processors, m, there):
        own = Card("unknown", (9, 0), processors, H100.shared)
        assert (measured(own, PROJ._replace(m=m), file) is not None) == bool(there)
        assert measured(own._replace(capability=(8, 0)), PROJ._replace(m=m), file) is None

    def test_tiles_that_do_not_fit_in_a_card_are_refused(self, tmp_path):
        cards.write(tmp_path / "t.json", H100, RATES, [entry(tile=(128, 256, 64, 8, 3))])
        assert measured(H100, PROJ, tmp_path / "t.json")
        small = Card("small", (9, 0), 132, triton_plan.SMALLEST)
        assert measured(small, PROJ, tmp_path / "t.json") is None

    @pytest.mark.parametrize("schema", [1, 3])
    def test_another_schema_is_refused(self, tmp_path, schema):
        (tmp_path / "new.json").write_text(f'{{"schema": {schema}, "cards": {{}}}}')
        with pytest.raises(ValueError, match=rf"its schema is {schema}.*Write it again"):
            table(tmp_path / "new.json")
        with pytest.raises(ValueError, match=rf"its schema is {schema}.*Write it again"):
            cards.write(tmp_path / "new.json", H100, RATES, [entry()])

    def test_a_gate_tf32_and_the_dtype_belong_to_the_key(self, tmp_path):
        file = tmp_path / "t.json"
        rounded = PROJ._replace(dtype=torch.float32, tf32=True)
        others = [PROJ._replace(rank=8, gated=True), rounded]
        for shape in others:
            cards.write(file, H100, RATES, [entry() | cards.key(shape)])
        assert all(measured(H100, shape, file) for shape in others)
        assert measured(H100, rounded, file).plan.tf32
        assert measured(H100, PROJ, file) is None
        assert measured(H100, rounded._replace(tf32=False), file) is None

    def test_another_sweep_replaces_its_shapes_only(self, file):
        cards.write(file, H100, RATES, [entry(), entry(m=99)])
        known = json.loads(file.read_text())["cards"]
        assert [shape["m"] for shape in known[H100.name]["shapes"]] == [12608, 99]
        assert "NVIDIA H20" in known


class TestSweep:
    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
    def test_says_why_it_cannot_start(self, capsys):
        assert command.main(["tune", "--device", "cuda"]) == 2
        said = capsys.readouterr().err
        assert said == "tune: nothing was measured, since torch sees no CUDA device\n"

    def test_predicts_without_a_card(self, capsys):
        assert command.main(["plan"]) == 0
        assert capsys.readouterr().out.count("\n") == 2 + 2 * len(tuning.SHAPES)

    @pytest.mark.slow
    def test_sweeps_a_tiny_layer_in_the_interpreter(self, python, tmp_path):
        pytest.importorskip("triton")
        words = ["tune", "--device", "interpreter", "--output", str(tmp_path / "t.json")]
        out = python("-m", "scionwood.kernels", *words, TRITON_INTERPRET="1")
        assert "left out" not in out
        known = json.loads((tmp_path / "t.json").read_text())["cards"]["interpreter"]
        assert [(each["kind"], each["gated"]) for each in known["shapes"]] == [
            ("float32", False), ("tf32", False), ("float32", True)
        ]  # fmt: skip
        for shape in known["shapes"]:
            assert set(shape["microseconds"]["forward"]) == {"addmm", "augmented", "triton"}
        (conv,) = known["convs"]
        assert set(conv["microseconds"]) == {"merged", "whole", "separate"}
        assert conv["form"] == min(conv["microseconds"], key=conv["microseconds"].get)

    def test_too_little_memory_is_named_and_the_sweep_goes_on(self, monkeypatch):
        pytest.importorskip("triton")
        from scionwood.kernels import triton_lora

        def full(*_):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 64 GiB")

        for name in ("lora_linear", "lora_linear_backward"):
            monkeypatch.setattr(triton_lora, name, full)
        configs = {"up": (Tile(16, 16, 16, 4, 2),)}
        tiny = {"tiny": tuning.TINY["tiny"]}
        ((_, found, failures),) = tuning.tune(H100, "cpu", tiny, 60.0, lambda _: configs)
        assert len(failures) == 2
        assert failures[0].why == "OutOfMemoryError: CUDA out of memory. Tried to allocate 64 GiB"
        assert found["arms"]["backward"] == "addmm"

    def test_a_layer_too_large_for_the_memory_is_named_and_the_next_is_measured(
        self, monkeypatch, tmp_path, capsys
    ):
        made = tuning.Layer

        def small(shape, device):
            if shape.m > 20:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 64 GiB")
            return made(shape, device)

        monkeypatch.setattr(tuning, "Layer", small)
        shapes = {"large": PROJ} | tuning.TINY
        monkeypatch.setattr(tuning, "_entry", lambda *_: entry())
        options = argparse.Namespace(seconds=60.0, output=tmp_path / "t.json")
        command._tune(options, H100, "cpu", shapes, {}, lambda _: {})
        said = capsys.readouterr().out.splitlines()
        assert said[0].startswith("large: layer is left out: OutOfMemoryError: CUDA out of memory.")
        assert said[1] == "large: not measured, since the memory does not suffice"
        assert said[2].startswith("tiny: {'forward'")

    def test_rates_that_need_more_memory_than_there_is_are_named(self, monkeypatch, capsys):
        def full():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

        monkeypatch.setattr(tuning, "rates", full)
        monkeypatch.setattr(command, "_missing", lambda _: "")
        assert command.main(["tune"]) == 2
        why = "CUDA out of memory. Tried to allocate 2 GiB"
        assert capsys.readouterr().err == f"tune: nothing was measured, since {why}\n"

    def test_ends_with_its_time(self):
        assert list(tuning.tune(H100, "cpu", {"tiny": PROJ}, 0.0)) == [("tiny", None, [])]


class TestBadInput:
    @pytest.fixture
    def on_a_card(self, monkeypatch):
        monkeypatch.setattr(dispatch, "obstacle", lambda: "")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

        def use(own):
            monkeypatch.setattr(dispatch, "card", lambda index: own)

        return use

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

        monkeypatch.setattr(tuning, "attempt", broken)
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
