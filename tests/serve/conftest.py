"""Helpers of this folder, and one server for the tests that only ask."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_figures import undrawn

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
    with undrawn():
        return scionwood.fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "few")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, few_shot: Path) -> Iterator[Server]:
    """A server of runs of five fields, which accepts 16 MB."""
    runs = ["clean=seismic/denoise", "pde/dynamics", "crash/transfer_lora", "bangla/register_tiny"]
    words = (*runs, f"few={few_shot}", "--max-bytes", str(16 << 20))
    with running(tmp_path_factory.mktemp("server"), *words) as found:
        yield found


@pytest.fixture(scope="session")
def make_client(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Any]:
    """Return a function of limits: an application without a worker, which must refuse before."""
    import litserve as ls
    from fastapi.testclient import TestClient

    from scionwood_serve import VersionRegistry, take_version
    from scionwood_serve.web.application import make_application
    from scionwood_serve.web.server_state import ServerState
    from scionwood_serve.worker.engine import Engine

    def make(limits: Any) -> TestClient:
        folder = tmp_path_factory.mktemp("server")
        version = take_version("seismic/denoise", folder / "versions", "clean")
        (folder / "requests").mkdir()
        server = ls.LitServer(Engine([version]), accelerator="cpu", timeout=False)
        return TestClient(
            make_application(ServerState(VersionRegistry([version]), limits, folder, server))
        )

    return make
