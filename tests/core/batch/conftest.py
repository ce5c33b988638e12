"""A plugin whose commands misbehave as their source says, and two workers for all tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scionwood.plugins import discovery
from scionwood_batch.cluster import local_client

if TYPE_CHECKING:
    from distributed import Client

PLUGIN = r'''
from __future__ import annotations
import multiprocessing, os, signal, subprocess, sys, time
from pathlib import Path
from scionwood.authoring import (
    InputPath, OutputPath, RunPath, atomic_path, check_target, writing,
)
from scionwood import Plugin, ReadError
names = ("copy", "draw", "show", "pair", "plain", "tell", "mix", "hire", "use", "join")
plugin = Plugin(name="many", commands={name: f"fake_many:{name}" for name in names})
def copy(
    source: InputPath, target: OutputPath, *,
    upper: bool = False, times: int = 1, log: OutputPath | None = None, force: bool = False,
) -> None:
    """Copy a text, or fail in the way that the text says."""
    check_target(target, force)
    text = source.read_text()
    print("a line on stdout")
    print("a line on stderr", file=sys.stderr)
    if text == "damaged":
        raise ReadError(str(source), "it is damaged", "Copy it again")
    if text == "kill once" and not source.with_suffix(".killed").exists():
        source.with_suffix(".killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if text.startswith("leave"):  # a process that outlives its worker, and then end the worker
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        source.with_suffix(".pids").open("a").write(f"{process.pid}\n")
        os.kill(os.getpid(), signal.SIGKILL) if text == "leave and die" else time.sleep(600)
    if text == "bug":
        raise ZeroDivisionError("a fault of the plugin")
    if text == "exit":
        sys.exit("it says why")
    if text == "nothing":
        return
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    with writing(target), atomic_path(target, overwrite=force) as part:
        part.write_text((text.upper() if upper else text) * times)
    if log:
        log.write_text("log")
def draw(target: OutputPath, *, seed: int = 0, force: bool = False) -> None:
    """Write a number."""
    target.write_text(f"{seed} {os.environ['OMP_NUM_THREADS']} {'torch' in sys.modules}")
def show(source: InputPath) -> None:
    """Print a text."""
def pair(first: OutputPath, second: OutputPath, *, force: bool = False) -> None:
    """Write two files."""
def mix(first: InputPath, second: InputPath) -> None:
    """Compare two files."""
def plain(source: Path, target: Path) -> None:
    """Copy, without annotations and without --force."""
    target.write_bytes(source.read_bytes())
def tell(
    source: InputPath, target: OutputPath, *, force: bool = False, resume: bool = False
) -> None:
    """Write which options were given."""
    target.write_text(f"force {force} resume {resume}")
def use(source: InputPath, target: OutputPath, *, run: RunPath, force: bool = False) -> None:
    """Write the name of a run."""
    target.write_text(str(run))
def join(
    source: InputPath, target: OutputPath, *, more: list[InputPath], force: bool = False
) -> None:
    """Join texts."""
    target.write_text("".join(path.read_text() for path in [source, *more]))
def hire(source: InputPath, target: OutputPath, *, force: bool = False) -> None:
    """Let another process write the target."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=target.write_text, args=("by another",))
    process.start()
    process.join()
'''


@pytest.fixture(scope="package")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plugin `many` is installed for this process and for those that it starts."""
    site = tmp_path_factory.mktemp("site")
    (site / "fake_many.py").write_text(PLUGIN)
    info = site / "fake_many-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-many\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[scionwood.plugins]\nmany = fake_many:plugin\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        discovery.refresh()
        yield site
    sys.modules.pop("fake_many", None)
    discovery.refresh()


@pytest.fixture(scope="package")
def client(many: Path) -> Iterator[Client]:
    """Two workers, which all tests share."""
    pytest.importorskip("distributed")
    with local_client(2, most=2, gpus=False) as started:
        yield started


@pytest.fixture
def here(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with six texts in `in`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for number in range(6):
        (tmp_path / f"in/{number}.txt").write_text(f"text {number}")
    return tmp_path
