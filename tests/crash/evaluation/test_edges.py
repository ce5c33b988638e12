"""Error measures, strain of edges, ripples, the projection, and what a run notes of them."""

import json

import numpy as np
import pytest
import torch

from scionwood import ReadError
from scionwood_crash.evaluation.edges import edge_measures, edge_strain, edge_vector_loss, sides
from scionwood_crash.evaluation.fields import FILE, Fields, calibrate, projected
from scionwood_crash.evaluation.metrics import distances, intrusion, measure
from scionwood_crash.inference import Predictor


def test_a_stretched_part_has_the_strain_of_the_stretch_and_a_moved_one_has_none(batch):
    graph = batch["graph"]
    still = torch.zeros_like(batch["displacement"])
    stretched = still + 0.02 * graph.position[:, None]
    measures = edge_measures(stretched, still, graph)
    for name in ("edge_strain", "edge_p99"):
        torch.testing.assert_close(measures[f"{name}_predicted"], torch.full((4,), 0.02))
        assert not measures[f"{name}_true"].any()
    torch.testing.assert_close(edge_vector_loss(stretched, still, graph), torch.full((4,), 0.02))
    moved = still + torch.tensor([1.0, 2.0, 3.0])
    assert float(edge_vector_loss(moved, still, graph).max()) < 1e-6
    assert float(edge_measures(moved, still, graph)["ripple_predicted"].max()) < 1e-4


def test_ripples_count_a_node_that_leaves_its_neighbours(batch):
    graph = batch["graph"]
    noisy = torch.zeros_like(batch["displacement"])
    node = int((graph.edges[1] == 5).sum())
    noisy[5, -1, 2] = 0.01  # 1 mm
    nodes = float((graph.batch == 0).sum())
    given = float(edge_measures(noisy, noisy, graph)["ripple_true"][0])
    around = graph.edges[0][graph.edges[1] == 5]
    shares = [1 / float((graph.edges[1] == each).sum()) for each in around]
    assert node == len(around)
    assert given == pytest.approx((1 + sum(shares)) / nodes, rel=1e-4)


def test_the_projection_removes_false_strain_and_keeps_the_intrusion(suite):
    part = suite.encoded("test")[0]
    random = torch.Generator().manual_seed(0)
    noise = 0.02 * torch.randn(part.displacement.shape, generator=random)
    noise[part.graph.clamped] = 0
    noisy = part.displacement + noise
    straight = projected(noisy, part.graph, 100.0)
    pairs = sides(part.graph)
    before, after, true = (
        float(edge_strain(part.graph.position, moved, pairs)[:, -1].abs().mean())
        for moved in (noisy, straight, part.displacement)
    )
    assert before > 3 * true
    assert after < 0.4 * before
    assert not straight[part.graph.clamped].any()
    deepest = [float(intrusion(moved, part.graph).max()) for moved in (noisy, straight)]
    assert deepest[1] == pytest.approx(deepest[0], rel=0.2)
    assert projected(noisy, part.graph, 0.0) is noisy


def test_calibration_takes_no_projection_for_exact_predictions(suite):
    parts = suite.encoded("train")
    exact = {id(part.graph): part.displacement for part in parts}
    assert calibrate(lambda graph: exact[id(graph)], parts) == (0.0, 1.0, 1.0)
    random = torch.Generator().manual_seed(0)
    wrong = {
        key: moved + 0.01 * torch.randn(moved.shape, generator=random)
        for key, moved in exact.items()
    }
    stiffness, before, after = calibrate(lambda graph: wrong[id(graph)], parts)
    assert stiffness > 0
    assert abs(np.log(after)) < abs(np.log(before))


def test_a_run_notes_its_stiffness_and_predictions_are_projected(run, tmp_path, suite):
    held = Fields.read(run)
    assert held.parts == 2
    assert FILE in json.loads((run / "files.json").read_text())["files"]
    plain = Predictor(run)
    plain.fields = Fields()
    stiff = Predictor(run)
    stiff.fields = Fields(stiffness=30.0)
    part = suite.parts("test")[0]
    histories = [each.predict(part).displacement for each in (plain, stiff)]
    assert not np.array_equal(*histories)
    stated = {**json.loads((run / FILE).read_text()), "stiffness": -1.0}
    (tmp_path / FILE).write_text(json.dumps(stated))
    with pytest.raises(ReadError, match="is not between 0 and 10000"):
        Fields.read(tmp_path)
    assert Fields.read(tmp_path / "none").stiffness == 0


def test_measures_a_known_error(batch):
    graph, true = batch["graph"], batch["displacement"]
    parts = len(graph.condition)
    exact = measure(true, true, graph)
    assert all(not values.any() for values in exact.values())
    off = true + torch.tensor([0.0, 0.03, 0.04])
    torch.testing.assert_close(
        distances(off, true, graph.batch, parts), torch.full((parts, 3), 5.0)
    )
    direction = graph.condition[:, 12:15]
    deeper = true * 1.1
    errors = measure(deeper, true, graph)["intrusion_error"]
    torch.testing.assert_close(errors, torch.full((parts,), 10.0), rtol=1e-3, atol=1e-3)
    along = 100 * (true * direction[graph.batch][:, None]).sum(-1)
    assert float(intrusion(true, graph)[0, -1]) == pytest.approx(
        float(along[graph.batch == 0, -1].max()), rel=1e-5
    )
