"""The run that the plugin ships: it is the default, and it has the score that it states."""

from __future__ import annotations

import json
import re

import pytest

from scionwood import find_run, load_run
from scionwood.authoring import read_origin
from scionwood.cli import main
from scionwood.runs import reference
from scionwood_seismic import ship


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d", score)]


def test_denoise_works_without_training_and_says_once_which_run_it_uses(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference, "_told", set())
    small = ["--n", "2", "--n-traces", "48", "--n-samples", "64"]
    assert main(["seismic", "simulate", "n.sgy", "r.sgy", *small]) == 0
    capsys.readouterr()
    assert main(["seismic", "denoise", "n.sgy", "c.sgy"]) == 0
    assert main(["seismic", "denoise", "n.sgy", "c2.sgy"]) == 0
    said = capsys.readouterr().err
    assert said.count("using seismic/shot ") == 1
    origin = read_origin(ship.RUNS / "shot")
    assert f"using {origin}\n" in said
    assert "before stack" in said
    assert "dB" in said
    record = json.loads((tmp_path / "c.sgy.json").read_text())
    assert (record["run"], record["digest"]) == (str(origin), origin.digest)


def test_the_shipped_run_has_the_score_that_it_states():
    folder = find_run("seismic/denoise", quiet=True)
    origin = read_origin(folder)
    ours, classical = numbers(origin.score)
    assert ship.mean_snr(load_run(folder)) == pytest.approx(ours, abs=0.1)
    assert ours > classical
