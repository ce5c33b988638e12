"""Why Triton is not used: each missing part has its own reason."""

from __future__ import annotations

from pathlib import Path

import pytest

import scionwood
from scionwood.kernels import obstacle


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of Python headers in a world where Triton and a compiler are installed."""
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: str(tmp_path))
    monkeypatch.setattr("scionwood.kernels.dispatch.find_spec", lambda _: object())
    monkeypatch.setenv("CC", "cc")
    return tmp_path


@pytest.mark.usefixtures("complete")
def test_no_reason_if_all_parts_are_there():
    assert obstacle() == scionwood.authoring.obstacle() == ""


def test_names_a_missing_triton_with_its_command(monkeypatch, complete):
    monkeypatch.setattr("scionwood.kernels.dispatch.find_spec", lambda _: None)
    assert obstacle() == "triton is not installed: pip install 'triton>=3.7'"


def test_names_missing_headers(complete):
    (complete / "Python.h").unlink()
    assert obstacle() == f"triton needs Python's headers, {complete / 'Python.h'}"


def test_names_a_missing_compiler(monkeypatch, complete):
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    assert obstacle() == "triton needs a C compiler, gcc or clang"
