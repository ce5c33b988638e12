"""Invariances of the networks, clamped nodes, masks, weights and adapter targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from case_table import table
from peft import LoraConfig
from scipy.spatial.transform import Rotation

from scionwood import RecipeError, WeightsError, attach
from scionwood_crash.backbones import MaskMorphUNet, MeshGraphNet, Transolver
from scionwood_crash.data.encode import Encoder, outward
from scionwood_crash.model import SIZES
from scionwood_crash.model.graph import join
from scionwood_crash.parts.part import Part

FAMILIES = ("hat", "bumper", "tube", "box")
BACKBONES = {"unet": MaskMorphUNet, "mgn": MeshGraphNet, "transolver": Transolver}
Make = Callable[..., Part]


def loud(model: Any) -> Any:
    """Scale weights up as after a training, so that predictions are large."""
    with torch.no_grad():
        model.decode["displacement"].perceptron.last.weight.mul_(30)
    return model.eval()


@table("name", BACKBONES)
@torch.no_grad()
def test_a_batch_gives_the_same_as_its_parts(part: Make, name: str) -> None:
    model, encoder = loud(BACKBONES[name](frames=3)), Encoder(SIZES["tiny"])
    graphs = [encoder.encode(part(family)).graph for family in FAMILIES]
    together = model(*join(graphs, model.levels))
    alone = torch.cat([model(*graph) for graph in graphs])
    assert together.abs().max() > 0.1
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@table("family", FAMILIES)
@torch.no_grad()
def test_a_rotated_model_gives_rotated_predictions(part: Make, family: str) -> None:
    model, encoder = loud(MaskMorphUNet(frames=3)), Encoder(SIZES["tiny"])
    still = part(family, 2)
    turn, step = Rotation.random(random_state=3).as_matrix(), np.array([300.0, -20, 70])
    hit = still.impactor
    place = {
        "point": tuple(turn @ hit.point + step),
        "axis": tuple(turn @ hit.axis),
        "direction": tuple(turn @ hit.direction),
    }
    rotated = replace(still, points=still.points @ turn.T + step, impactor=replace(hit, **place))
    ours, theirs = (encoder.encode(each) for each in (rotated, still))
    moved, expected = (outward(model(*e.graph), e.frame) for e in (ours, theirs))
    size = np.abs(expected).max()
    assert size > 10
    np.testing.assert_allclose(moved, expected @ turn.T, atol=1e-4 * size)


@table("family", FAMILIES)
@torch.no_grad()
def test_predictions_do_not_depend_on_node_numbers(part: Make, family: str) -> None:
    model, encoder = loud(MaskMorphUNet(frames=3)), Encoder(SIZES["tiny"])
    still = part(family, 1)
    order = np.random.default_rng(0).permutation(len(still.points))
    number = np.argsort(order)
    other = replace(
        still, points=still.points[order], cells=number[still.cells], clamped=still.clamped[order]
    )
    ours, theirs = (encoder.encode(each) for each in (other, still))
    moved, expected = model(*ours.graph), model(*theirs.graph)[torch.from_numpy(order)]
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("history", ["one_shot", "recurrent"])
@torch.no_grad()
def test_clamped_nodes_and_the_first_frame_stay_at_zero(part: Make, history: Any) -> None:
    model = MaskMorphUNet(frames=3, history=history, plastic=True).eval()
    encoded = Encoder(SIZES["tiny"]).encode(part("hat"))
    moved, strain = model(*encoded.graph)
    clamped = encoded.graph.clamped
    assert clamped.any()
    assert not moved[clamped].any()
    assert not moved[:, 0].any()
    assert moved[~clamped][:, 1:].all()
    assert strain.shape == (len(encoded.graph.cells), 3)
    assert (strain.diff(dim=1) > 0).all(), "plastic strain never decreases"


def test_masks_act_in_training_only(part: Make) -> None:
    graph = Encoder(SIZES["tiny"]).encode(part("hat")).graph
    model = MaskMorphUNet(frames=3, mask=0.4)
    torch.manual_seed(0)
    first, second = model.train()(*graph), model(*graph)
    assert not torch.equal(first, second)
    model.eval()
    assert torch.equal(model(*graph), model(*graph))
    assert torch.equal(model(*graph), MaskMorphUNet(frames=3).eval()(*graph))
    with pytest.raises(RecipeError, match="a share of nodes"):
        MaskMorphUNet(mask=1.0)


def test_fixed_grids_are_those_of_the_reference_part(part: Make) -> None:
    size = SIZES["tiny"]
    first, second = part("hat", 0), part("hat", 1)
    reference = Encoder(size).reference(first)
    fixed = Encoder(size, coarse="fixed", references={"hat": reference})
    ours, theirs = (fixed.encode(each).graph.coarse for each in (first, second))
    assert torch.equal(ours, theirs)
    assert torch.equal(ours, Encoder(size).encode(first).graph.coarse)
    assert not torch.equal(ours, Encoder(size).encode(second).graph.coarse)


def test_frozen_edge_trains_all_but_the_edge_specific_layers() -> None:
    model = MaskMorphUNet(size="small")
    edges = {n for n, _ in model.named_parameters() if n.startswith(("down.", "up."))}
    share = sum(model.get_parameter(name).numel() for name in edges)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert share > 0.9 * total, "most weights are edge-specific"
    tuned = attach(model, partial(), targets="frozen-edge")
    trained = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert trained < 0.2 * total
    own = {n.split("base_layer.")[-1] for n, p in tuned.named_parameters() if p.requires_grad}
    assert not any(name.startswith(("down.", "up.")) for name in own)


def test_lora_on_the_shared_layers_is_small() -> None:
    model = MaskMorphUNet(size="small")
    total = sum(parameter.numel() for parameter in model.parameters())
    tuned = attach(model, LoraConfig(r=8), targets="linear")
    adapter = [p for n, p in tuned.named_parameters() if "lora_" in n]
    assert sum(p.numel() for p in adapter) < 0.02 * total
    assert 4 * sum(p.numel() for p in adapter) < 1e6, "bytes"


def test_adapted_layers_give_the_same_as_the_fused_operator(part: Make) -> None:
    graph = Encoder(SIZES["tiny"]).encode(part("tube")).graph
    model = loud(MaskMorphUNet(frames=3))
    before = model(*graph)
    tuned = attach(model, LoraConfig(r=2), targets="linear").eval()
    torch.testing.assert_close(tuned(*graph), before, rtol=1e-5, atol=1e-5)


def test_refuses_a_graph_of_another_size(part: Make) -> None:
    graph = Encoder(SIZES["small"]).encode(part("hat")).graph
    with pytest.raises(RecipeError, match="coarse nodes"):
        MaskMorphUNet(size="tiny")(*graph)


def test_loads_weights_of_a_run_and_refuses_others(tmp_path: Any) -> None:
    from safetensors.torch import save_file

    model = MaskMorphUNet(init_seed=5)
    save_file(model.state_dict(), tmp_path / "head.safetensors")
    again = MaskMorphUNet(weights=tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    with pytest.raises(WeightsError, match="another model or size"):
        MeshGraphNet(weights=tmp_path)
    (tmp_path / "head.safetensors").write_bytes(b"none")
    with pytest.raises(WeightsError, match="not a readable safetensors"):
        MaskMorphUNet(weights=tmp_path)
    with pytest.raises(WeightsError, match="no weights of this model and size are shipped"):
        MaskMorphUNet(size="base", weights="shipped")


def partial() -> Any:
    from scionwood.adapters.methods import config_class

    return config_class("methods/partial")()
