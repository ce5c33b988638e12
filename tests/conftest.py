"""Fixtures of all tests."""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from plain_figures import undrawn

pytest_plugins = ["cpu_budget", "pytester"]


def pytest_configure(config: pytest.Config) -> None:
    """Write pint's cache before the workers start.

    DASCore imports it, and in a new environment two workers that write it at the same time can read
    each other's half of a file.
    """
    if find_spec("pint") and not hasattr(config, "workerinput"):
        from pint import UnitRegistry

        UnitRegistry(cache_folder=":auto:")


def pytest_collection_finish() -> None:
    """Leave what collecting has imported out of garbage collections: some 0.3 s of each full one.

    Lightning asks for one after each search of a rate or a batch size.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """Let files count as written without fsync, since nobody cuts the power during a test.

    A short training waits for the disk as long as it computes: 36 calls.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


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
def python() -> Callable[..., str]:
    """Return a function that runs Python with arguments and variables, and returns its output."""

    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        return done.stdout

    return run


REFUSALS = """
import contextlib, io, sys
from scionwood.authoring import weights_digest
from scionwood.cli import main
for line in sys.argv[1:]:
    command, rule = line.split(" -> ")
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert main(command.split()) == 2, command
    assert rule in said.getvalue(), said.getvalue()
assert not {"torch", "numpy"} & sys.modules.keys()
"""


@pytest.fixture
def refused_without_torch(python: Callable[..., str]) -> Callable[..., None]:
    """Return a function that runs commands in one process, which must not import torch or numpy.

    Each argument is `command -> rule`: the command ends with 2, and its message contains the rule.
    """

    def run(*lines: str) -> None:
        python("-c", REFUSALS, *lines)

    return run


@pytest.fixture
def interpreted(python: Callable[..., str]) -> Callable[..., int]:
    """Return a function that runs a file of tests in Triton's interpreter, and counts them."""
    pytest.importorskip("triton")

    def run(file: Path, *arguments: str) -> int:
        options = ("-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider")
        out = python(*options, str(file), *arguments, TRITON_INTERPRET="1")
        assert "skipped" not in out
        passed = re.search(r"(\d+) passed", out)
        return int(passed[1]) if passed else 0

    return run


@pytest.fixture
def compiled(python: Callable[..., str], tmp_path: Path) -> Callable[[str], list[list[str]]]:
    """Return a function that runs code which compiles kernels, and returns the words it prints.

    The code first prints whether importing the kernels has imported triton.
    """
    pytest.importorskip("triton")

    def run(code: str) -> list[list[str]]:
        # Triton 3.9 warns that this default will change unless it is set.
        variables = {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_DEFAULT_FP_FUSION": "1"}
        imported, *lines = python("-c", code, **variables).splitlines()
        assert imported == "False", "triton takes a second to import: only when it is used"
        return [line.split() for line in lines]

    return run


@pytest.fixture
def _undrawn() -> Iterator[None]:
    """Do not draw the figures of a training; see `plain_figures`."""
    with undrawn():
        yield


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Sums in one order, and no waiting for each other where two workers share two cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
