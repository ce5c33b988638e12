"""Fixtures of all tests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Write pint's cache before the workers start.

    DASCore imports it, and in a new environment two workers that write it at the same time can read
    each other's half of a file.
    """
    if find_spec("pint") and not hasattr(config, "workerinput"):
        from pint import UnitRegistry

        UnitRegistry(cache_folder=":auto:")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount an empty file system of a size such as `64k`, which is soon full."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        place = tmp_path / "disk"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("mounting a small file system needs root")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Sums in one order, and no waiting for each other where two workers share two cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
