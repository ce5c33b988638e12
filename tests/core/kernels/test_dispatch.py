"""Which implementation runs, and why not Triton: each missing part has its own reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

import scionwood
from scionwood.kernels import dispatch, obstacle
from scionwood.kernels.dispatch import Card

H100 = Card("NVIDIA H100 80GB HBM3", (9, 0))
LAYER = ("cuda", torch.bfloat16, 12608, 768, 8)


@pytest.fixture(autouse=True)
def _forgotten():
    """No choice of one test is remembered by the next."""
    yield
    dispatch.choose.cache_clear()
    dispatch._tried.cache_clear()


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of Python headers in a world where Triton and a compiler are installed."""
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: str(tmp_path))
    monkeypatch.setattr("scionwood.kernels.dispatch.find_spec", lambda _: object())
    monkeypatch.setenv("CC", "cc")
    return tmp_path


class TestObstacle:
    @pytest.mark.usefixtures("complete")
    def test_no_reason_if_all_parts_are_there(self):
        assert obstacle() == scionwood.authoring.obstacle() == ""

    def test_a_missing_triton_has_its_command(self, monkeypatch, complete):
        monkeypatch.setattr("scionwood.kernels.dispatch.find_spec", lambda _: None)
        assert obstacle() == "triton is not installed: pip install 'triton>=3.7'"

    def test_missing_headers(self, complete):
        (complete / "Python.h").unlink()
        assert obstacle() == f"triton needs Python's headers, {complete / 'Python.h'}"

    def test_a_missing_compiler(self, monkeypatch, complete):
        monkeypatch.delenv("CC")
        monkeypatch.setenv("PATH", "")
        assert obstacle() == "triton needs a C compiler, gcc or clang"

    def test_an_old_triton(self, monkeypatch):
        monkeypatch.setattr(dispatch, "find_spec", lambda _: object())
        monkeypatch.setattr(dispatch, "version", lambda _: "3.1.0")
        said = "triton 3.1 is older than 3.6: pip install 'triton>=3.7'"
        assert dispatch.obstacle() == said
        assert dispatch.choose(*LAYER) == ("addmm", said)


class TestOnACard:
    @pytest.fixture
    def use(self, monkeypatch):
        monkeypatch.setattr(dispatch, "obstacle", lambda: "")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(dispatch, "attempt", lambda _: None)
        return lambda card: monkeypatch.setattr(dispatch, "card", lambda index: card)

    def test_triton_runs_between_the_bounds_in_half_precision(self, use):
        use(H100)
        assert dispatch.choose(*LAYER).implementation == "triton"
        for rows, width, rank in ((100, 768, 8), (12608, 4096, 8), (12608, 768, 65)):
            choice = dispatch.choose("cuda", torch.bfloat16, rows, width, rank)
            assert choice.implementation == "addmm"
        for dtype in (torch.float32, torch.float64):
            assert dispatch.choose("cuda", dtype, 12608, 768, 8).implementation == "addmm"
        for device in ("cpu", "mps"):
            assert dispatch.choose(device, *LAYER[1:]).implementation == "addmm"

    def test_an_old_card_is_named(self, use):
        use(Card("Tesla T4", (7, 5)))
        reason = "Tesla T4 has compute capability 7.5, and the kernels need 8.0"
        assert dispatch.choose(*LAYER) == ("addmm", reason)

    def test_a_broken_triton_is_named_once_and_the_library_trains(self, use, monkeypatch):
        use(H100)

        def broken(_):
            raise RuntimeError("ptxas fatal: unsupported version\nand more")

        monkeypatch.setattr(dispatch, "attempt", broken)
        with pytest.warns(UserWarning, match="The layers use the GEMMs of the library"):
            choice = dispatch.choose(*LAYER)
        said = "Triton fails on NVIDIA H100 80GB HBM3: RuntimeError: ptxas fatal: unsupported"
        assert choice.why.startswith(said)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = dispatch.choose("cuda", torch.bfloat16, 6304, 768, 8)
        assert again.implementation == "addmm"
