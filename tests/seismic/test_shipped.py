"""The run that the plugin ships: it is the default, and it can be trained again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scionwood import find_run, load_run
from scionwood.authoring import read_origin, weights_digest
from scionwood.cli import main
from scionwood_seismic import ship

Write = Callable[..., Path]
DONE = """
import sys
from scionwood.cli import main
small = ["--n", "2", "--n-traces", "48", "--n-samples", "64"]
assert main(["seismic", "simulate", "n.sgy", "r.sgy", *small]) == 0
sys.stderr = open("said.txt", "w")
assert main(["seismic", "denoise", "n.sgy", "c.sgy"]) == 0
assert main(["seismic", "denoise", "n.sgy", "c2.sgy"]) == 0
"""


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d", score)]


def test_denoise_works_without_training_and_says_once_which_run_it_uses(
    python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    python("-c", DONE)
    said = (tmp_path / "said.txt").read_text()
    assert said.count("using seismic/shot ") == 1
    origin = read_origin(ship.RUNS / "shot")
    assert origin is not None
    assert f"using {origin}\n" in said
    assert "before stack" in said
    assert "dB" in said
    record = json.loads((tmp_path / "c.sgy.json").read_text())
    assert (record["run"], record["digest"]) == (str(origin), origin.digest)


def test_wrong_paths_and_runs_are_refused_before_torch_is_imported(
    refused_without_torch: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.sgy").write_text("*KEYWORD\n")
    refused_without_torch(
        "seismic denoise nope.sgy x.sgy -> nope.sgy: there is no such file",
        "seismic denoise in.sgy in.sgy -> in.sgy: it exists already",
        "seismic denoise in.sgy x.sgy --run seismic/denoize -> Did you mean 'denoise'",
        "seismic denoise in.sgy x.sgy --run . -> it does not hold a finished run",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.sgy"]


def test_a_record_names_a_run_that_was_trained_here(segy: Write, run: Path) -> None:
    noisy = segy()
    clean = noisy.with_name("clean.sgy")
    assert main(["seismic", "denoise", str(noisy), str(clean), "--run", str(run)]) == 0
    record = json.loads(clean.with_name("clean.sgy.json").read_text())
    assert (record["run"], record["digest"]) == (run.name, weights_digest(run))


def test_the_shipped_run_has_the_score_and_the_digest_that_it_states() -> None:
    folder = find_run("seismic/denoise", quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    assert weights_digest(folder) == origin.digest
    ours, classical = numbers(origin.score)
    assert ship.mean_snr(load_run(folder)) == pytest.approx(ours, abs=0.1)
    assert ours > classical


def test_the_shipped_run_names_no_place_of_the_machine_that_trained_it() -> None:
    texts = [path for path in ship.TARGET.rglob("*") if path.suffix in {".json", ".yaml", ".md"}]
    assert len(texts) > 3
    for path in texts:
        assert not re.search(r"/(tmp|home|work|root)/", path.read_text("utf-8")), path
    size = sum(path.stat().st_size for path in ship.TARGET.rglob("*") if path.is_file())
    assert size < 2e6


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_training_again_gives_the_shipped_run(tmp_path: Path) -> None:
    made, shipped = ship.train(tmp_path / "denoise"), read_origin(ship.TARGET)
    assert shipped is not None
    if made.machine == shipped.machine:
        assert made.digest == shipped.digest
    assert numbers(made.score) == pytest.approx(numbers(shipped.score), abs=0.5)
