"""A finished run of the toy recipe, and a hub on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scionwood import pull
from scionwood.errors import ScionwoodError
from scionwood.recipes.recipe import resolve
from scionwood.runs.cache import all_cached, cache_folder
from scionwood.training import fit
from scionwood_share.publish import push

from .hub import TOKEN, Hub, serve

NAME = "tester/toy"


@pytest.fixture(scope="session")
def toy_run(toy_plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with an adapter, a head, a card, metrics, figures and a checkpoint."""
    place = tmp_path_factory.mktemp("runs") / "toy"
    return fit(resolve("toy/regress", ["trainer.max_steps=2"]), run_dir=place)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub without repositories, an access token to it, and an empty cache."""
    monkeypatch.setenv("SCIONWOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("SCIONWOOD_MIRROR", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serve() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def shared(hub: Hub, toy_run: Path) -> Hub:
    """A hub that holds the toy run as `tester/toy`."""
    push(toy_run, NAME)
    return hub


@pytest.fixture
def archive(hub: Hub, toy_run: Path, tmp_path: Path) -> Callable[[], str]:
    """Return a function that serves the toy run as a zip archive and returns its reference."""

    def make() -> str:
        path = tmp_path / "toy.zip"
        reference = push(toy_run, str(path))
        hub.files["toy.zip"] = path.read_bytes()
        return reference.replace("https://HOST", f"{hub.url}/files")

    return make


def refused(reference: str, kind: type[ScionwoodError], match: str) -> None:
    """Check that a reference cannot be pulled, and that nothing of it stays."""
    with pytest.raises(kind, match=match):
        pull(reference)
    assert not all_cached()
    left = [path for path in cache_folder().rglob("*") if path.is_file()]
    assert not left
