"""The run that the plugin ships: it is the default, and it has the score that it states."""

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


def test_the_shipped_run_has_about_the_score_that_it_states() -> None:
    folder = find_run("crash/transfer_lora", quiet=True)
    origin = read_origin(folder)
    assert origin is not None
    ours, simplest = numbers(origin.score)
    assert ours < simplest
    one_design = ship.distance(ship.network(folder), ship.held_out(n_test=1))
    assert one_design < 2 * ours
