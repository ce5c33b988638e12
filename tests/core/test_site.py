"""The site is built as `make docs` builds it, and lists what there is."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import scionwood
from scionwood import discovery
from scionwood.plugin import KINDS
from scionwood.recipe_file import recipes
from scionwood.testing import CHECKS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    run = subprocess.run([*command, ROOT / "docs", folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_inventory_lists_every_public_name_and_every_component(site):
    content = (site / "objects.inv").read_bytes()
    listed = zlib.decompress(content.split(b"zlib.\n", 1)[1]).decode().splitlines()
    names = {line.split()[0] for line in listed}
    modules = {"adapters", "batch", "kernels", "training"}
    assert {f"scionwood.{name}" for name in scionwood.__all__ if name not in modules} <= names
    for plugin in (path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()):
        record = discovery.record(plugin)
        labels = {f"{kind}-{plugin}-{name}" for kind in KINDS for name in getattr(record, kind)}
        labels |= {f"recipes-{plugin}-{name}" for name in recipes(plugin)}
        assert {label.lower() for label in labels} <= names


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_example_ran_and_every_check_has_its_reason(site):
    for example in (ROOT / "docs" / "examples").glob("plot_*.py"):
        page = (site / "gallery" / f"{example.stem}.html").read_text("utf-8")
        assert "running time of the script" in page
    checks = (site / "authors" / "checks.html").read_text("utf-8")
    assert all(check.__name__ in checks for check in CHECKS)
