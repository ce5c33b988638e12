"""The run that the plugin ships: the default, its score, and what is exported of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scionwood import find_run, load_run
from scionwood.authoring import read_origin, weights_digest
from scionwood.cli import main
from scionwood_crash import ship
from scionwood_crash.backbones import MeshGraphNet
from scionwood_crash.inference import Predictor
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.tasks.deployed import deployed
from scionwood_export import export_run
from scionwood_export.run import write_deployed


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+\.\d", score)]


def bumper(part: Callable[..., Part]) -> Part:
    """Return the mesh of a bumper, which nothing has hit."""
    made = part("bumper", seed=5, frames=1)
    return replace(made, displacement=np.zeros((1, len(made.points), 3)))


def test_predict_works_without_training_and_records_which_run_it_used(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_series(Path("bumper.vtp"), to_series(bumper(part)))
    assert main(["crash", "predict", "bumper.vtp", "predicted.vtp"]) == 0
    origin = read_origin(ship.TARGET)
    assert str(origin).startswith("crash/transfer_lora 0.1.0 (simulated bumper beams;")
    ours, simplest = numbers(origin.score)
    assert ours < simplest
    moved = open_series(Path("predicted.vtp")).displacement()
    assert len(moved) == 21
    assert 20 < np.abs(moved).max() < 500, "mm"
    record = json.loads(Path("predicted.vtp.json").read_text())
    assert (record["run"], record["digest"]) == (str(origin), origin.digest)
    assert (record["mesh"], record["setup"]["clamped"]) == ("bumper.vtp", "field")


def test_a_record_is_kept_unless_force_is_given(part, run, tmp_path, capsys):
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


@pytest.mark.slow
def test_the_shipped_run_has_about_the_score_that_it_states():
    folder = find_run("crash/transfer_lora", quiet=True)
    origin = read_origin(folder)
    one_design = ship.distance(ship.network(folder), ship.held_out(n_test=1))
    assert one_design < 2 * numbers(origin.score)[0]


RUN = "crash/transfer_lora"


def test_what_is_exported_predicts_as_the_run(part):
    folder, predictor = find_run(RUN, quiet=True), Predictor(RUN)
    deployed = load_run(folder).deploy(folder)
    assert deployed.dynamic == ("node", "edge", "cell")
    assert deployed.normalisation.numbers == {"length_mm": 100.0, "frames": 21}
    graph = predictor.encoder.encode(part("bumper", size=40.0)).graph
    with torch.no_grad():
        both = predictor.task.predict({"graph": graph})
        for ours, theirs in zip(both, deployed.module(*graph.alone), strict=True):
            assert (theirs - ours).abs().max() <= 1e-5 * ours.abs().max()


@pytest.mark.slow
def test_one_file_serves_meshes_of_several_sizes(part, tmp_path):
    verified = export_run(RUN, tmp_path / "crash.pt2")
    assert verified.reached <= 1e-5
    model = torch.export.load(tmp_path / "crash.pt2").module()
    predictor = Predictor(RUN)
    sizes = set()
    for element in (25.0, 40.0):
        graph = predictor.encoder.encode(part("bumper", size=element)).graph
        with torch.no_grad():
            both = predictor.task.predict({"graph": graph})
            given = model(*graph.alone)
        sizes.add(len(given[0]))
        for ours, theirs in zip(both, given, strict=True):  # displacement and plastic strain
            assert (theirs - ours).abs().max() <= 1e-5 * ours.abs().max()
    assert len(sizes) == 2
    card = json.loads((tmp_path / "crash.pt2.json").read_text())
    assert card["dynamic_axes"] == ["node", "edge", "cell"]
    assert card["normalisation"]["numbers"] == {"length_mm": 100.0, "frames": 21}


@pytest.mark.slow
def test_a_network_in_pieces_is_exported_as_a_whole(tmp_path):
    model = MeshGraphNet(size="tiny", frames=3, max_nodes=20).eval()
    assert len(model.example_input()[0]) > 20
    verified = write_deployed(deployed(model), "pt2", tmp_path / "pieces.pt2")
    assert verified.reached <= 1e-5
