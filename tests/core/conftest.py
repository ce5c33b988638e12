"""Fixtures of the core's tests: the toy plugin, and distributions that exist only for one test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from plain_figures import blank, undrawn

from scionwood.plugins import discovery

TOY = Path(__file__).parent / "toy"


@pytest.fixture(scope="session", autouse=True)
def toy_plugin() -> Iterator[None]:
    """The plugin `toy` is installed for this process and for those that it starts."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TOY), before]))
    sys.path.insert(0, str(TOY))
    discovery.refresh()
    yield
    sys.path.remove(str(TOY))
    os.environ["PYTHONPATH"] = before or ""


@pytest.fixture(scope="module")
def blank_pictures(toy_plugin: None) -> Iterator[pytest.MonkeyPatch]:
    """The pictures of runs have one pixel."""
    with undrawn() as patch:
        yield patch


@pytest.fixture
def pictures(blank_pictures: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that looks at the pictures of a run draws them."""
    blank_pictures.undo()
    yield
    blank(blank_pictures)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugins that are really installed are switched off."""
    monkeypatch.setenv(discovery.DISABLE, ",".join(discovery.entries()))


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Add a distribution with one plugin to `sys.path` and PYTHONPATH; no pip is involved."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def add(plugin: str, code: str, *, module: str = "", dist: str = "") -> Path:
        dist = dist or f"fake-{plugin}"
        module = module or f"fake_{dist.replace('-', '_')}"
        (site / f"{module}.py").write_text(code)
        info = site / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        entry = f"[scionwood.plugins]\n{plugin} = {module}:plugin\n"
        (info / "entry_points.txt").write_text(entry)
        discovery.refresh()
        return site

    yield add
    for name in [name for name in sys.modules if name.startswith("fake_")]:
        del sys.modules[name]
    monkeypatch.undo()
    discovery.refresh()
