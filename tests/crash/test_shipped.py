"""The run that the plugin ships: it is the default, and it can be trained again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scionwood import find_run
from scionwood.authoring import read_origin, weights_digest
from scionwood.cli import main
from scionwood_crash import ship
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import open_series, write_series


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d", score)]


def bumper(part: Callable[..., Part]) -> Part:
    """Return the mesh of a bumper, which nothing has hit."""
    made = part("bumper", seed=5, frames=1)
    return replace(made, displacement=np.zeros((1, len(made.points), 3)))


def test_predict_works_without_training_and_records_which_run_it_used(
    part: Callable[..., Part], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_series(Path("bumper.vtp"), to_series(bumper(part)))
    assert main(["crash", "predict", "bumper.vtp", "predicted.vtp"]) == 0
    origin = read_origin(ship.TARGET)
    assert origin is not None
    assert str(origin).startswith("crash/transfer_lora 0.1.0 (simulated bumper beams;")
    moved = open_series(Path("predicted.vtp")).displacement()
    assert len(moved) == 21
    assert 20 < np.abs(moved).max() < 500, "mm"
    record = json.loads(Path("predicted.vtp.json").read_text())
    assert (record["run"], record["digest"]) == (str(origin), origin.digest)
    assert (record["mesh"], record["setup"]["clamped"]) == ("bumper.vtp", "field")


def test_wrong_paths_and_runs_are_refused_before_torch_is_imported(
    refused_without_torch: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.k").write_text("*KEYWORD\n")
    refused_without_torch(
        "crash predict nope.k x.vtp -> nope.k: there is no such file",
        "crash predict in.k in.k -> in.k: it exists already",
        "crash predict in.k x.vtp --run crash/transfer_lore -> Did you mean 'transfer_lora'",
        "crash predict in.k x.vtp --run . -> it does not hold a finished run",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.k"]


def test_a_record_is_kept_unless_force_is_given(
    part: Callable[..., Part], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh, target, record = (tmp_path / name for name in ("in.vtp", "out.vtp", "out.vtp.json"))
    write_series(mesh, to_series(bumper(part)))
    record.write_text("mine")
    command = ["crash", "predict", str(mesh), str(target), "--run", str(run)]
    assert main(command) == 2
    assert "out.vtp.json: it exists already" in capsys.readouterr().err
    assert not target.exists()
    assert main([*command, "--force"]) == 0
    made = json.loads(record.read_text())
    assert (made["run"], made["digest"]) == (run.name, weights_digest(run))


def test_the_shipped_run_has_the_digest_that_it_states_and_about_its_score() -> None:
    folder = find_run("crash/transfer_lora", quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    assert weights_digest(folder) == origin.digest
    ours, simplest = numbers(origin.score)
    assert ours < simplest
    one_design = ship.distance(ship.network(folder), ship.held_out(n_test=1))
    assert one_design < 2 * ours


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
    made, shipped = ship.train(tmp_path / "transfer_lora"), read_origin(ship.TARGET)
    assert shipped is not None
    if made.machine == shipped.machine:
        assert made.digest == shipped.digest
    assert numbers(made.score) == pytest.approx(numbers(shipped.score), abs=1.0)
