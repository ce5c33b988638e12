"""A sound plugin, which tests break: `scionwood new` writes it, and a dist-info installs it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scionwood.plugins import discovery
from scionwood.plugins.plugin import Plugin
from scionwood_kit import new


class Sample:
    """A rendered plugin whose files a test may change before it is imported."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.package = f"scionwood_{name}"
        new(name, root / "source")
        (root / "source" / name / self.package).rename(root / self.package)
        info = root / f"{self.package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {info.stem}\nVersion: 1.0\n")
        entry = f"[scionwood.plugins]\n{name} = {self.package}:plugin\n"
        (info / "entry_points.txt").write_text(entry)

    def change(self, file: str, old: str, new: str) -> Sample:
        """Replace a text that must be there."""
        path = self.root / self.package / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new))
        return self

    def add(self, file: str, text: str) -> Sample:
        """Write one more file."""
        (self.root / self.package / file).write_text(text)
        return self

    def at_home(self) -> Sample:
        """Make it a plugin of a checkout: its recipes lie in `configs` beside its package."""
        (self.root / "configs").mkdir()
        (self.root / self.package / "recipes").rename(self.root / "configs" / self.name)
        return self

    def only_method(self) -> Sample:
        """Replace the whole package with a plugin that adds one adapter method."""
        shutil.rmtree(self.root / self.package)
        shutil.copytree(Path(__file__).parent / "gate", self.root / self.package)
        return self

    def plugin(self) -> Plugin:
        """Import the record."""
        discovery.refresh()
        return discovery.record(self.name)


@pytest.fixture(scope="module", autouse=True)
def _blank(blank_pictures: object) -> None:
    """Draw no pictures of the runs that the checks train."""


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sample]:
    """A sound plugin named `sample`, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    made = Sample(tmp_path, "sample")
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == made.package]:
        del sys.modules[name]
    monkeypatch.undo()
    discovery.refresh()
