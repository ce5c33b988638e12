"""Assemblies as graphs and in a run: pieces, links, welded strength, and any numbering."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from case_table import table

from scionwood import ReadError, RecipeError, fit
from scionwood.recipes.recipe import resolve
from scionwood_crash.backbones import MaskMorphUNet, MeshGraphNet, Transolver
from scionwood_crash.data.encode import Encoder, outward
from scionwood_crash.data.parts import Collate
from scionwood_crash.evaluation.edges import edge_measures
from scionwood_crash.evaluation.metrics import intrusion, measure
from scionwood_crash.inference import Predictor
from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import CONDITIONS, join
from scionwood_crash.parts.links import Links, of_ties
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.parts.strength import NUMBERS
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.solver.model import CONTACT, TIE, WELD
from scionwood_crash.suite.families import FAMILIES


def made(family: str, size: float = 40.0) -> Part:
    """Return an assembly of the suite without simulation, with random displacements."""
    design = FAMILIES[family](np.random.default_rng(0), size)
    shell, times = design.shell, np.linspace(0, design.duration, 3)
    moved = np.random.default_rng(1).normal(0, 5, (3, len(shell.nodes), 3))
    basic = (shell.nodes, shell.quads, shell.thickness, shell.clamped, shell.materials[0])
    more: dict[str, Any] = {"materials": shell.materials, "sheet": shell.part}
    more["links"] = None if shell.ties is None else of_ties(shell.ties)
    return Part(*basic, design.impactor, times, moved, family=family, **more)


@pytest.fixture(scope="module")
def welded() -> Part:
    return made("hat_plate")


def loud(model: Any) -> Any:
    with torch.no_grad():
        model.decode["displacement"].perceptron.last.weight.mul_(30)
    return model.eval()


def test_the_pieces_of_an_assembly_are_the_parts_of_its_graph(welded):
    graph = Encoder(SIZES["tiny"]).encode(welded).graph
    assert graph.assembly.tolist() == [0, 0]
    assert graph.assembly_count == 1
    assert (graph.batch.diff() >= 0).all()
    assert len(graph.coarse) == 2 * sum(len(level) for level in SIZES["tiny"].template().levels)
    source, target = graph.links
    assert (graph.batch[source] != graph.batch[target]).all()
    assert set(graph.kinds.tolist()) == {WELD, CONTACT}
    inside = graph.batch[graph.edges[0]] == graph.batch[graph.edges[1]]
    assert inside.all(), "sides of cells stay within a piece"


def test_welded_pieces_have_the_strength_of_the_whole(welded):
    encoder, last = Encoder(SIZES["tiny"]), slice(CONDITIONS - NUMBERS, CONDITIONS)
    whole = encoder.encode(welded).graph.condition
    loose = encoder.encode(replace(welded, links=None)).graph.condition
    torch.testing.assert_close(whole[0, last], whole[1, last])
    assert (loose[0, last] - loose[1, last]).abs().max() > 0.3
    assert whole[0, CONDITIONS - NUMBERS] > loose[0, CONDITIONS - NUMBERS], "more area"
    torch.testing.assert_close(whole[:, : CONDITIONS - NUMBERS], loose[:, : CONDITIONS - NUMBERS])
    assert whole[0, 4] != whole[1, 4], "each piece keeps the yield stress of its own sheet"


@torch.no_grad()
def test_the_numbers_of_nodes_do_not_matter(welded):
    order = np.random.default_rng(2).permutation(len(welded.points))
    number = np.argsort(order)
    mixed = replace(
        welded,
        points=welded.points[order],
        cells=number[welded.cells],
        clamped=welded.clamped[order],
        displacement=welded.displacement[:, order],
        links=Links(number[welded.links.nodes], welded.links.kinds),
    )
    model, encoder = loud(MaskMorphUNet(frames=3, links=True)), Encoder(SIZES["tiny"])
    given, other = (encoder.encode(each) for each in (welded, mixed))
    first, second = (outward(model(*e.graph), e.frame, e.order) for e in (given, other))
    assert np.abs(first).max() > 1
    np.testing.assert_allclose(second, first[:, order], atol=1e-3 * np.abs(first).max())
    back = outward(other.displacement, other.frame, other.order)
    np.testing.assert_allclose(back, mixed.displacement, atol=1e-4)


@table("make", [MaskMorphUNet, MeshGraphNet, Transolver])
@torch.no_grad()
def test_assemblies_and_single_parts_share_a_batch(make, welded, part):
    model, encoder = loud(make(frames=3, links=True)), Encoder(SIZES["tiny"])
    graphs = [encoder.encode(each).graph for each in (part("tube", size=40.0), welded)]
    graphs.append(encoder.encode(made("bumper_boxes")).graph)
    together = join(graphs, model.levels)
    assert together.assembly.tolist() == [0, 1, 1, 2, 2, 2]
    alone = torch.cat([model(*graph) for graph in graphs])
    torch.testing.assert_close(model(*together), alone, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_links_reach_the_other_piece(welded):
    """Without links a piece does not see the other, except by the travel of the impactor."""
    model = loud(MeshGraphNet(frames=3, links=True, contact=False))
    for between, seen in (("all", True), ("none", False)):
        graph = Encoder(SIZES["tiny"], between=between).encode(welded).graph
        changed = graph.features.clone()
        changed[graph.batch == 0, 0] += 1.0  # the thickness of the hat
        away = (model(*graph._replace(features=changed)) - model(*graph)).abs()
        assert bool(away[graph.batch == 1].max() > 0) is seen
    other = MaskMorphUNet(frames=3, links=True)
    graph = Encoder(SIZES["tiny"]).encode(welded).graph
    before = other(*graph)
    other.linked.kind.weight[WELD] += 1.0
    assert (other(*graph) - before).abs().max() > 0


def test_metrics_are_those_of_the_assembly(welded, part):
    encoder = Encoder(SIZES["tiny"])
    still = part("tube", size=40.0)
    still = replace(
        still, displacement=np.random.default_rng(3).normal(0, 3, (3, *still.points.shape))
    )
    levels = [len(level) for level in SIZES["tiny"].template().levels]
    batch = Collate(levels)([encoder.encode(welded), encoder.encode(still)])
    graph, moved = batch["graph"], batch["displacement"]
    depth = intrusion(moved, graph)
    assert depth.shape == (2, 3)
    torch.testing.assert_close(
        depth[:1], intrusion(moved[: len(welded.points)], encoder.encode(welded).graph)
    )
    errors = measure(1.1 * moved, moved, graph) | edge_measures(1.1 * moved, moved, graph)
    assert {value.shape for value in errors.values()} == {(2,)}
    assert errors["intrusion_error"].tolist() == pytest.approx([10.0, 10.0], rel=1e-3)


def test_refuses_what_it_cannot_predict(welded, part):
    graph = Encoder(SIZES["tiny"]).encode(welded).graph
    with pytest.raises(RecipeError, match=r"assembly of 2 pieces.*single parts"):
        MaskMorphUNet(frames=3)(*graph)
    bare = Encoder(SIZES["tiny"], coarse="none").encode(part("tube", size=40.0)).graph
    with pytest.raises(RecipeError, match="needs coarse grids"):
        MaskMorphUNet(frames=3)(*bare)
    inner = Links(welded.cells[:1, :2], np.array([TIE]))
    with pytest.raises(ReadError, match="one piece"):
        Encoder(SIZES["tiny"]).encode(replace(welded, links=inner))
    with pytest.raises(ReadError, match="fixed grids"):
        Encoder(SIZES["tiny"], coarse="fixed").encode(welded)


@pytest.mark.parametrize("make", [MeshGraphNet, Transolver])
@torch.no_grad()
def test_networks_without_grids_run_on_any_mesh(make, part):
    """A tube that is bent to a ring has no two ends."""
    tube = part("tube", 0, 30.0)
    x, y, z = (tube.points - tube.points.mean(0)).T
    angle = 2 * np.pi * (x - x.min()) / (np.ptp(x) * 1.05)
    ring = replace(tube, points=np.c_[(200 + y) * np.cos(angle), (200 + y) * np.sin(angle), z])
    with pytest.raises(ReadError, match="two ends"):
        Encoder(SIZES["tiny"]).encode(ring)
    graph = Encoder(SIZES["tiny"], coarse="none").encode(ring).graph
    model = make(frames=3)
    moved = model(*graph)
    assert moved.shape == (len(ring.points), 3, 3)
    model.novelty.fit([graph] * 12)
    assert float(model.novelty.of(graph)) < 1


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = ["data.families=[hat_plate]", "backbone.links=true"]
    recipe = resolve("crash/pretrain", options, smoke=True)
    return fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*ELEMENT_SOLID are left out")
@pytest.mark.filterwarnings("ignore:.*JOINT_SCREW are not read as links")
def test_a_public_deck_of_eight_parts(run):
    deck = files("lsdyna_mesh_reader") / "examples" / "EXP_SC_JOINT_SCREW.key"
    series = open_series(Path(str(deck)), units="mm, ms, kg", thickness=1.5)
    assert len(np.unique(series.mesh.part_ids)) == 8
    predictor = Predictor(run, fallback="project")
    predicted = predictor.on_series(series, Setup(clamped="ends"))
    assert np.isfinite(predicted.displacement()).all()
    known = from_series(series, Setup(clamped="ends"), frames=3)
    assert predictor.encoder.encode(known).graph.assembly.tolist() == [0] * 8


def test_files_keep_the_materials_of_the_pieces(tmp_path):
    part = made("bumper_boxes")
    assert part.links is not None
    write_series(tmp_path / "run.pvd", to_series(part))
    again = from_series(open_series(tmp_path / "run.pvd"))
    assert again.materials == part.materials
    assert len({sheet.yield_stress for sheet in again.materials}) == 2
    np.testing.assert_array_equal(again.sheet, part.sheet)
    single = replace(part, materials=(), sheet=None)
    assert from_series(to_series(single)).materials == ()
