"""Fixtures of the training tests: the toy recipe in this process, and in processes to be killed."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from scionwood.recipes.recipe import resolve
from scionwood.training import fit

Start = Callable[..., ForkServerProcess]


@pytest.fixture(autouse=True)
def _threads(_one_thread: None) -> None:
    """Run every test on one thread, like the processes with which it is compared."""


@pytest.fixture(scope="module", autouse=True)
def _blank(blank_pictures: object) -> None:
    """Draw no pictures; a test that looks at them asks for `pictures`."""


@pytest.fixture(scope="session")
def warm(toy_plugin: None) -> ForkServerContext:
    """A server that has imported the modules of training; each process is forked from it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scionwood.training.run", "scionwood_toy.child"])
    return context


@pytest.fixture
def start(warm: ForkServerContext) -> Iterator[Start]:
    """Start a fit of the toy recipe in a process of its own."""
    from scionwood_toy.child import fit_here

    started: list[ForkServerProcess] = []

    def begin(
        *overrides: str,
        run_dir: Path | None = None,
        resume: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> ForkServerProcess:
        process = warm.Process(target=fit_here, args=(overrides, run_dir, resume, env or {}))
        process.start()
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()
        process.close()


@pytest.fixture
def train_pair(start: Start) -> Callable[..., None]:
    """Run two processes that train together over gloo, and check how both end."""

    def train(*overrides: str, code: int = 0, **folders: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
        pair = [
            start("trainer.devices=2", *overrides, **folders, env={**place, "LOCAL_RANK": rank})
            for rank in ("0", "1")
        ]
        for process in pair:
            process.join(120)
        assert [process.exitcode for process in pair] == [code, code]

    return train


@pytest.fixture
def toy_fit(tmp_path: Path) -> Callable[..., Path]:
    """Fit the toy recipe with overrides in this process, and return the run folder."""

    def run(*overrides: str, name: str = "run", resume: Path | None = None) -> Path:
        recipe = resolve("toy/regress", ["trainer.logger=csv", *overrides])
        return fit(recipe, run_dir=None if resume else tmp_path / name, resume=resume)

    return run
