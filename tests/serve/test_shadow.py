"""A shadow trains beside a server, and only a version that is no worse goes live."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from serve_client import Server, running

import scionwood
from scionwood_serve import ServingError
from scionwood_serve.shadow.training import GATE, continue_training

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SERVICE = "seismic/denoise"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = scionwood.resolve(SERVICE, smoke=True)
    return scionwood.fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "live")


def recipe_of(live: Path, target: Path, *changes: str) -> Path:
    target.write_text(scionwood.resolve(live / "recipe.yaml", changes).dump(), "utf-8")
    return target


def wait_for(server: Server, word: str) -> str:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        told = [text for text in server.log.read_text().splitlines() if text.startswith("shadow:")]
        if told:
            assert word in told[0], server.log.read_text()
            return told[0]
        time.sleep(0.3)
    raise TimeoutError(server.log.read_text())


def test_a_better_version_goes_live_while_requests_are_answered(live, line, tmp_path):
    longer = recipe_of(live, tmp_path / "next.yaml", "trainer.max_steps=12", "task.lr=1e-3")
    words = (f"clean={live}", "--shadow", str(longer), "--slack", "p95=60s")
    with running(tmp_path / "s", *words) as server:
        first = server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off")
        told = wait_for(server, "live as clean@")
        after = server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off")
        assert (first.status, after.status) == (200, 200)
        assert first.version != after.version
        assert after.version in told
        kept = f"clean@{first.version}"
        again = server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off", adapter=kept)
        assert again.body == first.body != after.body


def test_a_worse_version_is_kept_aside(live, line, tmp_path):
    worse = recipe_of(live, tmp_path / "next.yaml", "trainer.max_steps=4", "task.lr=0.3")
    with running(tmp_path / "s", f"clean={live}", "--shadow", f"clean={worse}") as server:
        before = server.ask("GET", "/adapters").json()
        wait_for(server, "kept aside, since it is worse")
        assert server.ask("GET", "/adapters").json() == before


def test_another_backbone_is_refused(live, tmp_path):
    other = recipe_of(live, tmp_path / "next.yaml", "adapter.r=2")
    with pytest.raises(ServingError, match="its backbone or its adapter"):
        continue_training(live, str(other), tmp_path)
    assert not (tmp_path / GATE).exists()


def test_both_losses_are_of_the_same_validation_split(live, tmp_path):
    same = recipe_of(live, tmp_path / "next.yaml", "trainer.max_steps=1", "task.lr=1e-12")
    continue_training(live, str(same), tmp_path)
    gate = json.loads((tmp_path / GATE).read_text())
    assert gate["after"] == pytest.approx(gate["before"], rel=1e-4)
