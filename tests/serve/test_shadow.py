"""A shadow trains in the worker, and only a version that is no worse goes live."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
import torch
from serve_client import Server, running

import scionwood
from scionwood_serve import ServingError
from scionwood_serve.shadow.training import Gate, continue_training
from scionwood_serve.worker.holding import Holding

pytestmark = pytest.mark.timeout(900)
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
    while not (told := re.findall("^shadow:.*", server.log.read_text(), re.MULTILINE)):
        assert time.monotonic() < end, server.log.read_text()
        time.sleep(0.3)
    assert word in told[0]
    return told[0]


@pytest.mark.slow
def test_a_better_version_goes_live_while_requests_are_answered(live, line, tmp_path):
    longer = recipe_of(live, tmp_path / "next.yaml", "trainer.max_steps=12", "task.lr=1e-3")
    words = (f"clean={live}", "--shadow", str(longer), "--slack", "p95=60s")
    with running(tmp_path / "s", *words) as server:
        first = server.post(*(sent := (SERVICE, line.read_bytes(), "line.sgy")), gate="off")
        told = wait_for(server, "live as clean@")
        after = server.post(*sent, gate="off")
        assert first.version != after.version
        assert after.version in told
        again = server.post(*sent, gate="off", adapter=f"clean@{first.version}")
        assert again.body == first.body != after.body


@pytest.mark.slow
def test_a_worse_version_is_kept_aside(live, line, tmp_path):
    worse = recipe_of(live, tmp_path / "next.yaml", "trainer.max_steps=4", "task.lr=0.3")
    with running(tmp_path / "s", f"clean={live}", "--shadow", f"clean={worse}") as server:
        before = server.ask("GET", "/adapters").json()
        wait_for(server, "kept aside, since it is worse")
        assert server.ask("GET", "/adapters").json() == before


@pytest.mark.slow
def test_another_backbone_is_refused_and_both_losses_are_of_one_split(live, tmp_path):
    other = recipe_of(live, tmp_path / "other.yaml", "adapter.r=2")
    held, gate = Holding(), Gate(tmp_path / "flag")
    gate.flag.touch()
    with pytest.raises(ServingError, match="its backbone or its adapter"):
        continue_training(live, str(other), tmp_path, held, gate)
    same = recipe_of(live, tmp_path / "same.yaml", "trainer.max_steps=1", "task.lr=1e-12")
    loss = continue_training(live, str(same), tmp_path, held, gate)
    assert loss["after"] == pytest.approx(loss["before"], rel=1e-4)


def test_a_training_stops_for_a_request_and_keeps_its_random_numbers(tmp_path):
    gate, drawn = Gate(tmp_path / "flag"), []
    gate.flag.touch()

    def train() -> None:
        with gate.training():
            torch.manual_seed(1)
            while len(drawn) < 6:
                gate.stop_here()
                drawn.append(float(torch.rand(())))

    thread = threading.Thread(target=train)
    with gate.held(wait=True):
        thread.start()
        time.sleep(0.05)
        assert not drawn
        torch.manual_seed(7)
        answer = torch.rand(9)
    thread.join()
    for seed, numbers in ((7, answer.tolist()), (1, drawn)):
        torch.manual_seed(seed)
        assert numbers == [float(torch.rand(())) for _ in numbers]
