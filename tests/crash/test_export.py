"""The exported network predicts parts of any mesh as the run does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from scionwood import find_run, load_run
from scionwood_crash.backbones import MeshGraphNet
from scionwood_crash.inference import Predictor
from scionwood_crash.parts.part import Part
from scionwood_crash.tasks.deployed import deployed
from scionwood_export import export_run
from scionwood_export.run import write_deployed

RUN = "crash/transfer_lora"


def test_what_is_exported_predicts_as_the_run(part: Callable[..., Part]) -> None:
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
def test_one_file_serves_meshes_of_several_sizes(part: Callable[..., Part], tmp_path: Path) -> None:
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
def test_a_network_in_pieces_is_exported_as_a_whole(tmp_path: Path) -> None:
    model = MeshGraphNet(size="tiny", frames=3, max_nodes=20).eval()
    assert len(model.example_input()[0]) > 20
    verified = write_deployed(deployed(model), "pt2", tmp_path / "pieces.pt2")
    assert verified.reached <= 1e-5
