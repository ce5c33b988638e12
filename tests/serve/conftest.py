"""Helpers of this folder, and one server for the tests that only ask."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serve_client import Server, running
from serve_hostile import write_line


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small shot in SEG-Y."""
    path = tmp_path_factory.mktemp("data") / "line.sgy"
    write_line(path, traces=8, samples=64)
    return path


@pytest.fixture(scope="session")
def few_shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of biomed after two steps."""
    import scionwood

    recipe = scionwood.resolve("biomed/few_shot_lora", smoke=True)
    return scionwood.fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "few")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, few_shot: Path) -> Iterator[Server]:
    """A server of runs of five fields, which accepts 16 MB."""
    runs = ["clean=seismic/denoise", "pde/dynamics", "crash/transfer_lora", "bangla/register_tiny"]
    words = (*runs, f"few={few_shot}", "--max-bytes", str(16 << 20))
    with running(tmp_path_factory.mktemp("server"), *words) as found:
        yield found
