"""A federation by Flower: a server and three nodes as processes, with TLS and node keys."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from scionwood_federated.update.folder import read_start

FLOWER = "flwr>=1.42,<1.43"
SITES = ("a", "b", "c")
ALIKE = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Sums in another number of threads round differently, and Adam's first steps enlarge that."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python with Flower, in an environment of its own over the present one.

    Flower's limits for packaging, rich and protobuf do not fit the development environment.
    """
    if find_spec("flwr") is not None:
        return Path(sys.executable)
    env = tmp_path_factory.mktemp("flower")
    subprocess.run([sys.executable, "-m", "venv", str(env)], check=True, capture_output=True)
    inside = env / "bin" / "python"
    done = subprocess.run(
        [inside, "-m", "pip", "install", "-q", FLOWER], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{FLOWER} cannot be installed: {done.stderr.strip()[-200:]}")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    inner = next(env.glob("lib/python*/site-packages"))
    (inner / "scionwood.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return inside


def command(python: Path, *words: object) -> list[str]:
    return [str(python), "-m", "scionwood.cli", "federated", *map(str, words)]


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepared(python: Path, folder: Path, *options: object) -> None:
    """Write the start, the app and the certificates."""
    change = "[task.schedule=constant, task.warmup_steps=0]"
    words = [
        ["begin", "seismic/denoise", folder / "round0", "--smoke", "--override", change],
        ["export", "flower", folder / "round0", folder / "app", "--sites", "[a, b, c]", *options],
        ["certificates", folder / "keys", "--sites", "[a, b, c]"],
    ]
    for each in words:
        subprocess.run(command(python, *each), check=True, capture_output=True, cwd=folder)


def started(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program whose output goes into a file."""
    with log.open("wb") as file:
        return subprocess.Popen(words, env=ALIKE, stdout=file, stderr=subprocess.STDOUT)


@contextmanager
def federation(
    python: Path, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, subprocess.Popen[bytes]]]]:
    """Run the server and the nodes; all of them are ended at the end."""
    number = port()
    keys, recipe = folder / "keys", folder / "round0" / "recipe.yaml"
    words = ["serve", folder / "app", keys / "server", folder / "out"]
    server = started(command(python, *words, "--port", number), folder / "serve.log")
    nodes = {}
    for count, site in enumerate(SITES, 1):
        words = ["join", f"127.0.0.1:{number}", site, recipe, keys / "sites" / site]
        words += ["--override", f"[data.seed={count}]"]
        nodes[site] = started(command(python, *words), folder / f"{site}.log")
    try:
        yield server, nodes
    finally:
        for child in (server, *nodes.values()):
            if child.poll() is None:
                child.terminate()
        for child in (server, *nodes.values()):
            child.wait(120)


def running(python: Path) -> list[str]:
    """Return the command lines of Flower's programs that this test started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:  # it ended just now
            continue
        if "flower-" in words or "flwr-" in words:
            found += [words] if str(python.parent) in words else []
    return found


def wait_for_none(python: Path) -> list[str]:
    """Return what still runs after a short while."""
    end = time.monotonic() + 60
    while (left := running(python)) and time.monotonic() < end:
        time.sleep(0.5)
    return left


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="it looks for processes in /proc")
def test_three_nodes_give_what_the_simulation_gives(python, tmp_path):
    prepared(python, tmp_path, "--rounds", 2, "--steps", 1)
    with federation(python, tmp_path) as (server, _):
        assert server.wait(1500) == 0, (tmp_path / "serve.log").read_text()[-3000:]
    assert wait_for_none(python) == []
    listed = tmp_path / "sites.csv"
    with listed.open("w", newline="") as file:
        csv.writer(file).writerows([("site", "data.seed"), *zip(SITES, (1, 2, 3), strict=True)])
    words = ["simulate", "seismic/denoise", tmp_path / "sim", "--sites", listed, "--smoke"]
    words += ["--rounds", 2, "--steps", 1, "--compare", "[federated]"]
    subprocess.run(command(python, *words), check=True, capture_output=True, env=ALIKE)
    got, want = read_start(tmp_path / "out" / "round2"), read_start(tmp_path / "sim" / "global")
    for part in ("adapter", "head"):
        for name, value in getattr(want, part).items():
            torch.testing.assert_close(getattr(got, part)[name], value, rtol=0, atol=1e-6)
    kept = json.loads((tmp_path / "out" / "rounds.json").read_text())["rounds"]
    assert [each["sites"] for each in kept] == [dict.fromkeys(SITES, "used")] * 2


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="it looks for processes in /proc")
def test_a_killed_node_is_named_and_the_round_closes_with_the_others(python, tmp_path):
    prepared(python, tmp_path, "--rounds", 2, "--steps", 1, "--timeout", 240)
    with federation(python, tmp_path) as (server, nodes):
        while not (tmp_path / "out" / "rounds.json").exists() and server.poll() is None:
            time.sleep(0.2)
        for child in (
            Path(f"/proc/{nodes['c'].pid}/task/{nodes['c'].pid}/children").read_text().split()
        ):
            os.kill(int(child), signal.SIGKILL)  # the node itself, without a goodbye
        nodes["c"].kill()
        assert server.wait(1500) == 0, (tmp_path / "serve.log").read_text()[-3000:]
    kept = json.loads((tmp_path / "out" / "rounds.json").read_text())["rounds"]
    assert kept[0]["sites"] == dict.fromkeys(SITES, "used")
    assert (kept[1]["sites"]["a"], kept[1]["sites"]["b"]) == ("used", "used")
    assert kept[1]["sites"]["c"] != "used"
    assert wait_for_none(python) == []
